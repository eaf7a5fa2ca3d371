// Garbage of the store: what no target's last build and no release needs. It prints nothing.
import { lstatSync, existsSync, rmSync } from "node:fs";
import { collect, planGc, type Doomed, type Plan } from "../cache/gc.js";
import { Index } from "../cache/index.js";
import { mark, type Marked, type Needed } from "../cache/mark.js";
import { diskUse } from "../engine/execute/disk-use.js";
import { removeTree } from "../engine/execute/local/remove.js";
import { unwrap, type Problem } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { neededBy, readLines, releasesOver, type Over } from "../engine/release/needed.js";
import { say, type CallWith } from "./call.js";
import { formatBytes } from "./render/numbers.js";
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

/** What goes beside what nothing needs. */
export interface Limits {
  /** Of promoted and withdrawn releases only so many keep what they need. */
  readonly keepReleases?: number;
  /** Last builds of targets that are older, in milliseconds. */
  readonly olderThan?: number;
  /** Last builds, those made first before others, until no more bytes are left. */
  readonly maxSize?: number;
}

/** Decides what goes; changes nothing. */
export async function lookForGarbage(project: Project, index: Index, limits: Limits = {}): Promise<Found> {
  const lines = unwrap(readLines(project));
  const over = releasesOver(lines, index.links(), existsSync, Date.now());
  const { keepReleases, olderThan, maxSize } = limits;
  const neededSince = (since: number): Needed =>
    neededBy(lines, over, { ...(keepReleases === undefined ? {} : { releases: keepReleases }), since });
  const asked = olderThan === undefined ? 0 : Date.now() - olderThan;
  const since = maxSize === undefined ? asked : sinceFor(maxSize, index, asked, neededSince);
  const plan = planGc(index, project, neededSince(since));
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

/**
 * Since when last builds stay, so that no more than `limit` bytes are left and as many of them as can be: those made first
 * go before others. Where even without any of them more is left, the moment after the last. It looks at rows alone.
 */
function sinceFor(
  limit: number,
  index: Index,
  since: number,
  neededSince: (since: number) => Needed,
): number {
  // One moment after each build, and before all of them one that takes none.
  const ends = new Set(index.builds().map(({ started, duration }) => started + duration + 1));
  const moments = [since, ...[...ends].filter((end) => end > since).sort((a, b) => a - b)];
  let [enough, all] = [0, moments.length - 1];
  while (enough < all) {
    const middle = Math.floor((enough + all) / 2);
    const marked = mark(index, neededSince(moments[middle] ?? since), () => true);
    if (leftBy(marked) <= limit) all = middle;
    else enough = middle + 1;
  }
  return moments[enough] ?? since;
}

/** Bytes of the artifacts that stay. */
export const leftBy = ({ artifacts }: Marked): number =>
  [...artifacts.values()].reduce((sum, { size }) => sum + size, 0);

/** A file that is also linked into the output directory frees nothing. */
function isOnlyName(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && (stats.isDirectory() || stats.nlink === 1);
}

/** Removes it; what could not be removed is a problem. */
export const collectGarbage = (
  call: CallWith<"wait">,
  project: Project,
  limits: Limits,
): Promise<{ readonly found: Found; readonly problems: readonly Problem[] }> =>
  whileLocked(call, project, async () => {
    const { index, open, noRoom, close } = Index.toFree(project.index, warn);
    try {
      const found = await lookForGarbage(project, index, limits);
      // A release goes before what it pins.
      for (const { file } of found.over) rmSync(file, { force: true });
      const { things, problems } = await collect(open, project, found.plan, removeTree, noRoom);
      const left = new Set(things.map(({ path }) => path));
      return { found: { ...found, rows: found.rows.filter(({ path }) => !left.has(path)) }, problems };
    } finally {
      close();
    }
  });

/** Where a build left more in the store than `limit`, in bytes, removes what `cache gc --max-size` does, and says so. */
export async function keepWithin(
  limit: number,
  call: CallWith<"wait">,
  project: Project,
  index: Index,
): Promise<void> {
  const held = heldBy(index);
  if (held <= limit) return;
  const { problems } = await collectGarbage(call, project, { maxSize: limit });
  const now = Index.look(project.index);
  const left = heldBy(now);
  now.close();
  const over = left > limit ? `; releases need the rest, which is more than space.max-size allows` : "";
  warn(
    `the store held ${formatBytes(held)}, and ${formatBytes(left)} after a gc (space.max-size is ${formatBytes(limit)})${over}`,
  );
  for (const problem of problems) say(problem);
}

/** Bytes of all artifacts. */
const heldBy = (index: Index): number => index.artifacts().reduce((sum, { size }) => sum + size, 0);
