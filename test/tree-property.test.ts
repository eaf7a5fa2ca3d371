// Whatever is done to a tree through a real overlay mount: the digest computed from the layer and the parent's
// manifest is the digest of the same tree in one piece.
import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { diffManifests } from "./support/compare-trees.js";
import type { Edit } from "./support/edit-tree.js";
import { editIn, editOverlay, flatCopy, inDir, look, manifestOf, seal, treesIn } from "./support/trees.js";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** Few names, so that edits meet: one with a newline and no UTF-8, two that sort between a directory and its entries. */
const name = fc.constantFrom("a", "a-", "b", "dev", "n\n\xff ");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ do: fc.constantFrom("mkdir", "renew", "mkdir", "remove", "fifo", "renew", "socket"), path }),
  fc.record({ do: fc.constantFrom("mkdir", "renew"), path }),
  fc.record({ do: fc.constant("write"), path, content: fc.string({ maxLength: 3 }) }),
  fc.record({ do: fc.constant("write"), path, content: fc.string({ maxLength: 3 }) }),
  fc.record({ do: fc.constant("append"), path, content: fc.string({ maxLength: 3 }) }),
  fc.record({
    do: fc.constant("symlink"),
    path,
    target: fc.constantFrom("none", "..", "/no/where", "\xfe\n"),
  }),
  fc.record({ do: fc.constant("device"), path, minor: fc.constantFrom(3, 300) }),
  fc.record({ do: fc.constant("link"), path, to: path }),
  fc.record({ do: fc.constant("rename"), path, to: path }),
  fc.record({ do: fc.constant("chmod"), path, mode: fc.constantFrom(0o4755, 0o600, 0o1777) }),
  fc.record({
    do: fc.constant("chown"),
    path,
    uid: fc.constantFrom(0, 65534),
    gid: fc.constantFrom(0, 5),
  }),
  fc.record({
    do: fc.constant("time"),
    path,
    seconds: fc.constantFrom(1, 1_600_000_000, 4_000_000_000),
  }),
  fc.record({
    do: fc.constant("attribute"),
    path,
    name: fc.constantFrom("user.a", "trusted.b c"),
    value: fc.constantFrom("", "1"),
  }),
);
const edits = fc.array(edit, { minLength: 5, maxLength: 25 });

const RUNS = Number(process.env["IMAGEMAKE_TEST_RUNS"] ?? "20");

test("a tree of layers and the same tree in one piece have one digest", async () => {
  await fc.assert(
    fc.asyncProperty(edits, edits, edits, async (first, second, third) => {
      await inDir(async (dir) => {
        const trees = treesIn(dir);
        mkdirSync(join(dir, "one"));
        editIn(trees, "one", first);
        const one = await seal(trees, "one");
        expect(await look(trees, "one")).toBe(one.digest);
        editOverlay(trees, ["one"], "two", second);
        const two = await seal(trees, "two", one.digest);
        expect(await look(trees, "two", one.digest)).toBe(two.digest);
        editOverlay(trees, ["two", "one"], "three", third);
        const three = await seal(trees, "three", two.digest);
        flatCopy(trees, ["three", "two", "one"], "flat");
        const flat = await seal(trees, "flat", null, { epoch: 4_000_000_000 });
        // What differs is easier to read than two digests.
        expect(diffManifests(manifestOf(trees, three.digest), manifestOf(trees, flat.digest))).toEqual([]);
        expect(flat.digest).toBe(three.digest);
        expect(flat.notices).toEqual([]);
      });
    }),
    { numRuns: RUNS },
  );
}, 600_000);
