// Which files a release is collected from; and puts them, their checksums and the signature into a directory: made
// under another name, then renamed. It does not sign.
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { hashFile } from "../../cache/hash.js";
import { type Held, holdDirectory } from "../../cache/held.js";
import { isThere } from "../../cache/io.js";
import { digestOf, type Store } from "../../cache/store.js";
import { giveFdToUser, giveToUser, sudoOwner, writeWhole } from "../../cache/write.js";
import { isOurs } from "../build/claims.js";
import type { Session } from "../build/session.js";
import type { Judgement } from "../decide.js";
import type { TargetId } from "../model.js";
import { isDiskImage, withDate } from "../names.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import type { Decision } from "../reason.js";
import { relationsOf } from "../relations.js";
import { isSignature, readSums, signatureName, sumsText } from "./check.js";
import { holdPlace, inPlace, inTheWay } from "./place.js";
import type { Collected, Release, ReleasedArtifact } from "./record.js";

/** One file to collect; `id` is its artifact's in the store. */
export interface ToCollect {
  readonly target: string;
  readonly id: string;
  readonly artifact: ReleasedArtifact;
}

/** In the directory beside the collected one: the new one while it is made, and the one that it replaces. */
const [NEW, OLD] = ["new", "old"];
/** Says that imagemake made that directory. */
const MARK = ".imagemake";

/**
 * Whatever is in the directory already must be of this release, now or when it was collected `before`, else nothing
 * is touched. Every file is digested again. The directory that it is to lie in is opened once: it may be the caller's, who
 * could put links into it meanwhile.
 */
export async function collectInto(
  project: Project,
  store: Store,
  place: Collected,
  items: readonly ToCollect[],
  before: readonly ReleasedArtifact[],
): Promise<Result<void>> {
  const parent = holdPlace(project, dirname(place.dir));
  try {
    return await collectBeside(parent, store, place, items, before);
  } finally {
    parent.close();
  }
}

async function collectBeside(
  parent: Held,
  store: Store,
  place: Collected,
  items: readonly ToCollect[],
  before: readonly ReleasedArtifact[],
): Promise<Result<void>> {
  const { dir, sums } = place;
  const own = [...before, ...items.map(({ artifact }) => artifact)];
  const names = new Set([...own.map(({ name }) => name), sums, signatureName(sums)]);
  const target = join(parent.path, basename(dir));
  if (isThere(target)) {
    const foreign = lstatSync(target).isDirectory()
      ? readdirSync(target).filter((name) => !names.has(name))
      : [dir];
    if (foreign.length > 0)
      return fail(
        Exit.usage,
        `${dir} holds what is not of this release: ${foreign.join(", ")}`,
        "move it away",
      );
    const replaceable = await mayReplace(target, store, place, own);
    if (!replaceable.ok) return replaceable;
  }
  const beside = `.${basename(dir)}.collecting`;
  const cleared = clear(parent, beside, names);
  if (!cleared.ok) return cleared;
  const making = holdDirectory(parent.path, beside, { make: { owner: sudoOwner() } });
  try {
    writeFileSync(join(making.path, MARK), "", { flag: "wx" });
    giveToUser(join(making.path, MARK));
    const filled = await fillAndSwap(making, target, store, place, items);
    const after = clear(parent, beside, names);
    return filled.ok ? after : filled;
  } finally {
    making.close();
  }
}

/**
 * Only what imagemake put there is replaced, and nothing that was signed: an open release has no signature, so that one is of a
 * later state than the release's file, which may have been put back (a checkout of an older commit).
 */
async function mayReplace(
  target: string,
  store: Store,
  { dir, sums }: Collected,
  own: readonly ReleasedArtifact[],
): Promise<Result<void>> {
  const signature = signatureName(sums);
  const names = readdirSync(target);
  if (names.includes(signature))
    return fail(
      Exit.usage,
      `${dir} is signed (${signature}), and the release's file says that it is open`,
      "put back the file of the signed release, or move the directory away",
    );
  const digests = own.map(({ digest }) => digest);
  const theirs: string[] = [];
  for (const name of names) {
    const path = join(target, name);
    const stats = lstatSync(path);
    const isMade =
      name === sums
        ? stats.isFile() && listsOnly(readFileSync(path, "utf8"), name, own)
        : await isOurs(store, path, stats, null, digests);
    if (!isMade) theirs.push(name);
  }
  return theirs.length === 0
    ? ok(undefined)
    : fail(
        Exit.usage,
        `${dir} holds files that imagemake did not make: ${theirs.join(", ")}`,
        "move them away",
      );
}

/** Whether a text is checksums of these files, of whatever contents: of a collection that was interrupted, say. */
function listsOnly(text: string, name: string, own: readonly ReleasedArtifact[]): boolean {
  const listed = readSums(text, name);
  const names = new Set(own.map((one) => one.name));
  return listed.ok && [...listed.value.keys()].every((one) => names.has(one));
}

async function fillAndSwap(
  making: Held,
  target: string,
  store: Store,
  { dir, sums, form }: Collected,
  items: readonly ToCollect[],
): Promise<Result<void>> {
  const fresh = holdDirectory(making.path, NEW, { make: { owner: sudoOwner() } });
  try {
    for (const { id, artifact } of items) {
      const file = join(fresh.path, artifact.name);
      const how = { diskImage: isDiskImage(file), shown: join(dir, artifact.name) };
      const linked = await store.linkOut(id, file, how);
      if (!linked.ok) return linked;
      if ((await hashFile(file)) !== artifact.digest) {
        const said = `${artifact.name} is not what was built`;
        return fail(Exit.failed, said, "imagemake cache verify finds what is damaged");
      }
    }
    const digests = new Map(items.map(({ artifact: { name, digest } }) => [name, digest]));
    writeWhole(join(fresh.path, sums), sumsText(digests, form));
    swap(making, target);
    const [meant, now] = [statSync(fresh.path), lstatSync(target, { throwIfNoEntry: false })];
    return now?.ino === meant.ino && now.dev === meant.dev
      ? ok(undefined)
      : fail(
          Exit.environment,
          `something else took the place of ${dir} while it was made`,
          "look who writes there",
        );
  } finally {
    fresh.close();
  }
}

/** The one that was there stays when the new one cannot take its name. */
function swap(making: Held, target: string): void {
  const [fresh, old] = [join(making.path, NEW), join(making.path, OLD)];
  const replaces = isThere(target);
  if (replaces) renameSync(target, old);
  try {
    renameSync(fresh, target);
  } catch (error) {
    if (replaces) renameSync(old, target);
    throw error;
  }
}

/** Removes the directory that an interrupted run, or this one, made beside the collected one; nobody else's. */
function clear(parent: Held, name: string, names: ReadonlySet<string>): Result<void> {
  const path = join(parent.path, name);
  if (!isThere(path)) return ok(undefined);
  if (!lstatSync(path).isDirectory()) return inTheWay(path);
  const held = holdDirectory(parent.path, name);
  try {
    const found = readdirSync(held.path);
    if (found.length > 0 && !found.includes(MARK)) return inTheWay(path);
    for (const part of found.filter((one) => one !== MARK)) {
      const foreign = part === NEW || part === OLD ? empty(held, part, names) : "";
      if (foreign !== null) return inTheWay(join(path, part, foreign));
    }
    // Last, so that a kill leaves it there.
    rmSync(join(held.path, MARK), { force: true });
  } finally {
    held.close();
  }
  rmdirSync(path);
  return ok(undefined);
}

/** Files alone are deleted, of a directory that is not the caller's only a release's; the name of what stays, or null. */
function empty(making: Held, part: string, names: ReadonlySet<string>): string | null {
  const held = holdDirectory(making.path, part);
  try {
    const owner = sudoOwner();
    const isAny = owner === null || statSync(held.path).uid === owner.uid;
    for (const entry of readdirSync(held.path, { withFileTypes: true })) {
      if (entry.isDirectory() || !(isAny || names.has(entry.name))) return entry.name;
      unlinkSync(join(held.path, entry.name));
    }
  } finally {
    held.close();
  }
  rmdirSync(join(making.path, part));
  return null;
}

/** Puts the signature of a collected release into its directory, by rename. */
export function putSignature(project: Project, file: string, signature: string): Result<void> {
  const dir = dirname(file);
  return inPlace(project, dir, (inside, above) => {
    // Not in the directory: what an interrupted run leaves there would be an extra file.
    const temporary = join(above, `.${basename(dir)}.signing`);
    const left = lstatSync(temporary, { throwIfNoEntry: false });
    if (left !== undefined && !(left.isFile() && isSignature(readFileSync(temporary, "utf8"))))
      return inTheWay(temporary);
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, "wx", 0o644);
    try {
      giveFdToUser(fd);
      writeFileSync(fd, signature);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, join(inside, basename(file)));
    return ok(undefined);
  });
}

// What a release is to be collected from: for each target of its roster the artifact that it is now, or why there is none.

/** A target that cannot be collected: it is not in the Imagefile, was rejected, or is not up to date. */
export interface Unwhole {
  readonly target: TargetId;
  readonly why: "gone" | "rejected" | Decision;
}

/** The files of a release, the passes of its gate, and what is wrong with it. */
interface WantedFiles {
  readonly items: readonly ToCollect[];
  readonly verdicts: Release["verdicts"];
  readonly wrong: readonly Unwhole[];
}

/** Looks up what the targets of `roster` were judged to be. */
export function wantedFiles(
  session: Session,
  judgements: ReadonlyMap<TargetId, Judgement>,
  roster: readonly TargetId[],
  release: Release,
): WantedFiles {
  const { graph } = session.options;
  const relations = relationsOf(graph);
  const wrong: Unwhole[] = [];
  const items: ToCollect[] = [];
  for (const id of roster) {
    const target = relations.target(id);
    const judged = target === undefined ? undefined : judgements.get(target.action);
    const artifact = target === undefined ? undefined : judged?.made?.outputs[target.output];
    const row = artifact === undefined ? undefined : session.index.artifact(artifact);
    if (target === undefined || judged === undefined) wrong.push({ target: id, why: "gone" });
    else if (judged.decision.kind !== "up-to-date") wrong.push({ target: id, why: judged.decision });
    else if (
      session.decider.context.rejected.some(
        ({ digest }) => artifact !== undefined && digest === digestOf(artifact),
      )
    )
      wrong.push({ target: id, why: "rejected" });
    else if (target.pattern !== null && artifact !== undefined && row !== undefined) {
      const [key, digest] = [judged.key ?? "", digestOf(artifact)];
      const before = release.artifacts[id];
      const result = session.index.resultOf(key);
      const at = new Date(result?.started ?? Date.now()).toISOString();
      const machine = session.index.originOf(result?.id ?? "")?.machine ?? hostname();
      const provenance: ReleasedArtifact["provenance"] =
        before?.digest === digest ? before.provenance : { kind: "built", at, machine };
      const name = withDate(target.pattern, release.datecode);
      const executable = artifact.startsWith("x:");
      items.push({
        target: id,
        id: artifact,
        artifact: { name, key, digest, executable, size: row.size, provenance },
      });
    }
  }
  const at = new Date().toISOString();
  const passed = graph.project.release.gate.flatMap((id) => {
    const judged = judgements.get(relations.target(id)?.action ?? "");
    return judged?.decision.kind === "up-to-date" && judged.key !== null
      ? [[id, { key: judged.key, at }] as const]
      : [];
  });
  return { items, verdicts: Object.fromEntries(passed), wrong };
}
