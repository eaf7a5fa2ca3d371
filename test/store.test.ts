// The content store on real files: what goes in stays as it was, what comes out appears whole.
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { hashBytes } from "../cache/hash.js";
import { unwrap } from "../cache/problem.js";
import { fileId, openStore, type Store } from "../cache/store.js";
import { inDir } from "./support/trees.js";

interface Place {
  readonly dir: string;
  readonly store: Store;
  readonly out: string;
}

/** A store in a new directory, with an output directory beside it. */
const inStore = (work: (place: Place) => Promise<void>, owner: { uid: number; gid: number } | null = null) =>
  inDir(async (dir) => {
    const out = join(dir, "out");
    mkdirSync(out);
    await work({ dir, store: openStore(join(dir, "store"), owner), out });
  });

/** Puts text into the store, by way of a stage; returns its id. */
async function add({ dir, store }: Place, text: string, executable = false): Promise<string> {
  const staged = join(dir, "staged");
  writeFileSync(staged, text);
  const id = fileId(hashBytes(text), executable);
  unwrap(await store.addFile(staged, id));
  return id;
}

const modeOf = (path: string): number => lstatSync(path).mode & 0o7777;
const PLAIN = { diskImage: false };

test("the same bytes with and without x bit are two artifacts, both read-only", () =>
  inStore(async (place) => {
    const plain = await add(place, "#!/bin/sh\n");
    const executable = await add(place, "#!/bin/sh\n", true);
    expect(modeOf(place.store.path(plain))).toBe(0o444);
    expect(modeOf(place.store.path(executable))).toBe(0o555);
    expect(place.store.list().map(({ id }) => id)).toEqual([plain, executable]);
    expect(existsSync(join(place.dir, "staged"))).toBe(false);
    expect(modeOf(join(place.dir, "store"))).toBe(0o700);
  }));

test("an artifact that comes again leaves the first where it is", () =>
  inStore(async (place) => {
    const id = await add(place, "same");
    const first = lstatSync(place.store.path(id)).ino;
    expect(await add(place, "same")).toBe(id);
    expect(lstatSync(place.store.path(id)).ino).toBe(first);
  }));

test("an artifact that comes again takes the place of a damaged one of the same size", () =>
  inStore(async (place) => {
    const id = await add(place, "good");
    const path = place.store.path(id);
    chmodSync(path, 0o644);
    writeFileSync(path, "evil");
    expect(await place.store.verify(id)).toBe("damaged");
    expect(place.store.has(id, 4)).toBe(true);
    await add(place, "good");
    expect(await place.store.verify(id)).toBe("whole");
  }));

test("has asks for the size, verify for the contents", () =>
  inStore(async (place) => {
    const id = await add(place, "four");
    expect(place.store.has(id, 4)).toBe(true);
    expect(await place.store.verify(id)).toBe("whole");
    truncateSync(place.store.path(id), 3);
    expect(place.store.has(id, 4)).toBe(false);
    expect(await place.store.verify(id)).toBe("damaged");
    place.store.remove(id);
    expect(place.store.has(id, 4)).toBe(false);
    expect(await place.store.verify(id)).toBe("missing");
  }));

test("an output that has another name on the host cannot be changed through it", () =>
  inStore(async (place) => {
    const other = join(place.dir, "other");
    writeFileSync(other, "mine");
    linkSync(other, join(place.dir, "staged"));
    const id = fileId(hashBytes("mine"), false);
    unwrap(await place.store.addFile(join(place.dir, "staged"), id));
    appendFileSync(other, ", changed");
    expect(await place.store.verify(id)).toBe("whole");
  }));

test("a file that changed after it was digested is refused when it has to be copied", () =>
  inStore(async (place) => {
    const staged = join(place.dir, "staged");
    writeFileSync(staged, "later");
    linkSync(staged, join(place.dir, "other"));
    const id = fileId(hashBytes("before"), false);
    const added = await place.store.addFile(staged, id);
    expect(added).toMatchObject({ ok: false, problem: { exit: 3 } });
    expect(place.store.list()).toEqual([]);
  }));

test("a symlink is no artifact", () =>
  inStore(async (place) => {
    symlinkSync("/etc/passwd", join(place.dir, "staged"));
    const added = await place.store.addFile(join(place.dir, "staged"), fileId(hashBytes("x"), false));
    expect(added).toMatchObject({ ok: false, problem: { exit: 3 } });
  }));

test("linking out twice leaves one link and no temporary name", () =>
  inStore(async (place) => {
    const id = await add(place, "out");
    const path = join(place.out, "a-20260101.txt");
    expect(unwrap(await place.store.linkOut(id, path, PLAIN))).toMatch(/^(link|reflink)$/);
    unwrap(await place.store.linkOut(id, path, PLAIN));
    unwrap(await place.store.linkOut(id, join(place.out, "b.txt"), PLAIN));
    expect(readdirSync(place.out).sort()).toEqual(["a-20260101.txt", "b.txt"]);
    expect(readFileSync(path, "utf8")).toBe("out");
    expect(modeOf(path)).toBe(0o444);
  }));

test("a link whose mode was changed by hand gets it back", () =>
  inStore(async (place) => {
    const id = await add(place, "tool", true);
    const path = join(place.out, "tool");
    unwrap(await place.store.linkOut(id, path, PLAIN));
    chmodSync(path, 0o666);
    unwrap(await place.store.linkOut(id, path, PLAIN));
    expect(modeOf(path)).toBe(0o555);
  }));

test("what stands at the output's name is replaced, never followed", () =>
  inStore(async (place) => {
    const id = await add(place, "new");
    const precious = join(place.dir, "precious");
    writeFileSync(precious, "keep");
    symlinkSync(precious, join(place.out, "a"));
    writeFileSync(join(place.out, "b"), "old");
    for (const name of ["a", "b"]) unwrap(await place.store.linkOut(id, join(place.out, name), PLAIN));
    expect(readFileSync(join(place.out, "a"), "utf8")).toBe("new");
    expect(lstatSync(join(place.out, "a")).isFile()).toBe(true);
    expect(readFileSync(join(place.out, "b"), "utf8")).toBe("new");
    expect(readFileSync(precious, "utf8")).toBe("keep");
    mkdirSync(join(place.out, "c", "somebody's"), { recursive: true });
    expect(await place.store.linkOut(id, join(place.out, "c"), PLAIN)).toMatchObject({ ok: false });
    expect(readdirSync(place.out).sort()).toEqual(["a", "b", "c"]);
    rmdirSync(join(place.out, "c", "somebody's"));
    expect(await place.store.linkOut(id, join(place.out, "c"), PLAIN)).toMatchObject({ ok: true });
  }));

test("an artifact that is not in the store leaves the old output alone", () =>
  inStore(async (place) => {
    const path = join(place.out, "a");
    writeFileSync(path, "old");
    const linked = await place.store.linkOut(fileId(hashBytes("gone"), false), path, PLAIN);
    expect(linked).toMatchObject({ ok: false, problem: { exit: 3 } });
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(place.out)).toEqual(["a"]);
  }));

test("a disk image is a sparse, writable file of its own", () =>
  inStore(async (place) => {
    const staged = join(place.dir, "staged");
    writeFileSync(staged, "head");
    truncateSync(staged, 8 << 20);
    const id = fileId(hashBytes(readFileSync(staged)), false);
    unwrap(await place.store.addFile(staged, id));
    const path = join(place.out, "disk.img");
    unwrap(await place.store.linkOut(id, path, { diskImage: true }));
    expect(statSync(path).blocks * 512).toBeLessThan(1 << 20);
    expect(modeOf(path)).toBe(0o644);
    appendFileSync(path, "booted");
    expect(await place.store.verify(id)).toBe("whole");
    unwrap(await place.store.linkOut(id, path, { diskImage: true }));
    expect(statSync(path).size).toBe(8 << 20);
  }));

test("what users should own is theirs, directories and disk images too", () =>
  inStore(
    async (place) => {
      const id = await add(place, "theirs");
      unwrap(await place.store.linkOut(id, join(place.out, "line", "a"), PLAIN));
      unwrap(await place.store.linkOut(id, join(place.out, "line", "b.img"), { diskImage: true }));
      for (const name of ["line", "line/a", "line/b.img"]) {
        const { uid, gid } = lstatSync(join(place.out, name));
        expect({ name, uid, gid }).toEqual({ name, uid: 1234, gid: 4321 });
      }
      expect(lstatSync(place.out).uid).toBe(0);
    },
    { uid: 1234, gid: 4321 },
  ));

test("a stage gets a copy of a small artifact and is told where to bind a big one", () =>
  inStore(async (place) => {
    const small = await add(place, "small", true);
    const big = await add(place, "b".repeat(2 << 20));
    const to = join(place.dir, "stage", "in", "A", "tool");
    expect(unwrap(place.store.place(small, to))).toEqual({ kind: "copied" });
    expect(modeOf(to)).toBe(0o555);
    expect(lstatSync(to).nlink).toBe(1);
    const placed = unwrap(place.store.place(big, join(place.dir, "stage", "in", "B", "big")));
    expect(placed.kind === "copied" || placed.path === place.store.path(big)).toBe(true);
    expect(lstatSync(place.store.path(big)).nlink).toBe(1);
    expect(place.store.place(small, to)).toMatchObject({ ok: false });
    expect(readFileSync(to, "utf8")).toBe("small");
  }));

test("temporary files that a crash left are cleaned away, artifacts are not", () =>
  inStore(async (place) => {
    const id = await add(place, "kept");
    const left = `${place.store.path(id)}.1-0.tmp`;
    writeFileSync(left, "half");
    place.store.clean();
    expect(existsSync(left)).toBe(false);
    expect(place.store.has(id, 4)).toBe(true);
  }));

test("opening a store, and asking it, makes nothing", () =>
  inDir((dir) => {
    const store = openStore(join(dir, "store"), null);
    expect(store.has(fileId(hashBytes(""), false), 0)).toBe(false);
    expect(store.list()).toEqual([]);
    store.clean();
    expect(readdirSync(dir)).toEqual([]);
  }));

test("another user cannot look into the store", () =>
  inStore(async (place) => {
    const id = await add(place, "secret");
    chmodSync(place.dir, 0o755);
    const asNobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "cat", place.store.path(id)];
    expect(() => execFileSync("setpriv", asNobody, { stdio: "pipe" })).toThrow(/Permission denied/);
  }));
