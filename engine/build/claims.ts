// Whose a file in the output directory is: only what imagemake made there may be replaced, and Imagefiles side by side
// share it, so that one must not publish under a name that another has published. It looks and changes nothing.
import { existsSync, lstatSync, readdirSync, statSync, type Stats } from "node:fs";
import { dirname, join, relative } from "node:path";
import { hashFile } from "../../cache/hash.js";
import type { ArtifactId, Index } from "../../cache/index.js";
import { digestOf, fileId, linkedMode, type Store } from "../../cache/store.js";
import type { Decider } from "../decide.js";
import type { Action } from "../model.js";
import { isDiskImage } from "../names.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { ownStamp } from "../sources/stamp.js";

/** What looking at a file's owner takes. */
type Scene = Pick<Decider["context"], "project" | "index" | "store"> & {
  readonly project: Pick<Project, "dir" | "out" | "line">;
  readonly index: Pick<Index, "link">;
  readonly store: Pick<Store, "has">;
};

/**
 * Exit 2 when an action would replace what somebody else put there: a file or a directory that imagemake did not make, or
 * what another line's Imagefile made and that is still there.
 */
export async function checkClaims(decider: Decider, action: Action): Promise<Result<void>> {
  const { project, index } = decider.context;
  for (const { path } of decider.outPaths(action)) {
    const link = index.link(path);
    if (link === undefined) {
      const free = await isFree(decider.context, path, null);
      if (!free.ok) return free;
      continue;
    }
    if (link.line === project.line || ownStamp(path)?.ino !== link.ino) continue;
    const other = imagefileOf(project, link.line);
    if (other === null) continue;
    return fail(
      Exit.usage,
      `${relative(project.dir, path)} belongs to ${other}, whose ${link.target} it is`,
      `two Imagefiles in one directory need different output names; delete the file if ${other} no longer makes it`,
    );
  }
  return ok(undefined);
}

/**
 * Whether an artifact may take this name, of which the index knows nothing: nothing is there, or what imagemake made. Then
 * the store has the same bytes, or `artifact` is the same (null while that is not known: what looks like a link of ours is
 * left for later, since the state directory may have been deleted).
 */
export async function isFree(
  { project, store }: Omit<Scene, "index">,
  path: string,
  artifact: ArtifactId | null,
): Promise<Result<void>> {
  const name = relative(project.dir, path);
  const dir = dirname(path);
  const above = statSync(dir, { throwIfNoEntry: false }) ?? lstatSync(dir, { throwIfNoEntry: false });
  if (above?.isDirectory() === false)
    return fail(
      Exit.usage,
      `${relative(project.dir, dir)} is not a directory, and ${name} is to lie in it`,
      MOVE,
    );
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return ok(undefined);
  // An empty one gives way.
  if (stats.isDirectory() ? readdirSync(path).length === 0 : await isOurs(store, path, stats, artifact))
    return ok(undefined);
  const what = stats.isDirectory() ? "is a directory with files in it" : "already exists";
  return fail(Exit.usage, `${name} ${what}, and imagemake did not make it`, MOVE);
}

const MOVE = "move it elsewhere: only what imagemake made is replaced";

/** Whether imagemake made a file: `isFree` says by what. `digests` are of what else it is known to have made. */
export async function isOurs(
  store: Pick<Store, "has">,
  path: string,
  stats: Stats,
  artifact: ArtifactId | null,
  digests: readonly string[] = [],
): Promise<boolean> {
  if (!stats.isFile()) return false;
  const executable = (stats.mode & 0o100) !== 0;
  const mayBe = linkedMode(fileId("", executable), isDiskImage(path));
  const looks = !isDiskImage(path) && (stats.mode & 0o7777) === mayBe;
  if (artifact === null && looks) return true;
  const digest = await hashFile(path, stats.size);
  return (
    (artifact !== null && digestOf(artifact) === digest) ||
    digests.includes(digest) ||
    [false, true].some((one) => store.has(fileId(digest, one), stats.size))
  );
}

/** Name of the Imagefile of a line; null where it is gone, and its files with it are nobody's. */
function imagefileOf(project: Pick<Project, "dir">, line: string): string | null {
  const stem = line === "" ? "Imagefile" : line;
  const names = ["ts", "mts", "cts", "js", "mjs", "cjs"].map((ending) => `${stem}.${ending}`);
  return names.find((name) => existsSync(join(project.dir, name))) ?? null;
}
