// Taking snapshots of repositories, and what is said of their moments. Where they lie is cache/snapshots.ts's.
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Snapshots } from "../../cache/snapshots.js";
import type { Json } from "../model.js";
import { ok, type Problem, type Result } from "../problem.js";
import type { PackageDriver, SnapshotContext } from "./driver.js";

/** Runs `work` with a scratch directory, and removes it afterwards. */
export async function withScratch<T>(scratch: string, work: (scratch: string) => Promise<T>): Promise<T> {
  try {
    return await work(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Takes a snapshot; returns its digest. Uses the network. What is not complete never gets its name. */
export async function takeSnapshot(
  kept: Snapshots,
  driver: PackageDriver,
  repo: Json,
  arch: string,
  context: SnapshotContext,
): Promise<Result<string>> {
  const dir = mkdtempSync(join(context.scratch, "snapshot-"));
  const taken = await driver.snapshot(repo, arch, dir, context);
  return taken.ok ? ok(await kept.keep(dir)) : taken;
}

/** Why a snapshot that a release names does not count. A damaged one makes room for another where it `may` go. */
export async function fateOf(kept: Snapshots, digest: string, may: boolean): Promise<string> {
  if (kept.find(digest) === null) return "is gone";
  if ((await kept.whole(digest)) !== null) return "was not taken here under this configuration";
  if (may) kept.remove(digest);
  return "is damaged in the store";
}

/** `2026-11-21 23:41:07 UTC`. */
export const moment = (iso: string): string => `${iso.slice(0, 19).replace("T", " ")} UTC`;

/** What a release holds of a snapshot: when it was taken, and its name. */
type Taken = readonly [taken: string, name: string];

/**
 * What is said where a release got snapshots at `taking`, some of them in place of others because the `reconfigured` are
 * configured otherwise. It had those `before`.
 */
export function renewedTexts(
  datecode: string,
  taking: string | null,
  before: readonly Taken[],
  later: readonly string[],
  reconfigured: readonly string[],
): string[] {
  const renewed = [...later, ...reconfigured];
  const [first] = before.filter(([taken, name]) => taken !== taking && !renewed.includes(name)).sort();
  return [
    ...reconfigured.map((name) => reconfiguredText(name, datecode)),
    ...(first === undefined || renewed.length === 0
      ? []
      : [laterText(renewed, taking ?? "", first, datecode)]),
  ];
}

/** A problem of an older snapshot, with what takes a new one: it may have been mended in the repository since. */
export function dated(problem: Problem, taken: string): Problem {
  if (problem.ofHost === true || problem.hint?.includes("release refresh") === true) return problem;
  const refresh = `the release's snapshot is of ${moment(taken)}; \`imagemake release refresh\` takes a new one`;
  return { ...problem, hint: problem.hint === undefined ? refresh : `${problem.hint}\n${refresh}` };
}

/** A release whose snapshots are of different moments mixes states of its repositories. */
function laterText(later: readonly string[], taking: string, [taken, name]: Taken, datecode: string): string {
  const [what, are] = later.length === 1 ? ["snapshot", "is"] : ["snapshots", "are"];
  return (
    `the ${what} of ${later.join(", ")} ${are} of ${moment(taking)}, and the first of release ${datecode}` +
    ` (${name}) is of ${moment(taken)}: \`imagemake release refresh\` takes all of them anew`
  );
}

/** A snapshot counts only under the configuration that it was taken with. */
const reconfiguredText = (name: string, datecode: string): string =>
  `the configuration or the keys of ${name} are not those of its snapshot in release ${datecode}: a new snapshot was` +
  ` taken, as \`imagemake release refresh\` does, and packages are verified by what is asked for now`;
