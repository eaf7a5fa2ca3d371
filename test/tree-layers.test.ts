// Layers through real overlay mounts: what hides what, stored chains, flattening, user namespaces.
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import {
  deleteLayer,
  layerChain,
  layerName,
  leftoverLayers,
  listLayers,
  MAX_LAYERS,
  storedChain,
  storedLayer,
  storeLayer,
  type LayerRecord,
} from "../cache/layers.js";
import type { ArtifactRow } from "../cache/index.js";
import { unwrap } from "../cache/problem.js";
import { inUserNamespace } from "../engine/execute/local/ids.js";
import { removeTree } from "../engine/execute/local/remove.js";
import type { Isolation } from "../engine/execute/local/sandbox.js";
import { entryAt } from "../engine/tree/manifest.js";
import { flatten, runSeal } from "../engine/tree/run-seal.js";
import { makeTreeRoot, sealTree, verifyTree } from "../engine/tree/seal.js";
import {
  EPOCH,
  flatCopy,
  inDir,
  inOverlay,
  look,
  manifestOf,
  seal,
  sh,
  treesIn,
  type Trees,
} from "./support/trees.js";

/** Makes a base and a layer on it by scripts; the digest of the layered tree and of its flat copy. */
async function layered(
  dir: string,
  base: string,
  edit: string,
): Promise<{ trees: Trees; layer: string; flat: string }> {
  const trees = treesIn(dir);
  mkdirSync(join(dir, "base"));
  sh(join(dir, "base"), base);
  const { digest } = await seal(trees, "base");
  inOverlay(trees, ["base"], "upper", edit);
  const layer = (await seal(trees, "upper", digest)).digest;
  flatCopy(trees, ["upper", "base"], "flat");
  return { trees, layer, flat: await look(trees, "flat") };
}

const BASE = `mkdir -p d/e f; echo 1 > d/e/x; echo 2 > d/y; echo 3 > f/z; echo 4 > file; ln -s file link
  echo h > h1; ln h1 h2; ln h1 h3; mkdir dev`;

/** Edits of a layer, by what they show. */
const EDITS: Readonly<Record<string, string>> = {
  "a file that is gone": "rm d/y",
  "a directory that is gone": "rm -r d",
  "a directory that is new under an old name": "rm -r d; mkdir d; echo 9 > d/new",
  "a file in place of a directory": "rm -r d; echo 9 > d",
  "a directory in place of a file": "rm file; mkdir file; echo 9 > file/inside",
  "a link in place of a directory": "rm -r d; ln -s f d",
  "a name that sorts between a directory and its entries": "rm -r d; echo 9 > d-e; mkdir d.; echo 8 > d./x",
  "a name that came back": "rm d/y; echo again > d/y",
  "a mode changed without contents": "chmod 700 d/e",
  "an owner and an attribute of a lower file": "chown 7:7 d/e/x; setfattr -n user.a -v b d/e/x",
  "the root itself": "chmod 711 .; setfattr -n user.a -v b .",
  "a directory moved": "mv d g",
  "a file moved": "mv file f/",
  "a device node in the layer": "mknod node c 1 3",
  nothing: "true",
};

test.each(Object.entries(EDITS))("the merged tree is what overlay shows: %s", (_, edit) =>
  inDir(async (dir) => {
    const { layer, flat } = await layered(dir, BASE, edit);
    expect(layer).toBe(flat);
  }),
);

test("a group of hard links that a layer breaks is what is left of it", () =>
  inDir(async (dir) => {
    const { trees, layer, flat } = await layered(dir, BASE, "echo more >> h2; ln h2 h4");
    expect(layer).toBe(flat);
    const manifest = manifestOf(trees, layer);
    const groups = ["h1", "h2", "h3", "h4"].map((path) => entryAt(manifest, path)?.group);
    expect(groups).toEqual(["h1", "h2", "h1", "h2"]);
  }));

test("a group of hard links of which one name is left is none", () =>
  inDir(async (dir) => {
    const { trees, layer, flat } = await layered(dir, BASE, "rm h1 h2");
    expect(layer).toBe(flat);
    expect(entryAt(manifestOf(trees, layer), "h3")?.group).toBeNull();
  }));

test("a dropped node does not bring back what it replaced", () =>
  inDir(async (dir) => {
    const base = "mkdir dev run; echo 1 > dev/null; echo 2 > run/s; echo 3 > \"$(printf 'run/\\377')\"";
    const edit = `rm dev/null run/*; mknod dev/null c 1 3
      perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local=>$_,Listen=>1) for @ARGV' run/s "$(printf 'run/\\377')"`;
    const { trees, layer, flat } = await layered(dir, base, edit);
    expect(layer).toBe(flat);
    expect([...manifestOf(trees, layer).lines.keys()]).toEqual(["", "dev", "run"]);
    expect(sh(dir, "ls -A flat/dev flat/run upper")).not.toContain("whiteout");
  }));

test("a dropped node in a directory made anew leaves no name behind that nobody can open", () =>
  inDir(async (dir) => {
    const edit = `rm -r run; mkdir run run/deep
      perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local=>$_,Listen=>1) for @ARGV' run/s run/deep/s`;
    const { layer, flat } = await layered(
      dir,
      "mkdir -p run/deep; echo 1 > run/s; echo 2 > run/deep/s",
      edit,
    );
    expect(layer).toBe(flat);
    expect(sh(dir, "ls -A flat/run")).toBe("deep\n");
  }));

test("whiteouts and opaque directories written as attributes count as well", () =>
  inDir(async (dir) => {
    const trees = treesIn(dir);
    sh(dir, "mkdir -p base/d upper/d; echo 1 > base/d/x; echo 2 > base/gone; touch upper/gone");
    sh(
      dir,
      "setfattr -n trusted.overlay.opaque -v y upper/d; setfattr -n trusted.overlay.whiteout -v y upper/gone",
    );
    const { digest } = await seal(trees, "base");
    const sealed = await seal(trees, "upper", digest);
    expect([...manifestOf(trees, sealed.digest).lines.keys()]).toEqual(["", "d"]);
  }));

test("a layer that only means something with its lower ones is refused", () =>
  inDir(async (dir) => {
    const trees = treesIn(dir);
    sh(dir, "mkdir -p base upper/d; setfattr -n trusted.overlay.redirect -v e upper/d");
    const { digest } = await seal(trees, "base");
    await expect(seal(trees, "upper", digest)).rejects.toThrow(/overlay\.redirect/);
  }));

test("a tree without a parent holds no whiteouts", () =>
  inDir(async (dir) => {
    const trees = treesIn(dir);
    sh(dir, "mkdir tree; mknod tree/gone c 0 0");
    const { digest } = await seal(trees, "tree");
    expect(existsSync(join(dir, "tree", "gone"))).toBe(false);
    expect(await look(trees, "tree")).toBe(digest);
  }));

const ROOT: Isolation = { kind: "namespaces", root: "real" };
const USER: Isolation = { kind: "namespaces", root: "user-namespace", ids: "one" };

/** A state directory as the engine has it. */
class State {
  readonly project: { readonly layers: string; readonly manifests: string };
  constructor(
    readonly dir: string,
    readonly isolation: Isolation,
  ) {
    this.project = { layers: join(dir, "layers"), manifests: join(dir, "manifests") };
  }

  /** Makes a tree by a script, on a parent, and stores it. */
  async make(name: string, script: string, parent: ArtifactRow | null = null): Promise<ArtifactRow> {
    const stage = join(this.dir, "stage", name);
    const upper = join(stage, "upper");
    mkdirSync(join(stage, "scratch"), { recursive: true });
    unwrap(makeTreeRoot(upper, this.project.manifests, parent?.id ?? null));
    const user = this.isolation.kind === "namespaces" && this.isolation.root === "user-namespace";
    const inside = user ? ["unshare", "--user", "--map-root-user", "--"] : [];
    const form = user ? "user" : "root";
    if (parent === null) {
      execFileSync("env", [...inside, "sh", "-euc", script], { cwd: upper });
    } else {
      const lower = this.chain(parent).map((layer) => join(this.project.layers, layer));
      inOverlay(treesIn(stage), lower, "upper", script, { inside, form });
    }
    const sealed = await sealTree({
      project: this.project,
      isolation: this.isolation,
      upper,
      parent: parent?.id ?? null,
      epoch: EPOCH,
      guards: {},
      output: "OUT",
      scratch: join(stage, "scratch"),
    });
    if ("failure" in sealed) throw new Error(JSON.stringify(sealed.failure));
    this.rows.set(sealed.row.id, sealed.row);
    return sealed.row;
  }

  readonly rows = new Map<string, ArtifactRow>();
  chain = (row: ArtifactRow): string[] => layerChain(row.id, (id) => this.rows.get(id));
}

test("a stored chain lies topmost first, under short names, and can be verified", () =>
  inDir(async (dir) => {
    const state = new State(dir, ROOT);
    const one = await state.make("one", BASE);
    const two = await state.make("two", "rm d/y; echo 5 > five", one);
    const three = await state.make("three", "rm -r d; mkdir d", two);
    expect(state.chain(three)).toEqual([three.layer, two.layer, one.layer]);
    expect(three.layer).toBe(layerName(three.id, "root"));
    expect(three.layer?.length).toBeLessThan(30);
    expect(listLayers(state.project.layers)).toHaveLength(3);
    const record = storedLayer(state.project.layers, three.id, "root");
    expect(record?.depth).toBe(3);
    if (record !== null) expect(storedChain(state.project.layers, record)).toEqual(state.chain(three));
    for (const row of [one, two, three])
      expect(unwrap(await verifyTree(state.project, row, ROOT))).toBe(true);
    writeFileSync(join(state.project.layers, two.layer ?? "", "five"), "edited");
    expect(unwrap(await verifyTree(state.project, two, ROOT))).toBe(false);
  }));

test("a tree that is stored already keeps its layer and its parent", () =>
  inDir(async (dir) => {
    const state = new State(dir, ROOT);
    const base = await state.make("base", "echo 1 > a; touch -d @5 .");
    const same = await state.make("same", "echo 1 > a; echo 2 > b", null);
    const first = lstatSync(join(state.project.layers, same.layer ?? "")).ino;
    const again = await state.make("again", "echo 2 > b", base);
    expect(again).toEqual(same);
    expect(again.parent).toBeNull();
    expect(lstatSync(join(state.project.layers, same.layer ?? "")).ino).toBe(first);
    expect(unwrap(await verifyTree(state.project, again, ROOT))).toBe(true);
  }));

test("a layer whose record or parent is lost is not believed, and is stored anew", () =>
  inDir(async (dir) => {
    const state = new State(dir, ROOT);
    const base = await state.make("base", "echo 1 > a");
    const top = await state.make("top", "echo 2 > b", base);
    const { layers } = state.project;
    writeFileSync(join(layers, `${top.layer ?? ""}.json`), "{");
    expect(storedLayer(layers, top.id, "root")).toBeNull();
    expect(await state.make("top-again", "echo 2 > b", base)).toEqual(top);
    expect(storedLayer(layers, top.id, "root")?.parent).toBe(base.id);
    expect(leftoverLayers(layers)).toHaveLength(1);
    unwrap(await deleteLayer(layers, base.layer ?? "", removeTree));
    expect(storedLayer(layers, top.id, "root")).toBeNull();
    const what = { tree: top.id, parent: base.id, form: "root" } as const;
    const lost = await storeLayer(layers, join(dir, "stage"), what, removeTree);
    expect(lost).toMatchObject({ ok: false, problem: { exit: 3 } });
    expect(() => layerChain(top.id, () => undefined)).toThrow(/not all in the store/);
  }));

test("deleting a layer leaves nothing of it and everything else", () =>
  inDir(async (dir) => {
    const state = new State(dir, ROOT);
    const base = await state.make("base", "mkdir d; echo 1 > d/a");
    const other = await state.make("other", "echo 2 > a");
    unwrap(await deleteLayer(state.project.layers, base.layer ?? "", removeTree));
    expect(readdirSync(state.project.layers).sort()).toEqual([other.layer, `${other.layer ?? ""}.json`]);
    unwrap(await deleteLayer(state.project.layers, base.layer ?? "", removeTree));
  }));

test(
  "a chain longer than thirty layers becomes one layer, which shows the same",
  () =>
    inDir(async (dir) => {
      const state = new State(dir, ROOT);
      let row = await state.make(
        "0",
        `${BASE}; cp /bin/true ping; setcap cap_net_raw+ep ping; mknod node c 1 3`,
      );
      for (let depth = 1; depth < MAX_LAYERS; depth++) {
        row = await state.make(String(depth), `echo ${depth} > f/${depth}; rm -f f/${depth - 2}`, row);
      }
      expect(state.chain(row)).toHaveLength(MAX_LAYERS);
      const flat = await state.make("flat", "rm -r d; mkdir d; ln h1 h9", row);
      expect(flat.parent).toBeNull();
      expect(state.chain(flat)).toEqual([flat.layer]);
      expect(unwrap(await verifyTree(state.project, flat, ROOT))).toBe(true);
      const next = await state.make("next", "rm -r f", flat);
      expect(state.chain(next)).toHaveLength(2);
      expect(sh("/proc/self", "cat mountinfo")).not.toContain(dir);
    }),
  120_000,
);

test("a layer begins with the mode and owner of its parent's root", () =>
  inDir(async (dir) => {
    const state = new State(dir, ROOT);
    const base = await state.make("base", "chmod 2555 .; chown 3:4 .; chmod 2555 .");
    const top = await state.make("top", "echo 1 > a", base);
    const root = entryAt(manifestOf({ dir, manifests: state.project.manifests }, top.id.slice(2)), "");
    expect(root).toMatchObject({ mode: 0o2555, uid: 3, gid: 4 });
  }));

test("a tree made in a user namespace and the same made by root have one digest, and layers of their own", () =>
  inDir(async (dir) => {
    mkdirSync(join(dir, "root"));
    mkdirSync(join(dir, "user"));
    const base = `${BASE}; cp /bin/true ping; setcap cap_net_raw+ep ping; touch -d @1600000000 ping`;
    const edit = "rm -r d; mkdir d; rm file; echo 1 > d/new; setcap cap_net_admin+ep ping";
    const made = [];
    for (const [name, isolation] of [
      ["root", ROOT],
      ["user", USER],
    ] as const) {
      const state = new State(join(dir, name), isolation);
      const bottom = await state.make("base", base);
      const top = await state.make("top", edit, bottom);
      expect(unwrap(await verifyTree(state.project, top, isolation))).toBe(true);
      made.push({ bottom, top });
    }
    const [byRoot, byUser] = made;
    expect(byUser?.bottom.id).toBe(byRoot?.bottom.id);
    expect(byUser?.top.id).toBe(byRoot?.top.id);
    expect(byUser?.top.form).toBe("user");
    expect(byUser?.top.layer).not.toBe(byRoot?.top.layer);
    const seen = sh(join(dir, "user"), 'getfattr -h -d -m - "layers/$1/d"', byUser?.top.layer ?? "");
    expect(seen).toContain("user.overlay.opaque");
    const layers = [byUser?.top.layer ?? "", byUser?.bottom.layer ?? ""];
    const user = join(dir, "user");
    const [mountPoint, into] = [join(user, "merged"), join(user, "flat")];
    const inside = inUserNamespace("one");
    unwrap(
      await flatten({ layersDir: join(user, "layers"), layers, userxattr: true, mountPoint, into }, inside),
    );
    const asked = {
      parent: null,
      manifests: join(user, "manifests"),
      epoch: null,
      form: "user" as const,
      guards: {},
    };
    expect(`t:${unwrap(await runSeal({ upper: into, ...asked }, inside)).digest}`).toBe(byUser?.top.id);
  }));

test("owners look the same from inside a user namespace with other ids", () =>
  inDir(async (dir) => {
    const trees = treesIn(dir);
    sh(
      dir,
      "mkdir plain shifted; echo 1 > plain/a; chown 0:0 plain/a; echo 2 > plain/b; chown 1000:5 plain/b",
    );
    sh(dir, "cp /bin/true plain/ping; setcap cap_net_raw+ep plain/ping");
    const { digest } = await seal(trees, "plain");
    await inShiftedIds(async (inside) => {
      sh(
        dir,
        "chmod 755 .; chown 100000:100000 shifted; tar -C plain --numeric-owner --xattrs --xattrs-include='*' -cf tar .",
      );
      const unpack = [
        "tar",
        "-C",
        join(dir, "shifted"),
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
        "-xpf",
        join(dir, "tar"),
      ];
      execFileSync(inside[0] ?? "", [...inside.slice(1), ...unpack]);
      expect(lstatSync(join(dir, "shifted", "b")).uid).toBe(101000);
      const request = {
        upper: join(dir, "shifted"),
        parent: null,
        manifests: trees.manifests,
        epoch: null,
        form: "user" as const,
        guards: {},
      };
      expect(unwrap(await runSeal(request, inside)).digest).toBe(digest);
    });
  }));

/** Words that enter a user namespace in which 0… are 100000… outside. */
async function inShiftedIds(work: (inside: readonly string[]) => Promise<void>): Promise<void> {
  const { spawn } = await import("node:child_process");
  const holder = spawn("unshare", ["--user", "sh", "-c", "echo; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    for (const map of ["uid_map", "gid_map"])
      writeFileSync(`/proc/${String(holder.pid)}/${map}`, "0 100000 65536");
    await work(["nsenter", "--user", "--target", String(holder.pid), "--"]);
  } finally {
    holder.stdin.end();
  }
}

test("records that name each other are no chain", () =>
  inDir((dir) => {
    const record = (tree: string, parent: string, depth: number): LayerRecord => ({
      tree,
      parent,
      form: "root",
      layer: layerName(tree, "root"),
      depth,
    });
    const [a, b] = [`t:${"a".repeat(64)}`, `t:${"b".repeat(64)}`];
    for (const one of [record(a, b, 2), record(b, a, 2)]) {
      mkdirSync(join(dir, one.layer));
      writeFileSync(join(dir, `${one.layer}.json`), JSON.stringify(one));
    }
    expect(storedLayer(dir, a, "root")).toBeNull();
    expect(() => layerChain(a, (tree) => ({ layer: "x", parent: tree === a ? b : a }))).toThrow(
      /not all in the store/,
    );
  }));
