// Garbage of the store: what no target's last build and no release needs. It prints nothing.
import { lstatSync, existsSync, rmSync } from "node:fs";
import { collect, planGc, type Doomed, type Plan } from "../cache/gc.js";
import { Index } from "../cache/index.js";
import { diskUse } from "../engine/execute/disk-use.js";
import { removeTree } from "../engine/execute/local/remove.js";
import { unwrap, type Problem } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { neededBy, readLines, releasesOver, type Over } from "../engine/release/needed.js";
import { say, type CallWith } from "./call.js";
import { formatBytes } from "./render/bytes.js";
import { makersOf, warn, whileLocked } from "./state.js";

/** What goes, for people: each thing with the bytes it frees on the disk and the target it was made for. */
export interface Row {
  readonly kind: Doomed["kind"] | "release";
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly target: string | null;
}

/** What goes. */
export interface Found {
  readonly plan: Plan;
  readonly over: readonly Over[];
  readonly rows: readonly Row[];
}

/** Decides what goes; changes nothing. */
export async function lookForGarbage(project: Project, index: Index): Promise<Found> {
  const lines = unwrap(readLines(project));
  const over = releasesOver(lines, index.links(), existsSync, Date.now());
  const plan = planGc(index, project, neededBy(lines, over));
  const makers = makersOf(index);
  const freed = await diskUse(plan.doomed.map(({ path }) => path).filter(isOnlyName));
  const releases = over.map(({ datecode, file }) => ({
    ...{ kind: "release" as const, name: datecode, path: file },
    ...{ bytes: 0, target: null },
  }));
  const things = plan.doomed.map(({ kind, name, path }) => ({
    ...{ kind, name, path, bytes: freed.get(path)?.disk ?? 0 },
    target: makers.get(name)?.action ?? null,
  }));
  return { plan, over, rows: [...releases, ...things] };
}

/** A file that is also linked into the output directory frees nothing. */
function isOnlyName(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && (stats.isDirectory() || stats.nlink === 1);
}

/** Removes it; what could not be removed is a problem. */
export const collectGarbage = (
  call: CallWith<"wait">,
  project: Project,
): Promise<{ readonly found: Found; readonly problems: readonly Problem[] }> =>
  whileLocked(call, project, async () => {
    const { index, open, noRoom, close } = Index.toFree(project.index, warn);
    try {
      const found = await lookForGarbage(project, index);
      // A release goes before what it pins.
      for (const { file } of found.over) rmSync(file, { force: true });
      const { things, problems } = await collect(open, project, found.plan, removeTree, noRoom);
      const left = new Set(things.map(({ path }) => path));
      return { found: { ...found, rows: found.rows.filter(({ path }) => !left.has(path)) }, problems };
    } finally {
      close();
    }
  });

/** Where a build left more in the store than `limit`, in bytes, removes what nothing needs, and says so. */
export async function keepWithin(
  limit: number,
  call: CallWith<"wait">,
  project: Project,
  index: Index,
): Promise<void> {
  const held = heldBy(index);
  if (held <= limit) return;
  const { problems } = await collectGarbage(call, project);
  const now = Index.look(project.index);
  const left = heldBy(now);
  now.close();
  const over =
    left > limit ? `; builds and releases need the rest, which is more than space.max-size allows` : "";
  warn(
    `the store held ${formatBytes(held)}, and ${formatBytes(left)} without what nothing needs (space.max-size is ${formatBytes(limit)})${over}`,
  );
  for (const problem of problems) say(problem);
}

/** Bytes of all artifacts. */
const heldBy = (index: Index): number => index.artifacts().reduce((sum, { size }) => sum + size, 0);
