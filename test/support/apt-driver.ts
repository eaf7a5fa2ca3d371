// What tests of the apt driver share: contexts, repositories as requests name them, and an http server for one.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Package, ResolveRequest, SnapshotAt, SnapshotContext } from "../../engine/packages/driver.js";
import type { Json } from "../../engine/model.js";
import type { Problem, Result } from "../../engine/problem.js";
import { driver } from "../../rules/drivers/apt.js";
import { hostArch, makeAptRepo, type AptRepo, type TinyPackage } from "./apt-repo.js";

const base = mkdtempSync(join(tmpdir(), "imagemake-apt-"));
/** Removes everything made here; for `afterAll`. */
export const cleanUp = (): void => rmSync(base, { recursive: true, force: true });
/** A directory whose name has a blank in it. */
export const newDir = (name: string): string => mkdtempSync(join(base, `${name} `));
/** A directory for a repository: the directory of a mirror has no blanks. */
export const newPlainDir = (): string => mkdtempSync(join(base, "repo-"));
export const arch = hostArch();

export function context(
  signal: AbortSignal = new AbortController().signal,
): SnapshotContext & { readonly lines: readonly string[] } {
  const lines: string[] = [];
  return {
    scratch: newDir("scratch"),
    base,
    signal,
    progress: (line) => lines.push(line),
    warn: (line) => lines.push(line),
    lines,
  };
}

/** The value; throws the problem. */
export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

/** The problem; throws where there is none. */
export function problem(result: Result<unknown>): Problem {
  if (result.ok) throw new Error("expected a problem");
  return result.problem;
}

export const tinyRepo = (packages: readonly TinyPackage[]): AptRepo => makeAptRepo(newPlainDir(), packages);

/** The repository as a package request names it. */
export const asJson = (repo: AptRepo): Json => ({
  url: repo.url,
  suite: repo.suite,
  components: ["main"],
  keys: repo.keyring,
});

export async function snapshotOf(repo: Json, of = arch): Promise<SnapshotAt> {
  const dir = newDir("snapshot");
  value(await driver.snapshot(repo, of, dir, context()));
  return { repo, arch: of, dir };
}

export const resolve = (
  snapshot: SnapshotAt,
  want: readonly string[],
  on: readonly Package[] = [],
  options: Json = {},
  beside?: NonNullable<ResolveRequest["beside"]>,
): Promise<Result<readonly Package[]>> =>
  driver.resolve({ snapshot, want, options, on, ...(beside === undefined ? {} : { beside }) }, context());

/** `name version`, and where it comes from, of each. */
export const origins = (packages: readonly Package[]): string[] =>
  packages.map((pkg) => `${pkg.name} ${pkg.version} ${pkg.origin ?? ""}`.trim());

/** `name version` of each. */
export const names = (packages: readonly Package[]): string[] =>
  packages.map((pkg) => `${pkg.name} ${pkg.version}`);

/** app needs libone and libtwo, other needs libone. */
export const CHAIN: readonly TinyPackage[] = [
  { name: "app", version: "2:1.0~rc1-1", depends: "libone (>= 1), libtwo" },
  { name: "libone", version: "1.5" },
  { name: "libtwo", arch: "all" },
  { name: "other", depends: "libone" },
];

/** Runs `work` while a directory is served over http. */
export async function served(dir: string, work: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => {
    const file = join(dir, decodeURIComponent(request.url ?? ""));
    if (existsSync(file) && statSync(file).isFile()) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    // A server that listens on a port has an address object.
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

/** Of a file, in hexadecimal. */
export function sha256(file: string): string {
  return execFileSync("sha256sum", ["--", file], { encoding: "utf8" }).slice(0, 64);
}
