// Puts a release's files and their checksums into a directory: made under another name, then renamed. It does not
// know how the files were chosen.
import { existsSync, lstatSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { hashFile } from "../../cache/hash.js";
import type { Store } from "../../cache/store.js";
import { makeOwnDir, writeWhole } from "../../cache/write.js";
import { isDiskImage } from "../names.js";
import { fail, ok, type Result } from "../problem.js";
import { signatureName } from "./check.js";
import type { Release, ReleasedArtifact } from "./release.js";
import { sumsText } from "./sums.js";

/** One file to collect; `id` is its artifact's in the store. */
export interface ToCollect {
  readonly target: string;
  readonly id: string;
  readonly artifact: ReleasedArtifact;
}

/**
 * Whatever is in the directory already must be of this release, now or when it was collected `before`, else nothing
 * is touched. Every file is digested again.
 */
export async function collectInto(
  store: Store,
  { dir, sums, form }: NonNullable<Release["collected"]>,
  items: readonly ToCollect[],
  before: readonly string[],
): Promise<Result<void>> {
  const names = new Set([
    ...before,
    ...items.map(({ artifact }) => artifact.name),
    sums,
    signatureName(sums),
  ]);
  if (existsSync(dir)) {
    const foreign = lstatSync(dir).isDirectory()
      ? readdirSync(dir).filter((name) => !names.has(name))
      : [dir];
    if (foreign.length > 0)
      return fail(2, `${dir} holds what is not of this release: ${foreign.join(", ")}`, "move it away");
  }
  const making = join(dirname(dir), `.${basename(dir)}.collecting`);
  const old = join(dirname(dir), `.${basename(dir)}.replaced`);
  // Both hold nothing but what an interrupted run put there.
  for (const left of [making, old]) rmSync(left, { recursive: true, force: true });
  makeOwnDir(making);
  for (const { id, artifact } of items) {
    const file = join(making, artifact.name);
    const linked = await store.linkOut(id, file, { diskImage: isDiskImage(file) });
    if (!linked.ok) return linked;
    if ((await hashFile(file)) !== artifact.digest) {
      rmSync(making, { recursive: true, force: true });
      return fail(
        1,
        `${artifact.name} is not what was built`,
        "imagemake cache verify finds what is damaged",
      );
    }
  }
  writeWhole(
    join(making, sums),
    sumsText(new Map(items.map(({ artifact: { name, digest } }) => [name, digest])), form),
  );
  if (existsSync(dir)) renameSync(dir, old);
  renameSync(making, dir);
  rmSync(old, { recursive: true, force: true });
  return ok(undefined);
}
