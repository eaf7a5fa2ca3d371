// Takes over what import.ts accepted: files are copied, digested, and only then stored; then the release file, the rows
// in one transaction, the links. Killed between any two steps, the same import goes on where it stood.
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { basename, join } from "node:path";
import { copyAndHash } from "../../cache/copy.js";
import { hasDigest } from "../../cache/hash.js";
import { ioProblem } from "../../cache/io.js";
import { digestOf } from "../../cache/store.js";
import { makeScratch } from "../../cache/layout.js";
import { isPackageThere, takePackage } from "../../cache/packages.js";
import { Snapshots } from "../../cache/snapshots.js";
import { checkClaims } from "../build/claims.js";
import type { Session } from "../build/session.js";
import { checkFileGuards } from "../execute/guards.js";
import { removeTree } from "../execute/local/remove.js";
import type { Action, TargetId } from "../model.js";
import { obstaclesOf, unlessAny } from "../obstacles.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { closureDigest } from "../packages/closure.js";
import type { Project } from "../project.js";
import { linkOutputs } from "../publish.js";
import { noteOwn } from "../sources/stamp.js";
import { nameOfExport, NAMES, type Export, type ExportedFile } from "./exchange.js";
import { madeBy, type Accepted, type ImportPlan } from "./import.js";
import type { Provenance, Release, ReleasedArtifact } from "./record.js";
import { releaseFile, saveRelease } from "./release.js";

/** A line about long work. */
type Progress = (line: string) => void;

/** Takes over snapshots and package files that are not here, each verified. */
export async function importPackages(
  project: Project,
  exports: readonly Export[],
  progress: Progress,
): Promise<Result<void>> {
  return withScratch(project, async (scratch) => {
    const snapshots = new Snapshots(project.snapshots);
    for (const { dir, index, release } of exports) {
      for (const digest of index.snapshots) {
        const added = await snapshots.add(join(dir, NAMES.snapshots, digest), digest, scratch);
        if (!added.ok) return added;
      }
      const pinned = Object.values(release.closures).flatMap(({ packages }) => packages);
      const names = new Map(pinned.map(({ sha256, name, version }) => [sha256, `${name} ${version}`]));
      if (index.packages.length > 0) progress(`take ${index.packages.length} packages from ${dir}`);
      for (const sha256 of index.packages) {
        if (isPackageThere(project.packages, sha256)) continue;
        const copy = join(scratch, sha256);
        const copied = await copyAndHash(join(dir, NAMES.packages, sha256), copy);
        if (!copied.ok) return refuse(dir, copied.problem.message);
        if (copied.value.digest !== sha256 && !(await hasDigest(copy, sha256, copied.value.size)))
          return refuse(dir, `the package ${names.get(sha256) ?? sha256} was changed after it was exported`);
        takePackage(project.packages, sha256, copy);
      }
    }
    return ok(undefined);
  });
}

const refuse = (dir: string, why: string): Result<never> =>
  fail(Exit.usage, `${dir}: ${why}`, "export it again");

/** Runs `work` with a directory beside the store; what a kill leaves of it goes with the next build. */
async function withScratch<T>(
  project: Project,
  work: (dir: string) => Promise<Result<T>>,
): Promise<Result<T>> {
  let dir: string | null = null;
  try {
    dir = makeScratch(project, "import");
    return await work(dir);
  } catch (error) {
    return ioProblem("take over an export", error);
  } finally {
    if (dir !== null) await removeTree(dir);
  }
}

/** Stores, records and links everything accepted. Returns the release as it was written. */
export async function applyImport(
  session: Session,
  plan: ImportPlan,
  progress: Progress,
): Promise<Result<Release>> {
  const { options, index, decider } = session;
  const accepted = [...plan.accepted.values()];
  const claims = unlessAny(
    await obstaclesOf(
      accepted.map(({ action }) => action),
      (action) => checkClaims(decider, action),
    ),
  );
  if (!claims.ok) return claims;
  const stored = await withScratch(options.project, (scratch) =>
    storeFiles(session, accepted, scratch, progress),
  );
  if (!stored.ok) return stored;
  const before = session.pins.release;
  const artifacts = { ...before.artifacts, ...released(session, plan) };
  const lastBuild = new Date(options.now()).toISOString();
  const release = { ...before, artifacts, lastBuild };
  session.pins.release = release;
  // First where it came from, then what it is: a kill in between leaves nothing that passes for built here.
  takeRelease(options.project, release);
  index.transaction(() => {
    for (const one of accepted) record(session, one, release.datecode);
    for (const { digest, packages } of Object.values(release.closures))
      if (closureDigest(packages) === digest) index.addClosure(digest, JSON.stringify(packages));
  });
  for (const { action, exported, key } of accepted) {
    decider.products.produced(action.id, madeBy(session, exported));
    const linked = await linkOutputs(decider, action, exported.outputs);
    if ("problem" in linked) return { ok: false, problem: linked.problem };
    const row = index.resultOf(key);
    if (row !== undefined && exported.kind !== "adopted") decider.history.publish(new Map([[action, row]]));
  }
  return ok(release);
}

/** Writes the release; an implicit one of its date that it replaces goes. */
export function takeRelease(project: Project, release: Release): void {
  saveRelease(project, release);
  if (release.explicit) rmSync(releaseFile(project, { ...release, explicit: false }), { force: true });
}

async function storeFiles(
  { decider, index }: Session,
  accepted: readonly Accepted[],
  scratch: string,
  progress: Progress,
): Promise<Result<void>> {
  const { store, project } = decider.context;
  for (const { action, from, exported } of accepted) {
    for (const { output, path } of decider.outPaths(action)) {
      const file = fileOf(from, action.id, output);
      const target = decider.targetOf(action, output);
      if (file === undefined || file.id !== exported.outputs[output])
        return refuse(from.dir, `the file of ${target} is not in its index`);
      // What people see, and what the release calls it.
      const name = basename(path);
      if (file.name !== name || file.target !== target)
        return refuse(from.dir, `the file of ${target} is not called ${name} in its index`);
      if (store.has(file.id, file.size) && (await store.verify(file.id)) === "whole") {
        const met = guarded(store.path(file.id), action, from, name);
        if (!met.ok) return met;
        continue;
      }
      progress(`take ${name}`);
      const copy = join(scratch, `${action.id.replaceAll("/", "_")}-${output}`);
      const copied = await copyAndHash(join(from.dir, NAMES.files, name), copy);
      if (!copied.ok) return refuse(from.dir, `${name}: ${copied.problem.message}`);
      if (copied.value.digest !== digestOf(file.id) || copied.value.size !== file.size)
        return refuse(from.dir, `${name} was changed after it was exported (${target})`);
      const met = guarded(copy, action, from, name);
      if (!met.ok) return met;
      const added = await store.addFile(copy, file.id);
      if (!added.ok) return added;
      noteOwn(index, store.path(file.id), digestOf(file.id), project.state);
    }
  }
  return ok(undefined);
}

/** What a build here would refuse is no artifact of another machine's either. */
function guarded(file: string, { guards }: Action, from: Export, name: string): Result<void> {
  const wrong = checkFileGuards(file, guards);
  return wrong === null
    ? ok(undefined)
    : fail(Exit.usage, `${from.dir}: ${name}: ${wrong}`, "these are its guards");
}

const fileOf = ({ index }: Export, action: TargetId, output: string): ExportedFile | undefined =>
  index.files.find((file) => file.action === action && file.output === output);

/** What the release file says of the files that come in. What was built here stays so. */
function released(
  { decider, pins, options }: Session,
  { accepted, tools }: ImportPlan,
): Record<TargetId, ReleasedArtifact> {
  const at = new Date(options.now()).toISOString();
  const entries = [...accepted.values()].flatMap(({ action, from, exported, key, known }) =>
    decider.outPaths(action).flatMap(({ output }) => {
      const file = fileOf(from, action.id, output);
      if (file === undefined) return [];
      const digest = digestOf(file.id);
      const before = pins.release.artifacts[file.target];
      if (known && before?.digest !== digest) return [];
      const provenance: Provenance =
        before?.digest === digest
          ? before.provenance
          : exported.kind === "adopted"
            ? { kind: "adopted", at: exported.at, because: exported.because }
            : {
                kind: "imported",
                at,
                from: nameOfExport(from),
                machine: exported.machine,
                tools: tools.get(action.id) ?? {},
              };
      const { name, size } = file;
      const executable = file.id.startsWith("x:");
      return [[file.target, { name, key, digest, executable, size, provenance }] as const];
    }),
  );
  return Object.fromEntries(entries);
}

/** Rows as if it had been built here, but for the log. Of trees that did not come nothing is promised. */
function record({ index, options, decider }: Session, one: Accepted, release: string): void {
  const { action, from, exported, key, components, known } = one;
  for (const { output } of decider.outPaths(action)) {
    const file = fileOf(from, action.id, output);
    if (file === undefined) continue;
    const { id, size } = file;
    index.addArtifact({ id, kind: "file", size, layer: null, parent: null, form: null });
  }
  if (Object.values(exported.outputs).includes("v:pass"))
    index.addArtifact({
      id: "v:pass",
      kind: "verdict",
      size: 0,
      layer: null,
      parent: null,
      form: null,
    });
  if (known || exported.kind === "adopted") return;
  const { started, duration, epoch } = exported;
  const id = `imported-${randomBytes(8).toString("hex")}`;
  const { line } = options.project;
  index.addBuild(
    {
      id,
      line,
      action: action.id,
      key,
      status: "built",
      started,
      duration,
      release,
      log: null,
      epoch,
      failure: null,
      replaces: null,
    },
    components,
    exported.outputs,
  );
}
