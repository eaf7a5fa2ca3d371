// Remote caches for tests: one of the test's own, and a real server where ./setup could build it.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../../cache/installed.js";
import { addressOf } from "../../cache/remote/address.js";
import { Link, type Access } from "../../cache/remote/link.js";
import { remoteOn, type Remote } from "../../cache/remote/open.js";
import { PATIENCE } from "../../cache/remote/tries.js";
import { unwrap } from "../../cache/problem.js";
import { standIn } from "./remote-stand-in.js";

const PROGRAM = fileURLToPath(new URL("dist/bazel-remote", PACKAGE));

/** A server that runs. */
export interface RunningServer {
  readonly url: string;
  readonly stop: () => void;
}

/** Starts a server that keeps what it is given in `dir`. */
type Start = (dir: string) => Promise<RunningServer>;

/** Whether the real one is on this machine; where it is not, its tests are skipped by this name. */
export const HAS_SERVER = existsSync(PROGRAM);
export const NO_SERVER = "bazel-remote is not here: ./setup test builds it where there is Go";

/** Servers by name: those that there are. */
export const SERVERS: Readonly<Record<string, Start>> = {
  "a remote cache (stand-in)": () => standIn(),
  ...(HAS_SERVER ? { "a remote cache (bazel-remote)": (dir: string) => startServer(dir) } : {}),
};

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** Starts the real one; it is there when this is done. `url` is that of one which comes back. */
export async function startServer(dir: string, url?: string): Promise<RunningServer> {
  const port = url === undefined ? await freePort() : Number(new URL(url).port);
  const data = join(dir, "bazel-remote");
  mkdirSync(data, { recursive: true });
  const address = `127.0.0.1:${port}`;
  const child = spawn(
    PROGRAM,
    ["--dir", data, "--max_size", "1", "--grpc_address", address, "--http_address", "127.0.0.1:0"],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (line.includes("Starting gRPC server")) {
      child.stderr.resume();
      return { url: `grpc://${address}`, stop: () => void child.kill("SIGKILL") };
    }
  }
  throw new Error(`bazel-remote did not start:\n${lines.join("\n")}`);
}

const ANYBODY: Access = { ca: null, identity: null, headers: [] };

/** Connections of this test. */
const links: Link[] = [];

/** Ends them. */
export function closeLinks(): void {
  for (const link of links.splice(0)) link.close();
}

/** What one machine has of a server. Nobody waits between two tries. */
export function remoteAt(
  url: string,
  dir: string,
  said: string[] = [],
  { access = ANYBODY, deadline = 20_000 }: { readonly access?: Access; readonly deadline?: number } = {},
): Remote & { readonly link: Link } {
  mkdirSync(dir, { recursive: true });
  const patience = { ...PATIENCE, wait: () => Promise.resolve() };
  const link = new Link(unwrap(addressOf(url)), access, patience, deadline);
  links.push(link);
  const remote = remoteOn(
    link,
    () => mkdtempSync(join(dir, "send-")),
    (message) => void said.push(message),
  );
  return { ...remote, link };
}
