// Starts seal-main.ts where a layer's owners look as they do inside the tree, and flattens chains of layers there.
// It knows how to enter a user namespace, not what is sealed.
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { programUrl } from "../../cache/installed.js";
import { codeOf, ioProblem, saidOf } from "../../cache/io.js";
import { startProgram } from "../../cache/program.js";
import { complaint } from "../../cache/limits.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { layerStamp, type LayerStamp } from "./layer-stamp.js";
import type { Sealed, SealRequest } from "./seal-layer.js";
import type { CopyRequest } from "./seal-main.js";

/**
 * Words before a program that runs it where the layer was made: none as root, `unshare --user …` where actions
 * run in a user namespace.
 */
export type Inside = readonly string[];

const PROGRAM = programUrl("seal-main");

/** Seals in a worker thread, or in a process in the user namespace. */
export function runSeal(request: SealRequest, inside: Inside): Promise<Result<Sealed>> {
  return inside.length === 0 ? sealInThread(request) : sealInProcess(request, inside);
}

/** What a layer looks like (layer-stamp.ts); from the inside where its directories are closed to us. */
export async function stampLayer(layer: string, inside: Inside): Promise<Result<LayerStamp>> {
  try {
    return ok(await layerStamp(layer));
  } catch (error) {
    if (codeOf(error) !== "EACCES" || inside.length === 0)
      return ioProblem(`look at the layer ${layer}`, error);
  }
  const argv = [...inside, process.execPath, fileURLToPath(PROGRAM)];
  const { status, out, said } = await run(argv, layer, JSON.stringify({ layer }));
  // Written by seal-main.ts of this same version.
  return status === 0
    ? ok(JSON.parse(out) as LayerStamp)
    : fail(Exit.environment, ...complaint(`cannot look at the layer ${layer}`, said, layer));
}

/** Copies files out of layers, from the inside. */
export async function copyOut(request: CopyRequest, inside: Inside): Promise<Result<void>> {
  const argv = [...inside, process.execPath, fileURLToPath(PROGRAM)];
  const { status, out, said } = await run(argv, "/", JSON.stringify(request));
  // Written by seal-main.ts of this same version.
  return status === 0
    ? (JSON.parse(out) as Result<void>)
    : fail(Exit.environment, ...complaint("cannot copy files of a tree", said, request.layers[0] ?? "/"));
}

/** Unpacks a tar stream of a tree into the directory `to`, from the inside: owners, modes, times, attributes and all. */
export async function unpackInto(
  to: string,
  archive: AsyncIterable<Uint8Array>,
  inside: Inside,
): Promise<Result<void>> {
  const tar = ["tar", "--extract", "--preserve-permissions", "--same-owner", "--numeric-owner", "--xattrs"];
  const argv = [...inside, ...tar, "--xattrs-include=*", "--delay-directory-restore", "--file=-"];
  const { status, said } = await run(argv, to, archive);
  return status === 0
    ? ok(undefined)
    : fail(Exit.environment, ...complaint("cannot unpack a tree", said, to));
}

function sealInThread(request: SealRequest): Promise<Result<Sealed>> {
  return new Promise((resolve) => {
    let worker: Worker;
    try {
      worker = new Worker(PROGRAM, { workerData: request });
    } catch (error) {
      resolve(ioProblem(`seal ${request.upper}`, error));
      return;
    }
    worker.on("message", (result: Result<Sealed>) => resolve(result));
    worker.on("error", (error) =>
      resolve(fail(Exit.environment, `cannot seal ${request.upper}: ${error.message}`)),
    );
    worker.on("exit", () =>
      resolve(fail(Exit.environment, `cannot seal ${request.upper}: its thread ended early`)),
    );
  });
}

async function sealInProcess(request: SealRequest, inside: Inside): Promise<Result<Sealed>> {
  const argv = [...inside, process.execPath, fileURLToPath(PROGRAM)];
  const { status, out, said } = await run(argv, request.upper, JSON.stringify(request));
  if (status !== 0)
    return fail(Exit.environment, ...complaint(`cannot seal ${request.upper}`, said, request.upper));
  // Written by seal-main.ts of this same version.
  return JSON.parse(out) as Result<Sealed>;
}

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly said: string;
}

/** Runs to its end, or ours: whoever starts it, it does not outlive the engine. */
function run(argv: readonly string[], cwd: string, input: string | AsyncIterable<Uint8Array>): Promise<Ran> {
  return new Promise((resolve) => {
    const child = startProgram("setpriv", ["--pdeathsig", "KILL", "--", ...argv], {
      cwd,
      env: { ...process.env, LC_ALL: "C", LIBMOUNT_FORCE_MOUNT2: "always" },
      stdio: "pipe",
    });
    const out: Buffer[] = [];
    const said: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => said.push(chunk));
    child.on("error", (error) => resolve({ status: 127, out: "", said: saidOf(error) }));
    child.on("close", (status, signal) => {
      const words = Buffer.concat(said).toString().trim();
      resolve({
        status: status ?? 128,
        out: Buffer.concat(out).toString(),
        said: words === "" ? `it ended with ${signal ?? `status ${status ?? ""}`}` : words,
      });
    });
    // A program that dies before it has read everything says so by its status.
    child.stdin?.on("error", () => undefined);
    if (typeof input === "string") child.stdin?.end(input);
    else if (child.stdin !== null) {
      const from = Readable.from(input);
      // Where there is no more to read of what it is given, it must not take that for the end.
      from.on("error", (error) => {
        said.push(Buffer.from(`${saidOf(error)}\n`));
        child.kill("SIGKILL");
      });
      from.pipe(child.stdin);
    }
  });
}

/** What to flatten. Paths absolute. */
export interface FlattenRequest {
  /** What the names of `layers` are relative to. */
  readonly layersDir: string;
  /** Topmost first; one may be an absolute path. */
  readonly layers: readonly string[];
  readonly userxattr: boolean;
  /** Made here: an empty mount point. */
  readonly mountPoint: string;
  /** Made here: the directory that becomes the one layer. */
  readonly into: string;
}

/**
 * `cp -a` of the read-only merged view, in namespaces of its own: nothing stays mounted, or running. Environment:
 * util-linux from 2.39 on would cut `lowerdir` at 256 bytes without LIBMOUNT_FORCE_MOUNT2.
 */
const SCRIPT = /* sh */ `mkdir -p "$2" "$3"
mount -t overlay overlay -o "$1" "$2"
cp -a --preserve=xattr --reflink=auto "$2/." "$3/"`;

/** Copies what a chain of layers shows into one directory. The caller checks the copy by its digest. */
export async function flatten(request: FlattenRequest, inside: Inside): Promise<Result<void>> {
  const { layersDir, layers, userxattr, mountPoint, into } = request;
  const lower = layers.map((layer) => layer.replace(/[\\,:]/g, "\\$&")).join(":");
  // With userxattr the kernel refuses `redirect_dir=off`, which would still follow what lower layers redirect.
  const redirect = userxattr ? "nofollow,userxattr" : "off";
  const options = `lowerdir=${lower},metacopy=off,index=off,redirect_dir=${redirect}`;
  const namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--"];
  const argv = [...inside, ...namespace, "sh", "-euc", SCRIPT, "sh", options, mountPoint, into];
  const { status, said } = await run(argv, layersDir, "");
  return status === 0
    ? ok(undefined)
    : fail(Exit.environment, ...complaint(`cannot flatten ${layers.length} layers`, said, into));
}
