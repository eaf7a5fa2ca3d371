// Copies files: a source into a stage with the digest of the copy, reflinks where the file system has them, sparse
// copies of disk images.
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { copyFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { runBeside } from "./program.js";
import { Exit, fail, ok, type Result } from "./problem.js";
import { hashBytes, hashFile, scratch, SMALL_FILE } from "./hash.js";
import { pathOf } from "./held.js";
import { codeOf, ioProblem } from "./io.js";

/** What was copied: SHA-256 of the copy, its size in bytes, and whether the owner may execute it. */
export interface Copied {
  readonly digest: string;
  readonly size: number;
  readonly executable: boolean;
}

/** How a file is found. `noFollow`: what became a link since it was looked at is not read through. */
interface CopyHow {
  readonly noFollow?: true;
}

/**
 * Copies the file `from` (symlinks are followed) to `to`, which must not exist, and digests the copy. The copy
 * has mode 0644 or 0755 and a time of its own; missing directories are made. On failure nothing is left at `to`.
 * All is read of what was opened first, whatever has its name meanwhile.
 */
export async function copyAndHash(from: string, to: string, how: CopyHow = {}): Promise<Result<Copied>> {
  let made = false;
  try {
    // Without O_NONBLOCK opening a fifo would wait for its writer.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    const source = openSync(from, how.noFollow === true ? flags | constants.O_NOFOLLOW : flags);
    try {
      const stats = fstatSync(source);
      if (!stats.isFile()) return ioProblem(`copy ${from}`, new Error("it is not a regular file"));
      const executable = (stats.mode & 0o100) !== 0;
      if (stats.size < SMALL_FILE) {
        const bytes = readWhole(source);
        if (bytes !== null) {
          const target = openNew(to, executable);
          made = true;
          try {
            // Said again because the umask may have taken bits away.
            fchmodSync(target, modeOf(executable));
            writeAll(target, bytes);
          } finally {
            closeSync(target);
          }
          return ok({ digest: hashBytes(bytes), size: bytes.length, executable });
        }
      }
      const target = openNew(to, executable);
      made = true;
      try {
        // Fewer blocks than bytes: there are holes, which a plain copy would fill.
        if (stats.blocks * 512 < stats.size) await copySparse(pathOf(source), target);
        else await copyFile(pathOf(source), pathOf(target), constants.COPYFILE_FICLONE);
        fchmodSync(target, modeOf(executable));
      } finally {
        closeSync(target);
      }
      const { size } = await stat(to);
      return ok({ digest: await hashFile(to, size), size, executable });
    } finally {
      closeSync(source);
    }
  } catch (error) {
    if (made) rmSync(to, { force: true });
    if (how.noFollow === true && codeOf(error) === "ELOOP")
      return fail(Exit.failed, `${from} became a symbolic link while imagemake ran`, "build again");
    return ioProblem(`copy ${from} to ${to}`, error);
  }
}

const modeOf = (executable: boolean): number => (executable ? 0o755 : 0o644);

/** The file's bytes if they fit into the scratch buffer with room to spare (it may have grown), else null. */
function readWhole(fd: number): Buffer | null {
  const into = scratch();
  const count = readSync(fd, into, 0, into.length, 0);
  return count < into.length ? into.subarray(0, count) : null;
}

function openNew(path: string, executable: boolean): number {
  try {
    return openSync(path, "wx", modeOf(executable));
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, "wx", modeOf(executable));
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

/** Whether a reflink from one device to another worked or did not: asked once for each pair. */
const reflinks = new Map<string, boolean>();

const pairOf = (from: string, to: string): string => `${statSync(from).dev}:${statSync(dirname(to)).dev}`;

/** Answers of `FICLONE` that mean: not here. */
const NO_REFLINK = new Set([
  "ENOTSUP",
  "EOPNOTSUPP",
  "EXDEV",
  "EINVAL",
  "ENOSYS",
  "ENOTTY",
  "EPERM",
  "EBADF",
]);

/** Makes `to` (which must not exist) a reflink of `from`; false where that is not possible. Throws other errors. */
export function tryReflink(from: string, to: string): boolean {
  const pair = pairOf(from, to);
  if (reflinks.get(pair) === false) return false;
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    reflinks.set(pair, true);
    return true;
  } catch (error) {
    if (!NO_REFLINK.has(codeOf(error))) throw error;
    reflinks.set(pair, false);
    return false;
  }
}

/**
 * Copies into an open file, with holes where the bytes are zero. Dies with this process. Rejects with an error that carries
 * the system's code for a full disk.
 */
export async function copySparse(from: string, to: number): Promise<void> {
  const cp = ["cp", "--sparse=always", "--reflink=auto", "--", from, pathOf(to)];
  const argv = ["--pdeathsig", "KILL", "--", ...cp];
  const { status, said } = await runBeside("setpriv", argv, { env: { ...process.env, LC_ALL: "C" } });
  if (status === 0) return;
  throw Object.assign(new Error(said), said.includes("No space left") ? { code: "ENOSPC" } : {});
}
