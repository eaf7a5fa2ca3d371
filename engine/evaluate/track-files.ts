// Listens to node:fs, in its three forms: what was read, stat'ed and listed, with what was not there.
import fs from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Use } from "./fresh.js";
import { listen, type Undo } from "./patch.js";
import { recorder, type Recorder } from "./record.js";

/** Names without `Sync`; the first argument is a path. */
const BY_USE: Readonly<Record<Use, readonly string[]>> = {
  exists: ["exists"],
  stat: ["stat"],
  lstat: ["lstat"],
  read: ["readFile", "createReadStream", "copyFile", "cp", "openAsBlob"],
  list: ["readdir", "opendir"],
  readlink: ["readlink"],
  realpath: ["realpath"],
};

/** Records each question about a path. */
export function watchFiles(undos: Undo[]): void {
  const at = (
    names: readonly string[],
    before: (active: Recorder, args: readonly unknown[]) => void,
  ): void => {
    const noted = (args: readonly unknown[]): void => {
      const active = recorder();
      if (active !== undefined) before(active, args);
    };
    for (const name of names) {
      undos.push(listen(fs, name, noted), listen(fs, `${name}Sync`, noted), listen(fs.promises, name, noted));
    }
  };
  for (const [use, names] of Object.entries(BY_USE)) {
    at(names, (active, args) => note(active, args[0], use as Use, args[1])); // The keys are of type Use.
  }
  at(["open"], (active, [path, flags]) => {
    if (reads(flags)) note(active, path, "read");
  });
  at(["access"], (active, [path, mode]) => {
    // Whether it may be read or run is in its mode.
    note(active, path, typeof mode === "number" && mode !== fs.constants.F_OK ? "stat" : "exists");
  });
  undos.push(listen(fs.realpath, "native", heardNative), listen(fs.realpathSync, "native", heardNative));
}

const heardNative = ([path]: readonly unknown[]): void => {
  const active = recorder();
  if (active !== undefined) note(active, path, "realpath");
};

function note(active: Recorder, given: unknown, use: Use, options?: unknown): void {
  if (use === "read" && (isInput(given) || isInput(fdIn(options)))) active.uses(INPUT, "fs");
  const path = pathOf(active, given);
  if (path === null) return;
  // What is there changes without a stamp's saying so.
  if (use !== "exists" && /^\/(?:proc|sys)\//.test(active.quietly(() => realpathOf(path))))
    active.uses(MACHINE, path);
  active.file(path, use);
  if (use === "list" && isRecursive(options)) {
    active.quietly(() => below(path)).forEach((directory) => active.file(directory, "list"));
  }
}

/** What kinds of use reading them is. */
export const INPUT = "standard input";
export const MACHINE = "the machine";

function realpathOf(path: string): string {
  try {
    return fs.realpathSync.native(path);
  } catch {
    return path;
  }
}

const isInput = (from: unknown): boolean =>
  from === 0 || from === "/dev/stdin" || from === "/dev/fd/0" || from === "/proc/self/fd/0";

const fdIn = (options: unknown): unknown =>
  typeof options === "object" && options !== null && "fd" in options ? options.fd : undefined;

/** Null for file descriptors, which were opened by path before, and for what fs will refuse. */
function pathOf(active: Recorder, given: unknown): string | null {
  if (given instanceof URL) return given.protocol === "file:" ? fileURLToPath(given) : null;
  const path = Buffer.isBuffer(given) ? given.toString() : given;
  if (typeof path !== "string" || path.includes("\0")) return null;
  if (!path.startsWith("/")) active.workingDirectory();
  return active.quietly(() => resolve(path));
}

/** Whether a file opened with these flags may be read. */
function reads(flags: unknown): boolean {
  if (typeof flags === "number") return (flags & 3) !== fs.constants.O_WRONLY;
  return typeof flags !== "string" || flags.includes("r") || flags.includes("+");
}

const isRecursive = (options: unknown): boolean =>
  typeof options === "object" && options !== null && "recursive" in options && options.recursive === true;

/** Every directory under `path`; links are not followed, as node does not. */
function below(path: string): string[] {
  try {
    return fs.readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
      const inner = join(path, entry.name);
      return entry.isDirectory() ? [inner, ...below(inner)] : [];
    });
  } catch {
    // The real call says what is wrong.
    return [];
  }
}
