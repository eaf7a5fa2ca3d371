// Garbage collection stopped after any of its steps: what rows still promise is there, and the next run removes the
// rest. On the index and the store themselves.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { collect, planGc } from "../cache/gc.js";
import { hashBytes } from "../cache/hash.js";
import { Index, type ArtifactRow } from "../cache/index.js";
import { directoriesIn, layoutOf, type Layout } from "../cache/layout.js";
import { storeLayer } from "../cache/layers.js";
import type { Needed } from "../cache/mark.js";
import { openStore } from "../cache/store.js";
import { removeTree } from "../engine/execute/local/remove.js";
import { fail, unwrap } from "../engine/problem.js";

let dir: string;
let index: Index;
let places: Layout;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  places = layoutOf(dir, "");
  for (const [path] of [[places.state], ...directoriesIn(places)]) mkdirSync(path, { recursive: true });
  index = Index.open(places.index, (message) => {
    throw new Error(message);
  });
});
afterEach(() => {
  index.close();
  rmSync(dir, { recursive: true });
});

let moment = 0;

/** A build of `action` with one output, and what it is said to have read. */
function build(action: string, row: ArtifactRow, inputs: readonly string[] = []): string {
  moment += 1;
  const id = `build${moment}-00000000`;
  const log = join(places.logs, `${id}.log`);
  writeFileSync(log, "");
  index.addArtifact(row);
  index.addBuild(
    {
      id,
      line: "",
      action,
      key: `key-${moment}`,
      status: "built",
      started: moment,
      duration: 1,
      release: "20260101",
      log,
      epoch: 1,
      failure: null,
      replaces: null,
    },
    inputs.map((value, at) => ({ name: `input IN${at} x`, value })),
    { OUT: row.id },
  );
  return id;
}

async function file(content: string): Promise<ArtifactRow> {
  const id = `f:${hashBytes(content)}`;
  const staged = join(dir, "staged");
  writeFileSync(staged, content);
  unwrap(await openStore(places.store, null).addFile(staged, id));
  return { id, kind: "file", size: content.length, layer: null, parent: null, form: null };
}

/** A layer with one file; what it shows is not looked at here, so any digest will do for its tree. */
async function tree(name: string, parent: ArtifactRow | null): Promise<ArtifactRow> {
  const digest = hashBytes(name);
  const upper = join(dir, "upper");
  mkdirSync(join(upper, "etc"), { recursive: true });
  writeFileSync(join(upper, "etc", name), name);
  const id = `t:${digest}`;
  const what = { tree: id, parent: parent?.id ?? null, form: "root" as const };
  const { layer } = unwrap(await storeLayer(places.layers, upper, what, removeTree));
  writeFileSync(join(places.manifests, digest), name);
  return { id, kind: "tree", size: 1, layer, parent: parent?.id ?? null, form: "root" };
}

/** What packages and snapshots of a generation are called: by a digest. */
const digestsOf = { old: "0".repeat(64), new: "1".repeat(64) } as const;

/** Two generations of a chain of three trees and of a file; of packages and snapshots one that is pinned. */
async function twoGenerations(): Promise<Needed> {
  for (const generation of ["old", "new"] as const) {
    const bottom = await tree(`${generation}-bottom`, null);
    const middle = await tree(`${generation}-middle`, bottom);
    const top = await tree(`${generation}-top`, middle);
    build("bottom", bottom);
    build("middle", middle, [bottom.id]);
    build("top", top, [middle.id]);
    build("image", await file(`${generation} image`), [top.id]);
    writeFileSync(join(places.packages, digestsOf[generation]), "");
    mkdirSync(join(places.snapshots, digestsOf[generation], "lists"), { recursive: true });
  }
  return {
    link: () => false,
    since: 0,
    artifacts: new Set(),
    closures: new Set(),
    packages: new Set([digestsOf.new]),
    snapshots: new Set([digestsOf.new]),
  };
}

/** Everything a row promises is on the disk. */
function promisesHold(): void {
  const store = openStore(places.store, null);
  for (const row of index.artifacts()) {
    if (row.kind === "file") expect(store.has(row.id, row.size)).toBe(true);
    else {
      expect(existsSync(join(places.layers, row.layer ?? "missing"))).toBe(true);
      expect(existsSync(join(places.manifests, row.id.slice(2)))).toBe(true);
      if (row.parent !== null) expect(index.artifact(row.parent)).toBeDefined();
    }
  }
  for (const { artifact } of index.outputs()) expect(index.artifact(artifact)).toBeDefined();
}

/** What is left when all is done. */
function clean(): void {
  expect(index.keys("artifacts")).toHaveLength(4);
  expect(index.keys("builds")).toHaveLength(4);
  expect(readdirSync(places.layers)).toHaveLength(6);
  expect(readdirSync(places.manifests)).toHaveLength(3);
  expect(readdirSync(places.packages)).toEqual([digestsOf.new]);
  expect(readdirSync(places.snapshots)).toEqual([digestsOf.new]);
  expect(readdirSync(places.logs)).toHaveLength(4);
  expect(openStore(places.store, null).list()).toHaveLength(1);
}

test("the old generation goes, and nothing of the new one", async () => {
  const needed = await twoGenerations();
  const plan = planGc(index, places, needed);
  const kinds = plan.doomed.map(({ kind }) => kind).sort();
  const layers = ["layer", "layer", "layer"];
  const logs = ["log", "log", "log", "log"];
  const manifests = ["manifest", "manifest", "manifest"];
  expect(kinds).toEqual(["file", ...layers, ...logs, ...manifests, "package", "snapshot"]);
  expect((await collect(() => index, places, plan, removeTree)).problems).toEqual([]);
  clean();
  promisesHold();
  expect(planGc(index, places, needed).doomed).toEqual([]);
});

test("stopped after any number of removals, rows promise nothing that is gone, and the next run ends the work", async () => {
  const needed = await twoGenerations();
  const steps = planGc(index, places, needed).doomed.length;
  for (let done = 0; done <= steps; done += 1) {
    const plan = planGc(index, places, needed);
    expect(plan.doomed).toHaveLength(steps - done);
    await collect(() => index, places, { ...plan, doomed: plan.doomed.slice(0, 1) }, removeTree);
    promisesHold();
  }
  clean();
});

test("layers go from the top: none is ever without those beneath it", async () => {
  const needed = await twoGenerations();
  const layers = planGc(index, places, needed).doomed.filter(({ kind }) => kind === "layer");
  expect(layers.map(({ name }) => name)).toEqual(
    ["old-top", "old-middle", "old-bottom"].map((name) => `t:${hashBytes(name)}`),
  );
});

test("a layer that was set aside when the machine stopped is removed by the next run", async () => {
  const needed = await twoGenerations();
  const stop = (): Promise<ReturnType<typeof fail>> => Promise.resolve(fail(3, "stopped"));
  const { problems } = await collect(() => index, places, planGc(index, places, needed), stop);
  // Three layers and a snapshot.
  expect(problems).toHaveLength(4);
  promisesHold();
  const left = planGc(index, places, needed).doomed.map(({ kind }) => kind);
  expect(left.sort()).toEqual(["leftover", "leftover", "leftover", "snapshot"]);
  expect((await collect(() => index, places, planGc(index, places, needed), removeTree)).problems).toEqual(
    [],
  );
  clean();
});

test("parents stay while a layer on them stays, though only the layer's own record says so", async () => {
  const needed = await twoGenerations();
  // A row of another form of the same tree, as after a build in a user namespace: the layer it named is not it.
  const bottom = index.artifact(`t:${hashBytes("new-bottom")}`);
  if (bottom === undefined) throw new Error("no row");
  index.addArtifact({ ...bottom, layer: `${hashBytes("new-bottom").slice(0, 24)}u`, form: "user" });
  await collect(() => index, places, planGc(index, places, needed), removeTree);
  expect(readdirSync(places.layers)).toContain(bottom.layer);
});
