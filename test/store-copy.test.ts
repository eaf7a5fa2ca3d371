// Copies and digests: the digest is always that of the copy, on whatever file system, and a full disk leaves
// nothing under a final name.
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { copyAndHash } from "../cache/copy.js";
import { hashBytes, hashFile, hashMany, SMALL_FILE } from "../cache/hash.js";
import { unwrap, type Result } from "../cache/problem.js";
import { fileId, openStore } from "../cache/store.js";
import { writeManifest } from "../engine/tree/manifest.js";
import { inDir, sh, withMount } from "./support/trees.js";

const sha256sum = (path: string): string =>
  execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64);

/** Sizes around every boundary: empty, small, the buffer's own, and several buffers. */
const SIZES = [0, 1, 4096, SMALL_FILE - 1, SMALL_FILE, SMALL_FILE + 1, 3 * SMALL_FILE + 5];

test("digests are those of sha256sum, whatever the size", () =>
  inDir(async (dir) => {
    for (const size of SIZES) {
      const path = join(dir, String(size));
      writeFileSync(path, Buffer.alloc(size, `${size} bytes `));
      const expected = sha256sum(path);
      expect(await hashFile(path)).toBe(expected);
      expect(await hashFile(path, size)).toBe(expected);
      expect(unwrap(await copyAndHash(path, join(dir, "to", String(size))))).toEqual({
        digest: expected,
        size,
        executable: false,
      });
      expect(sha256sum(join(dir, "to", String(size)))).toBe(expected);
    }
  }));

test("a long list is digested in order, on all cores, with names that are not text", () =>
  inDir(async (dir) => {
    const files = Array.from({ length: 700 }, (_, index) => {
      const name = index % 50 === 0 ? `${index}\xff\n` : String(index);
      const content = `file ${index}`.repeat(index);
      writeFileSync(Buffer.from(`${dir}/${name}`, "latin1"), content);
      return { path: `${dir}/${name}`, size: content.length, digest: hashBytes(content) };
    });
    expect(await hashMany(files)).toEqual(files.map(({ digest }) => digest));
    await expect(hashMany([...files, { path: `${dir}/none`, size: 1 }])).rejects.toMatchObject({
      code: "ENOENT",
    });
    expect(await hashMany(files)).toEqual(files.map(({ digest }) => digest));
  }));

test("a process that digested in threads ends by itself, and waits for its digests", () =>
  inDir((dir) => {
    const big = join(dir, "big");
    writeFileSync(big, "");
    truncateSync(big, 64 << 20);
    const url = new URL("../cache/hash.js", import.meta.url).href;
    const program = `import(${JSON.stringify(url)}).then(async (h) => console.log(await h.hashFile(${JSON.stringify(big)})))`;
    const { stdout, status } = spawnSync(process.execPath, ["-e", program], {
      encoding: "utf8",
      timeout: 60_000,
    });
    expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: sha256sum(big) });
  }));

test("a copy keeps the x bit and nothing else of the mode, and takes a new name only", () =>
  inDir(async (dir) => {
    const from = join(dir, "from");
    writeFileSync(from, "x");
    for (const [mode, copied] of [
      [0o4750, 0o755],
      [0o400, 0o644],
      [0o611, 0o644],
    ] as const) {
      chmodSync(from, mode);
      const to = join(dir, `to-${mode}`);
      const { executable } = unwrap(await copyAndHash(from, to));
      expect(executable).toBe((copied & 0o100) !== 0);
      expect(lstatSync(to).mode & 0o7777).toBe(copied);
    }
    writeFileSync(join(dir, "there"), "old");
    expect(await copyAndHash(from, join(dir, "there"))).toMatchObject({ ok: false });
    expect(readFileSync(join(dir, "there"), "utf8")).toBe("old");
  }));

test("symlinked sources are followed; what is not a file is refused, a fifo without waiting", () =>
  inDir(async (dir) => {
    writeFileSync(join(dir, "file"), "content");
    symlinkSync("file", join(dir, "link"));
    sh(dir, "mkfifo fifo");
    const { digest } = unwrap(await copyAndHash(join(dir, "link"), join(dir, "copy")));
    expect(digest).toBe(hashBytes("content"));
    expect(lstatSync(join(dir, "copy")).isFile()).toBe(true);
    for (const name of ["fifo", ".", "none"]) {
      expect(await copyAndHash(join(dir, name), join(dir, "no"))).toMatchObject({
        ok: false,
        problem: { exit: 3 },
      });
    }
    expect(existsSync(join(dir, "no"))).toBe(false);
  }));

/** The problem of a full disk. */
function expectFull(result: Result<unknown>): void {
  const { exit, message } = result.ok ? { exit: 0, message: "" } : result.problem;
  expect({ exit, message }).toEqual({ exit: 3, message: expect.stringContaining("no space is left") });
}

/** Every file below a directory. */
const filesIn = (dir: string): string => sh(dir, "find . -type f | sort");

test("a full disk is a problem that says so, and leaves nothing half-made and nothing old deleted", () =>
  inDir((dir) =>
    withMount(dir, ["-t", "tmpfs", "-o", "size=4m", "tmpfs"], async (fs) => {
      const big = join(dir, "big");
      writeFileSync(big, Buffer.alloc(6 << 20, "random"));
      const small = join(dir, "small");
      writeFileSync(small, Buffer.alloc(600_000, "random"));
      const store = openStore(join(dir, "store"), null);
      const id = fileId(await hashFile(big), false);
      const smallId = fileId(await hashFile(small), false);
      unwrap(await store.addFile(big, id));
      unwrap(await store.addFile(small, smallId));
      writeFileSync(join(fs, "old.img"), Buffer.alloc(3_600_000, "old"));
      const before = sha256sum(join(fs, "old.img"));
      // The disk is nearly full: none of these fits, small or big, copied by Node or by cp.
      expectFull(await copyAndHash(store.path(id), join(fs, "copy")));
      expectFull(await copyAndHash(store.path(smallId), join(fs, "copy")));
      expectFull(await store.linkOut(id, join(fs, "old.img"), { diskImage: true }));
      expectFull(await store.linkOut(id, join(fs, "old.img"), { diskImage: false }));
      expectFull(store.place(smallId, join(fs, "in", "x")));
      expectFull(
        writeManifest(join(fs, "manifests"), {
          lines: new Map([["m".repeat(1 << 20), { body: "d0755 0:0 5", group: null }]]),
        }),
      );
      const there = openStore(join(fs, "store"), null);
      sh(dir, 'cp "$1" again', store.path(id));
      expectFull(await there.addFile(join(dir, "again"), id));
      expect(existsSync(join(dir, "again"))).toBe(true);
      expect(filesIn(fs)).toBe("./old.img\n");
      expect(sha256sum(join(fs, "old.img"))).toBe(before);
    }),
  ));

test("stage, store and output directory may lie on different file systems", () =>
  inDir((dir) =>
    withMount(dir, ["-t", "tmpfs", "tmpfs"], async (fs) => {
      const staged = join(fs, "staged");
      writeFileSync(staged, "far");
      const store = openStore(join(dir, "store"), null);
      const id = fileId(hashBytes("far"), true);
      unwrap(await store.addFile(staged, id));
      expect(existsSync(staged)).toBe(false);
      expect(await store.verify(id)).toBe("whole");
      expect(unwrap(await store.linkOut(id, join(fs, "out"), { diskImage: false }))).toBe("copy");
      expect(lstatSync(join(fs, "out")).mode & 0o7777).toBe(0o555);
      expect(readdirSync(fs)).toEqual(["out"]);
    }),
  ));

test("an output directory that is a bind mount of the same file system gets its artifacts too", () =>
  inDir(async (dir) => {
    mkdirSync(join(dir, "elsewhere"));
    await withMount(dir, ["--bind", join(dir, "elsewhere")], async (fs) => {
      const store = openStore(join(dir, "store"), null);
      writeFileSync(join(dir, "staged"), "near");
      const id = fileId(hashBytes("near"), false);
      unwrap(await store.addFile(join(dir, "staged"), id));
      unwrap(await store.linkOut(id, join(fs, "a"), { diskImage: false }));
      unwrap(await store.linkOut(id, join(fs, "a.img"), { diskImage: true }));
      expect(readdirSync(fs).sort()).toEqual(["a", "a.img"]);
      expect(readFileSync(join(fs, "a"), "utf8")).toBe("near");
      expect(filesIn(join(dir, "store"))).not.toContain(".tmp");
    });
  }));

const mkfsXfs = spawnSync("sh", ["-c", "command -v mkfs.xfs && grep -qw xfs /proc/filesystems"]).status === 0;

(mkfsXfs ? test : test.skip)("where the file system has reflinks, outputs and inputs are reflinks", () =>
  inDir(async (dir) => {
    execFileSync("truncate", ["-s", "400M", join(dir, "image")]);
    execFileSync("mkfs.xfs", ["-q", "-m", "reflink=1", join(dir, "image")]);
    await withMount(dir, ["-o", "loop", join(dir, "image")], async (fs) => {
      const store = openStore(join(fs, "store"), null);
      mkdirSync(join(fs, "out"));
      const bytes = Buffer.alloc(2 << 20, "reflink");
      writeFileSync(join(fs, "staged"), bytes);
      const id = fileId(hashBytes(bytes), false);
      unwrap(await store.addFile(join(fs, "staged"), id));
      const out = join(fs, "out", "a.img");
      expect(unwrap(await store.linkOut(id, out, { diskImage: true }))).toBe("reflink");
      expect(unwrap(await store.linkOut(id, join(fs, "out", "b"), { diskImage: false }))).toBe("reflink");
      expect(unwrap(store.place(id, join(fs, "in", "c")))).toEqual({ kind: "copied" });
      appendFileSync(out, "booted");
      expect(await store.verify(id)).toBe("whole");
      expect(lstatSync(store.path(id)).nlink).toBe(1);
    });
  }),
);
