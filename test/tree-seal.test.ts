// The digest of a tree on real files: everything that is content changes it, nothing else does; and a sealed tree
// on the disk is what its manifest says.
import { writeFileSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { diffManifests } from "./support/compare-trees.js";
import { entryAt, type Manifest } from "../engine/tree/manifest.js";
import type { Entry } from "../engine/tree/entry.js";
import { unpackInto } from "../engine/tree/run-seal.js";
import { EPOCH, inDir, look, manifestOf, seal, sh, treesIn, type Trees } from "./support/trees.js";

/** One of everything that a root filesystem may hold; run as root in an empty directory. */
const EVERYTHING = `
mkdir -p bin etc/empty dev/pts var/tmp 'a b'
printf 'hello' > bin/hello; chmod 4755 bin/hello
cp /bin/true bin/ping; setcap cap_net_raw+ep bin/ping
printf 'x' > "$(printf 'new\\nline')"
printf 'x' > "$(printf 'not\\377utf8\\\\ =@')"
printf 'x' > "$(printf 'caf\\303\\251')"
ln bin/hello bin/again; ln bin/hello 'a b/third'
ln -s /bin/hello absolute; ln -s ../../../../outside escaping; ln -s "$(printf 'gone\\n\\377')" dangling
mknod console c 5 1; mknod disk b 259 300000; mkfifo fifo
chmod 1777 var/tmp; chmod 0 etc/empty
printf 'y' > owned; chown 1000:65534 owned; chown -h 7:8 dangling
setfattr -n user.note -v "a b" bin/hello
setfattr -n trusted.mark -v 0x00ff0a etc
setfattr -n "user.o=d
d" -v x etc
truncate -s 5M sparse
touch -d '1999-12-31 23:59:58.987654321 UTC' owned
touch -d '1965-01-01 00:00:00.25 UTC' disk
`;

const made = (dir: string, script: string): Trees => {
  mkdirSync(join(dir, "tree"));
  sh(join(dir, "tree"), script);
  return treesIn(dir);
};

const at = (manifest: Manifest, path: string): Entry => {
  const entry = entryAt(manifest, path);
  if (entry === undefined) throw new Error(`${path} is not in the manifest`);
  return entry;
};

test("the manifest holds names, modes, owners, times, contents, devices, links and attributes", () =>
  inDir(async (dir) => {
    const trees = made(dir, EVERYTHING);
    const { digest, entries } = await seal(trees, "tree");
    const manifest = manifestOf(trees, digest);
    expect(entries).toBe(manifest.lines.size);
    expect([...manifest.lines.keys()]).toEqual([...manifest.lines.keys()].sort());
    const clamped = BigInt(EPOCH) * 1_000_000_000n;
    const hello = { type: "file", mode: 0o4755, size: 5, group: "a b/third", mtime: clamped };
    for (const path of ["bin/hello", "bin/again", "a b/third"]) {
      expect(at(manifest, path)).toMatchObject({
        ...hello,
        digest: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        attributes: new Map([["user.note", "612062"]]),
      });
    }
    expect(at(manifest, "bin/ping").attributes).toEqual(
      new Map([["security.capability", "0100000200200000000000000000000000000000"]]),
    );
    for (const path of ["new\nline", "not\xffutf8\\ =@", "caf\xc3\xa9"]) {
      expect(at(manifest, path)).toMatchObject({ type: "file", size: 1, group: null });
    }
    expect(at(manifest, "absolute")).toMatchObject({ type: "symlink", target: "/bin/hello", mtime: clamped });
    expect(at(manifest, "escaping")).toMatchObject({ type: "symlink", target: "../../../../outside" });
    expect(at(manifest, "dangling")).toMatchObject({ target: "gone\n\xff", uid: 7, gid: 8 });
    expect(at(manifest, "console")).toMatchObject({ type: "char", major: 5, minor: 1 });
    expect(at(manifest, "disk")).toMatchObject({
      type: "block",
      major: 259,
      minor: 300000,
      mtime: -157766399750000000n,
    });
    expect(at(manifest, "fifo")).toMatchObject({ type: "fifo" });
    expect(at(manifest, "var/tmp")).toMatchObject({ type: "dir", mode: 0o1777 });
    expect(at(manifest, "etc/empty")).toMatchObject({ type: "dir", mode: 0 });
    expect(at(manifest, "owned")).toMatchObject({ uid: 1000, gid: 65534, mtime: 946684798987654321n });
    expect(at(manifest, "etc").attributes).toEqual(
      new Map([
        ["trusted.mark", "00ff0a"],
        ["user.o=d\nd", "78"],
      ]),
    );
    expect(at(manifest, "sparse")).toMatchObject({ size: 5 << 20 });
    expect(at(manifest, "")).toMatchObject({ type: "dir", mtime: clamped });
  }));

test("a tree that was sealed is on the disk what its manifest says, and sealing again changes nothing", () =>
  inDir(async (dir) => {
    const trees = made(dir, EVERYTHING);
    const { digest } = await seal(trees, "tree");
    expect(await look(trees, "tree")).toBe(digest);
    expect((await seal(trees, "tree")).digest).toBe(digest);
    const late = "find . -newermt @1700000000";
    expect(sh(join(dir, "tree"), late)).toBe("");
    expect(lstatSync(join(dir, "tree")).mtimeMs).toBe(EPOCH * 1000);
  }));

test("the same tree in another order of inodes, through tar or through cp, has the same digest", () =>
  inDir(async (dir) => {
    const trees = made(dir, EVERYTHING);
    const { digest } = await seal(trees, "tree");
    sh(
      dir,
      `mkdir tar reversed
       tar -C tree --xattrs --xattrs-include='*' --format=posix --sort=name -cf - . | tar -C tar --xattrs --xattrs-include='*' -xpf -
       cp -a tree copy
       cd tree; find . -mindepth 1 -depth -print0 | tac -s '' | tar --null --no-recursion --xattrs --xattrs-include='*' --format=posix -cf - -T - | tar -C ../reversed --xattrs --xattrs-include='*' -xpf -
       chmod 755 ../reversed; touch -d @${EPOCH} ../reversed ../tar`,
    );
    for (const name of ["copy", "tar", "reversed"])
      expect({ name, digest: await look(trees, name) }).toEqual({ name, digest });
  }));

/** One change each; what the difference is called. */
const CHANGES: Readonly<Record<string, string>> = {
  "printf hellO > bin/hello; touch -d @1 bin/hello": "content",
  "touch -h -d @5 absolute": "time",
  "touch -d @5 .": "time",
  "touch -d '1999-12-31 23:59:58.987654322 UTC' owned": "time",
  "chmod 4750 bin/hello": "mode",
  "chmod 700 .": "mode",
  "chown 1001 owned": "owner",
  "chown -h 7:9 dangling": "owner",
  "chmod 1755 etc/empty": "mode",
  "setfattr -n user.note -v 'a c' bin/hello": "attributes",
  "setfattr -x trusted.mark etc": "attributes",
  "setfattr -n trusted.mark -h -v 1 absolute": "attributes",
  "setfattr -n user.root -v 1 .": "attributes",
  "setcap cap_net_raw+p bin/ping": "attributes",
  "setfacl -m u:5:r owned": "attributes",
  "ln -sfT /bin/hell absolute": "target",
  "rm console; mknod console c 5 2": "device",
  "rm console; mknod console b 5 1": "type",
  "rm fifo; touch fifo": "type",
  "rm bin/again; cp -a bin/hello bin/again": "hard links",
  "cp -a owned new": "added",
  "rmdir dev/pts": "removed",
  "mv owned owner": "removed",
  "mv fifo FIFO": "removed",
};

test(
  "any single change to a tree changes its digest, and is named",
  () =>
    inDir(async (dir) => {
      const trees = made(dir, EVERYTHING);
      const { digest } = await seal(trees, "tree");
      sh(dir, "cp -a tree original");
      for (const [change, name] of Object.entries(CHANGES)) {
        if (change.startsWith("setfacl") && sh(dir, "command -v setfacl || true") === "") continue;
        sh(dir, "rm -rf tree; cp -a original tree");
        expect(await look(trees, "tree")).toBe(digest);
        sh(join(dir, "tree"), change);
        const changed = await seal(trees, "tree");
        expect({ change, same: changed.digest === digest }).toEqual({ change, same: false });
        const named = diffManifests(manifestOf(trees, digest), manifestOf(trees, changed.digest));
        const aspects = named.flatMap((one): string[] =>
          one.change === "changed" ? [...one.aspects] : [one.change],
        );
        expect({ change, aspects }).toEqual({ change, aspects: expect.arrayContaining([name]) });
      }
    }),
  60_000,
);

test("what is no content does not change the digest: link counts, access times, inode numbers, holes", () =>
  inDir(async (dir) => {
    const trees = made(dir, EVERYTHING);
    const { digest } = await seal(trees, "tree");
    sh(
      dir,
      "ln tree/owned outside; cat tree/owned; touch -a tree/owned; chmod 711 tree/bin; chmod 755 tree/bin",
    );
    expect(await look(trees, "tree")).toBe(digest);
    sh(dir, "cp --sparse=never -p tree/sparse s; mv s tree/sparse; touch -d @1700000000 tree");
    expect(await look(trees, "tree")).toBe(digest);
  }));

test("device nodes under dev and sockets are taken out of the tree, without a trace in times", () =>
  inDir(async (dir) => {
    const script = `mkdir -p dev/pts run other; mknod other/null c 1 3; touch dev/file
      touch -d '1999-12-31 23:59:58.987654321 UTC' dev/pts run`;
    const trees = made(dir, script);
    sh(dir, "cp -a tree without");
    const { digest } = await seal(trees, "without");
    sh(
      join(dir, "tree"),
      `mknod dev/null c 1 3; mknod dev/pts/ptmx c 5 2; mknod dev/sda b 8 0
       perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local=>$_,Listen=>1) for @ARGV' run/s run/t
       touch -d '1999-12-31 23:59:58.987654321 UTC' dev/pts run`,
    );
    const sealed = await seal(trees, "tree");
    expect(sealed.digest).toBe(digest);
    expect(sealed.notices).toEqual([{ message: "a tree does not hold sockets (run/s, run/t)" }]);
    expect(sh(join(dir, "tree"), "find . -type s -o -path './dev/*' -type c -o -type b")).toBe("");
    expect(sh(join(dir, "tree"), "find other -type c")).toBe("other/null\n");
    expect(await look(trees, "tree")).toBe(digest);
  }));

test("files that have names outside of the tree as well are copied first, and those outside stay as they are", () =>
  inDir(async (dir) => {
    mkdirSync(join(dir, "outside"));
    sh(join(dir, "outside"), EVERYTHING);
    const state = 'find outside -printf "%p %M %U:%G %T@ %i\\n" | LC_ALL=C sort';
    const trees = made(dir, ":");
    sh(dir, "cp -a outside/. tree; cp -a outside before; rm -r tree; cp -al outside tree; mkdir tree/more");
    sh(dir, 'ln tree/bin/hello tree/more/fourth; touch -d "1999-01-01 00:00:00.123456789 UTC" tree/more');
    const before = sh(dir, state);
    const { digest } = await seal(trees, "tree");
    expect(sh(dir, state)).toBe(before);
    const shown = sh(dir, "find tree ! -type d -links +1 -printf '%n %P\\n' | LC_ALL=C sort");
    expect(shown).toBe("4 a b/third\n4 bin/again\n4 bin/hello\n4 more/fourth\n");
    const manifest = manifestOf(trees, digest);
    expect(at(manifest, "more").mtime).toBe(915_148_800_123_456_789n);
    expect(at(manifest, "bin/ping").attributes.size).toBe(1);
    sh(dir, "cd before; mkdir more; ln bin/hello more/fourth; touch -r ../tree/more more");
    expect((await seal(trees, "before")).digest).toBe(digest);
    expect(await look(trees, "tree")).toBe(digest);
  }));

test("a directory with something mounted in it is refused, and left alone", () =>
  inDir((dir) => {
    const trees = made(dir, "mkdir m");
    // In a mount namespace of its own: sealing there sees the mount, and nothing stays.
    const program = new URL("../engine/tree/seal-main.js", import.meta.url).pathname;
    const request = {
      upper: join(dir, "tree"),
      parent: null,
      manifests: trees.manifests,
      epoch: EPOCH,
      form: "root",
      guards: {},
    };
    writeFileSync(join(dir, "request"), JSON.stringify(request));
    const said = sh(
      dir,
      'unshare --mount sh -euc \'mount --bind /etc tree/m; "$1" "$2" < request\' sh "$@"',
      process.execPath,
      program,
    );
    expect(JSON.parse(said)).toMatchObject({ ok: false, problem: { exit: 3 } });
    expect(said).toContain("still mounted");
  }));

test("a broken guard is reported and no manifest is written", () =>
  inDir(async (dir) => {
    const trees = made(dir, "touch there");
    const { digest, broken } = await seal(trees, "tree", null, { guards: { has: ["there", "not/there"] } });
    expect(broken).toEqual(["not/there is missing"]);
    expect(() => manifestOf(trees, digest)).toThrow();
  }));

test("what ends while a tree is unpacked from it ends in words, and is not taken for whole", () =>
  inDir(async (dir) => {
    const archive = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(512);
      await Promise.reject(Object.assign(new Error("gone"), { code: "EIO" }));
    };
    expect(await unpackInto(dir, archive(), [])).toMatchObject({
      ok: false,
      problem: { message: expect.stringContaining("input or output error") },
    });
  }));
