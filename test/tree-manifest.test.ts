// Manifests as text: nothing is lost or mixed up on the way, and the guards and differences read from them.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { unwrap } from "../cache/problem.js";
import { contentAttributes, parseAttributes } from "../engine/tree/attributes.js";
import { diffManifests } from "./support/compare-trees.js";
import { encodeBody, type Entry } from "../engine/tree/entry.js";
import { checkTreeGuards } from "../engine/execute/guards.js";
import {
  bytesOf,
  decodeManifest,
  encodeManifest,
  entriesOf,
  readManifest,
  writeManifest,
  type Manifest,
} from "../engine/tree/manifest.js";
import { inDir, manifestOf, seal, sh, treesIn } from "./support/trees.js";

/** Bytes as they may stand in names, the awkward ones often. */
const bytes = fc.string({
  unit: fc.oneof(
    fc.constantFrom("\\", " ", "\n", "=", "@", ".", ":", "\xff", "x", "0"),
    fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  ),
  minLength: 1,
  maxLength: 6,
});
const id = fc.nat({ max: 2 ** 32 - 1 });

const common = {
  mode: fc.nat({ max: 0o7777 }),
  uid: id,
  gid: id,
  mtime: fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
  attributes: fc
    .dictionary(bytes, fc.constantFrom("", "00", "ff3d40"))
    .map((all) => new Map(Object.entries(all))),
  group: fc.option(bytes),
};
const entry: fc.Arbitrary<Omit<Entry, "path">> = fc.oneof(
  fc.record({ ...common, type: fc.constantFrom("dir", "fifo", "socket") }),
  fc.record({
    ...common,
    type: fc.constant("file"),
    size: fc.maxSafeNat(),
    digest: fc.constant("ab".repeat(32)),
  }),
  fc.record({ ...common, type: fc.constant("symlink"), target: bytes }),
  fc.record({ ...common, type: fc.constantFrom("char", "block"), major: id, minor: id }),
);
const tree = fc
  .dictionary(
    bytes.map((path) => path.replace(/^\.$/, "..")),
    entry,
  )
  .map((all) => Object.entries(all).map(([path, rest]) => ({ ...rest, path }) as Entry));

const manifestFrom = (entries: readonly Entry[]): Manifest => ({
  lines: new Map(entries.map((one) => [one.path, { body: encodeBody(one), group: one.group }])),
});

const textOf = (manifest: Manifest): string => [...encodeManifest(manifest)].join("");

test("every entry comes back from its line as it was, whatever bytes are in it", () => {
  fc.assert(
    fc.property(tree, (entries) => {
      const text = textOf(manifestFrom(entries));
      expect(text).toMatch(/^[\n -~]*$/);
      expect(text.split("\n")).toHaveLength(entries.length + 2);
      const again = decodeManifest(text);
      expect([...entriesOf(again)]).toEqual(entries);
      expect(textOf(again)).toBe(text);
    }),
  );
});

test("two different trees have two different texts", () => {
  fc.assert(
    fc.property(tree, tree, (one, other) => {
      const [a, b] = [manifestFrom(one), manifestFrom(other)];
      expect(textOf(a) === textOf(b)).toBe(diffManifests(a, b).length === 0 && sameOrder(a, b));
    }),
  );
});

const sameOrder = (a: Manifest, b: Manifest): boolean =>
  [...a.lines.keys()].join("/") === [...b.lines.keys()].join("/");

test("a manifest that was cut or edited is refused, and made whole when it is written again", () =>
  inDir((dir) => {
    const text = "imagemake-tree 1\n. d0755 0:0 5\na f0644 0:0 5 1 00\n";
    const digest = unwrap(writeManifest(dir, decodeManifest(text)));
    expect(unwrap(readManifest(dir, digest)).lines.size).toBe(2);
    for (const damaged of ["", text.slice(0, -1), text.slice(0, 30), text.replace("0755", "0777")]) {
      writeFileSync(join(dir, digest), damaged, { mode: 0o644 });
      expect(readManifest(dir, digest)).toMatchObject({ ok: false, problem: { exit: 3 } });
    }
    unwrap(writeManifest(dir, decodeManifest(text)));
    expect(unwrap(readManifest(dir, digest)).lines.size).toBe(2);
  }));

test("getfattr's quoting of paths and names is undone", () => {
  const text =
    "# file: .\nuser.r=0x\n\n# file: ./a\\012b\\134c\xff=\nuser.a\\075b\\012=0x00ff\nuser.b=0x61\n\n";
  expect(parseAttributes(text)).toEqual(
    new Map([
      ["", new Map([["user.r", ""]])],
      [
        "a\nb\\c\xff=",
        new Map([
          ["user.a=b\n", "00ff"],
          ["user.b", "61"],
        ]),
      ],
    ]),
  );
});

test("overlay's own attributes are no content, and a capability of root's namespace is one of root", () => {
  const capability = "0100000200200000000000000000000000000000";
  const inNamespace = `${capability.slice(0, 6)}03${capability.slice(8)}`;
  const name = "security.capability";
  const content = (value: string): string | undefined =>
    contentAttributes(new Map([[name, value]])).get(name);
  expect(content(capability)).toBe(capability);
  expect(content(`${inNamespace}00000000`)).toBe(capability);
  expect(content(`${inNamespace}a0860100`)).toBe(`${inNamespace}a0860100`);
  const overlay = new Map([
    ["trusted.overlay.opaque", "79"],
    ["user.overlay.origin", ""],
    ["user.overlays", "1"],
  ]);
  expect([...contentAttributes(overlay).keys()]).toEqual(["user.overlays"]);
});

/** The manifest of a tree made by a script; guards are not asked. */
const treeOf = async (dir: string, script: string): Promise<Manifest> => {
  mkdirSync(join(dir, "tree"));
  sh(join(dir, "tree"), script);
  const trees = treesIn(dir);
  return manifestOf(trees, (await seal(trees, "tree")).digest);
};

test("guards find paths as they are seen inside the tree", () =>
  inDir(async (dir) => {
    const manifest = await treeOf(
      dir,
      `mkdir -p usr/bin etc; ln -s usr/bin bin; ln -s /usr/bin sbin; echo > usr/bin/sh; ln -s ../../../etc up
       ln -s gone etc/dangling; ln -s . usr/bin/X11; echo > "$(printf 'etc/caf\\303\\251')"`,
    );
    const has = [
      "usr/bin/sh",
      "/bin/sh",
      "sbin/sh",
      "up/dangling",
      "bin/X11/X11/sh",
      "./etc/",
      "etc/café",
      "bin/../bin/sh",
    ];
    expect(checkTreeGuards(manifest, { has })).toEqual([]);
    expect(checkTreeGuards(manifest, { has: ["etc/gone", "bin/sh/x"] })).toEqual([
      "etc/gone is missing",
      "bin/sh/x is missing",
    ]);
    expect(checkTreeGuards(manifest, { hasNot: ["etc/gone", "sbin/sh"] })).toEqual([
      "sbin/sh must not be there",
    ]);
    const links = {
      bin: "usr/bin",
      "/sbin": "/usr/bin",
      "etc/dangling": "elsewhere",
      "usr/bin/sh": "dash",
      no: "x",
    };
    expect(checkTreeGuards(manifest, { links })).toEqual([
      "etc/dangling points to gone, not to elsewhere",
      "usr/bin/sh is not a symbolic link; it must be one to dash",
      "no is missing; it must be a symbolic link to x",
    ]);
  }));

test("the smallest size counts each file once", () =>
  inDir(async (dir) => {
    const manifest = await treeOf(dir, "printf 12345 > a; ln a b; ln a c; printf 67 > d");
    expect(bytesOf(manifest)).toBe(7);
    expect(checkTreeGuards(manifest, { minSize: 7 })).toEqual([]);
    expect(checkTreeGuards(manifest, { minSize: 8 })).toEqual([
      "its files have 7 bytes, at least 8 are demanded",
    ]);
  }));

test("circular symbolic links are refused, whichever way they go round; links into their own directory are not", () =>
  inDir(async (dir) => {
    mkdirSync(join(dir, "tree"));
    sh(
      join(dir, "tree"),
      `mkdir -p root d/e; ln -s .nix-profile root/.nix-profile; ln -s b a; ln -s /a b; ln -s d/e/loop/x out
       ln -s ../../d/e/loop/y d/e/loop; ln -s . d/here; ln -s ../d d/again; ln -s ../../../.. d/top`,
    );
    const { broken } = await seal(treesIn(dir), "tree");
    const loops = ["a", "b", "d/e/loop", "out", "root/.nix-profile"];
    expect(broken).toEqual(loops.map((path) => `${path} is a symbolic link that leads to itself`));
  }));
