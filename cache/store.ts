// The content store of files: each artifact once, under its digest and x bit, read-only. Everything appears by rename.
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  unlinkSync,
  type Stats,
} from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Exit, fail, ok, type Result } from "./problem.js";
import { copySparse, tryReflink } from "./copy.js";
import { hashFile, SMALL_FILE } from "./hash.js";
import { O_PATH, pathOf } from "./held.js";
import type { ArtifactId } from "./index.js";
import { codeOf, ioProblem, temporaryName, type Owner } from "./io.js";
import { reached } from "./steps.js";
import { giveDirectory } from "./write.js";

/** The id of a file: its bytes and its x bit. `digest` in lower-case hexadecimal. */
export const fileId = (digest: string, executable: boolean): ArtifactId =>
  `${executable ? "x" : "f"}:${digest}`;

/** The digest in an id, whatever its kind. */
export const digestOf = (id: ArtifactId): string => id.slice(2);

/** How an artifact came to its place in the output directory. */
export type Linked = "reflink" | "link" | "copy" | "kept";

/** How an artifact is put somewhere. `shown` is what people know the path by, where it leads through a descriptor. */
interface LinkHow {
  readonly diskImage: boolean;
  readonly shown?: string;
}

/** Where a stage finds an input: copied to its place, or to be bind-mounted there read-only from `path`. */
type Placed = { readonly kind: "copied" } | { readonly kind: "bind"; readonly path: string };

/** The store, opened. Every failure is a problem of the environment (exit 3) and leaves no half-made file. */
export interface Store {
  /** Where the artifact lies, or would. */
  path(id: ArtifactId): string;
  /** Whether it is there with the expected size in bytes. Contents are not read. */
  has(id: ArtifactId, size: number): boolean;
  /** Digests it again. */
  verify(id: ArtifactId): Promise<"whole" | "missing" | "damaged">;
  /**
   * Takes the file at `stagePath`, whose digest is in `id`, by rename. If the store holds it already and whole,
   * the first is kept. Afterwards `stagePath` is gone.
   */
  addFile(stagePath: string, id: ArtifactId): Promise<Result<void>>;
  /** Puts the artifact at `outPath`; the old file there, if any, stays until the new one takes its name. */
  linkOut(id: ArtifactId, outPath: string, how: LinkHow): Promise<Result<Linked>>;
  /** Gives a read-only copy at `toPath` (which must not exist) if that is cheap, else says what to bind there. */
  place(id: ArtifactId, toPath: string): Result<Placed>;
  /** Deletes it. Nothing happens if it is not there. */
  remove(id: ArtifactId): void;
  /** Everything in it, with sizes in bytes. */
  list(): { readonly id: ArtifactId; readonly size: number }[];
  /** Deletes temporary files that a crash left; only while the lock is held. */
  clean(): void;
}

/**
 * The store in `dir` (`.imagemake/store`). Nothing is made before the first artifact comes: dry runs change nothing.
 * `owner` gets what users should own: whatever is linked out.
 */
export function openStore(dir: string, owner: Owner | null): Store {
  const files = join(dir, "files");
  const path = (id: ArtifactId): string => {
    const digest = digestOf(id);
    return join(files, digest.slice(0, 2), id.startsWith("x:") ? `${digest}.x` : digest);
  };
  return {
    path,
    has: (id, size) => {
      const stats = lstatSync(path(id), { throwIfNoEntry: false });
      return stats?.isFile() === true && stats.size === size;
    },
    verify: (id) => verify(path(id), digestOf(id)),
    addFile: (stagePath, id) => addFile(stagePath, path(id), id, owner),
    linkOut: (id, outPath, how) => linkOut(path(id), outPath, id, how, owner),
    place: (id, toPath) => place(path(id), toPath),
    remove: (id) => rmSync(path(id), { force: true, recursive: true }),
    list: () => list(files),
    clean: () => clean(files),
  };
}

/** Read-only, with the x bit of the id. */
const modeOf = (id: ArtifactId): number => (id.startsWith("x:") ? 0o555 : 0o444);

/** Permissions of an artifact where it is linked out. */
export const linkedMode = (id: ArtifactId, diskImage: boolean): number => (diskImage ? 0o644 : modeOf(id));

async function verify(path: string, digest: string): Promise<"whole" | "missing" | "damaged"> {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return "missing";
    return stats.isFile() && (await hashFile(path, stats.size)) === digest ? "whole" : "damaged";
  } catch (error) {
    return codeOf(error) === "ENOENT" ? "missing" : "damaged";
  }
}

async function addFile(
  stagePath: string,
  path: string,
  id: ArtifactId,
  owner: Owner | null,
): Promise<Result<void>> {
  try {
    const stats = lstatSync(stagePath);
    if (!stats.isFile()) return fail(Exit.environment, `cannot store ${stagePath}: it is not a regular file`);
    const held = lstatSync(path, { throwIfNoEntry: false });
    if (held?.size === stats.size && (await verify(path, digestOf(id))) === "whole") {
      unlinkSync(stagePath);
      return ok(undefined);
    }
    makeOwned(dirname(path), owner, 0o700);
    // No file takes the place of a directory.
    if (held?.isDirectory() === true) rmSync(path, { recursive: true });
    // Another name of the same inode, anywhere on the host, could be written through: only a copy is ours alone.
    if (stats.nlink > 1 || !(await moveIn(stagePath, path, id, owner))) {
      return await copyIn(stagePath, path, id, owner);
    }
    return ok(undefined);
  } catch (error) {
    return ioProblem(`store ${stagePath}`, error);
  }
}

/** False where the file is on another file system, or is not ours to change. */
async function moveIn(
  stagePath: string,
  path: string,
  id: ArtifactId,
  owner: Owner | null,
): Promise<boolean> {
  try {
    await seal(stagePath, modeOf(id), owner);
    reached("file sealed", id);
    renameSync(stagePath, path);
    return true;
  } catch (error) {
    if (["EXDEV", "EPERM", "EACCES"].includes(codeOf(error))) return false;
    throw error;
  }
}

async function copyIn(
  stagePath: string,
  path: string,
  id: ArtifactId,
  owner: Owner | null,
): Promise<Result<void>> {
  const temporary = temporaryName(path);
  try {
    await copyNew(stagePath, temporary);
    if ((await verify(temporary, digestOf(id))) !== "whole") {
      rmSync(temporary, { force: true });
      return fail(Exit.environment, `cannot store ${stagePath}: it changed after it was digested`);
    }
    await seal(temporary, modeOf(id), owner);
    reached("file sealed", id);
    renameSync(temporary, path);
    unlinkSync(stagePath);
    return ok(undefined);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * Mode, owner and bytes are on the disk before the file gets its name: a crash of the machine must not leave an
 * empty file under a digest. (The name itself may be lost: rows are checked against the store.)
 */
async function seal(path: string, mode: number, owner: Owner | null): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    // By descriptor: in a directory of the caller's the name may be anything's by now.
    giveTo(pathOf(handle.fd), await handle.stat(), owner);
    await handle.chmod(mode);
    // Through the thread pool, so that several at once share a commit of the file system's journal.
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A sparse copy under a name that nothing has. */
async function copyNew(from: string, to: string): Promise<void> {
  const fd = openSync(to, "wx", 0o600);
  try {
    await copySparse(from, fd);
  } finally {
    closeSync(fd);
  }
}

async function linkOut(
  path: string,
  outPath: string,
  id: ArtifactId,
  { diskImage, shown = outPath }: LinkHow,
  owner: Owner | null,
): Promise<Result<Linked>> {
  try {
    const stats = lstatSync(path);
    makeOwned(dirname(outPath), owner);
    const old = lstatSync(outPath, { throwIfNoEntry: false });
    if (!diskImage && old !== undefined && old.ino === stats.ino && old.dev === stats.dev) {
      // A rename of one link of an inode onto another does nothing, and leaves both names.
      restoreAttributes(path, id, owner);
      return ok("kept");
    }
    const put = (near: string): Promise<Linked> =>
      putByRename(path, temporaryName(near), outPath, id, { diskImage, shown }, owner);
    if (statSync(dirname(outPath)).dev !== stats.dev) return ok(await put(outPath));
    // By way of the store, where a crash's leftovers are cleaned away; not across a bind mount.
    const how = put(path).catch((error: unknown) => {
      if (codeOf(error) !== "EXDEV") throw error;
      return put(outPath);
    });
    return ok(await how);
  } catch (error) {
    return ioProblem(`put an artifact at ${shown}`, error);
  }
}

/** Throws system errors: EXDEV where `temporary` cannot be renamed to `outPath`. */
async function putByRename(
  path: string,
  temporary: string,
  outPath: string,
  id: ArtifactId,
  { diskImage, shown }: Required<LinkHow>,
  owner: Owner | null,
): Promise<Linked> {
  try {
    const how = await materialise(path, temporary, diskImage);
    if (how === "link") restoreAttributes(path, id, owner);
    else await seal(temporary, linkedMode(id, diskImage), owner);
    reached("link made", shown);
    takePlace(temporary, outPath);
    reached("link named", shown);
    return how;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** An empty directory gives way; one with files in it is somebody's, and is refused. */
function takePlace(temporary: string, outPath: string): void {
  try {
    renameSync(temporary, outPath);
  } catch (error) {
    if (codeOf(error) !== "EISDIR") throw error;
    rmdirSync(outPath);
    renameSync(temporary, outPath);
  }
}

/** Makes a directory with what is missing above it, and gives all of that to the owner. */
function makeOwned(dir: string, owner: Owner | null, mode = 0o777): void {
  const first = mkdirSync(dir, { recursive: true, mode });
  if (owner === null || first === undefined) return;
  for (let at = dir; at.length >= first.length; at = dirname(at)) giveDirectory(at, owner);
}

/** What `link(2)` answers where a copy has to do: another file system, too many links, or not our file. */
const NO_LINK = new Set(["EXDEV", "EMLINK", "EPERM", "ENOTSUP", "EOPNOTSUPP"]);

async function materialise(path: string, to: string, diskImage: boolean): Promise<Linked> {
  if (tryReflink(path, to)) return "reflink";
  if (diskImage) {
    // People boot disk images writable, so never a link to what the store holds.
    await copyNew(path, to);
    return "copy";
  }
  try {
    linkSync(path, to);
    return "link";
  } catch (error) {
    if (!NO_LINK.has(codeOf(error))) throw error;
    await copyNew(path, to);
    return "copy";
  }
}

/** A link shares mode and owner with the store: put right what somebody changed through another link. */
function restoreAttributes(path: string, id: ArtifactId, owner: Owner | null): void {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error(`${path} is not a regular file`);
    giveTo(pathOf(fd), stats, owner);
    if ((stats.mode & 0o7777) !== modeOf(id)) chmodSync(pathOf(fd), modeOf(id));
  } finally {
    closeSync(fd);
  }
}

/** Gives an open file to its owner; without one to root, where that is who we are: an action may have given it to anybody. */
function giveTo(open: string, { uid, gid }: Stats, owner: Owner | null): void {
  const to = owner ?? (process.geteuid?.() === 0 ? { uid: 0, gid: 0 } : null);
  if (to !== null && (uid !== to.uid || gid !== to.gid)) chownSync(open, to.uid, to.gid);
}

function place(path: string, toPath: string): Result<Placed> {
  try {
    mkdirSync(dirname(toPath), { recursive: true });
    if (tryReflink(path, toPath)) return ok({ kind: "copied" });
    if (lstatSync(path).size > SMALL_FILE) return ok({ kind: "bind", path });
    copyFileSync(path, toPath, constants.COPYFILE_EXCL);
    return ok({ kind: "copied" });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") rmSync(toPath, { force: true });
    return ioProblem(`put an artifact at ${toPath}`, error);
  }
}

const STORED = /^([0-9a-f]{64})(\.x)?$/;

function list(files: string): { readonly id: ArtifactId; readonly size: number }[] {
  return namesIn(files).flatMap((path) => {
    const match = STORED.exec(basename(path));
    if (match?.[1] === undefined) return [];
    return [{ id: fileId(match[1], match[2] !== undefined), size: lstatSync(path).size }];
  });
}

function clean(files: string): void {
  for (const path of namesIn(files)) if (path.endsWith(".tmp")) rmSync(path, { force: true });
}

/** Paths of all files in the parts `00` to `ff`, in order of name. */
function namesIn(files: string): string[] {
  if (!existsSync(files)) return [];
  return readdirSync(files)
    .sort()
    .flatMap((part) =>
      readdirSync(join(files, part))
        .sort()
        .map((name) => join(files, part, name)),
    );
}
