// The pacman driver's answers about a small signed repository: what a list resolves to, which databases it takes, and
// whose packages.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Json } from "../engine/model.js";
import type { Package, SnapshotAt } from "../engine/packages/driver.js";
import type { Result } from "../engine/problem.js";
import { driver } from "../rules/drivers/pacman.js";
import { demands, readConf } from "../rules/drivers/pacman/conf.js";
import {
  context,
  cleanUp,
  names,
  newDir,
  newPlainDir,
  problem,
  served,
  sha256,
  value,
} from "./support/apt-driver.js";
import * as arch from "./support/arch-project.js";
import {
  addPackages,
  BUILT,
  dropFiles,
  lackingForPacman,
  makeArchRepo,
  makeKey,
  packageFile,
  sign,
} from "./support/pacman-repo.js";
import { skipping } from "./support/skipping.js";

// pacman is quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

const lacking = lackingForPacman();
if (lacking.length > 0) skipping("pacman-driver", `there is no ${lacking.join(", ")}`);
const withPacman = lacking.length === 0 ? describe : describe.skip;
afterAll(() => {
  cleanUp();
  arch.cleanUp();
});

const ARCH = "x86_64";
/** Repositories as a package request names them. */
const request = (
  repos: readonly { readonly name: string; readonly servers: readonly string[] }[],
  sigLevel = "Never",
  keys: readonly string[] | null = null,
): Json => ({
  repositories: repos.map((repo) => ({ sigLevel: "", usage: "", ...repo })),
  sigLevel,
  keys,
});
const take = (repo: Json, dir = newDir("snapshot")): Promise<Result<void>> =>
  driver.snapshot(repo, ARCH, dir, context());
async function snapshotOf(repo: Json): Promise<SnapshotAt> {
  const dir = newDir("snapshot");
  value(await take(repo, dir));
  return { repo, arch: ARCH, dir };
}
const resolve = (
  snapshot: SnapshotAt,
  want: readonly string[],
  on: readonly Package[] = [],
): Promise<Result<readonly Package[]>> => driver.resolve({ snapshot, want, options: {}, on }, context());

withPacman("resolve", () => {
  const { repo } = arch.signedArch();
  const core = { name: "core", servers: [`file://${repo.dir}`] };
  let snapshot: SnapshotAt;
  beforeAll(async () => {
    snapshot = await snapshotOf(request([core]));
  });

  test("gives the exact closure, sorted, on top of what the tree beneath holds", async () => {
    const beneath = value(await resolve(snapshot, ["base"]));
    expect(names(beneath)).toEqual([
      "base 1.0-1",
      "busybox 1:1.35.0-2",
      "filesystem 2026.01.01-1",
      "mirrorlist 1.0-1",
    ]);
    const file = packageFile(repo, "busybox", "1:1.35.0-2", ARCH);
    expect(beneath[1]).toEqual({
      name: "busybox",
      version: "1:1.35.0-2",
      arch: ARCH,
      sha256: sha256(file),
      size: statSync(file).size,
      location: "core/busybox-1:1.35.0-2-x86_64.pkg.tar.zst",
    });
    const closure = value(await resolve(snapshot, ["app", "base"], beneath));
    expect(names(closure)).toEqual(["app 1.0-1", "libone 1.0-1"]);
    expect(value(await resolve(snapshot, ["app"], [...beneath, ...closure]))).toEqual([]);
  });

  test("knows groups, what packages provide, versions and repositories", async () => {
    const of = async (...want: string[]): Promise<string[]> => names(value(await resolve(snapshot, want)));
    expect(await of("two")).toEqual(["libone 1.0-1", "one-of-two 1.0-1", "two-of-two 1.0-1"]);
    expect(await of("sh")).toEqual(["busybox 1:1.35.0-2", "filesystem 2026.01.01-1"]);
    expect(await of("core/nano", "libone>=1")).toEqual(["libone 1.0-1", "nano 1.0-1"]);
    expect(problem(await resolve(snapshot, ["libone>=2"])).message).toBe(
      "there is no package libone>=2 in core (x86_64)",
    );
  });

  test("names unknown packages and the nearest name, and takes no option for one", async () => {
    expect(problem(await resolve(snapshot, ["nanoo", "nosuch", "app"]))).toEqual({
      exit: 2,
      message: "there is no package nanoo, nosuch in core (x86_64)",
      hint: "did you mean nano?",
    });
    expect(problem(await resolve(snapshot, ["-Rns"])).message).toBe('"-Rns" is not the name of a package');
  });

  test("replaces and removes nothing that the tree beneath holds", async () => {
    const beneath = value(await resolve(snapshot, ["libone", "vi"]));
    const enemy = problem(await resolve(snapshot, ["vim"], beneath));
    expect([enemy.exit, enemy.message]).toEqual([2, expect.stringMatching(/vim and vi are in conflict/)]);
    const more = makeArchRepo(newPlainDir(), "more", [
      { name: "libone", version: "1.6-1" },
      { name: "needs-new", depends: ["libone>=1.6"] },
      { name: "friend", depends: ["libone", "vi"] },
    ]);
    const later = await snapshotOf(request([{ name: "more", servers: [`file://${more.dir}`] }]));
    // Its own vi is of a version that the snapshot no longer has, and counts.
    expect(names(value(await resolve(later, ["friend"], beneath)))).toEqual(["friend 1.0-1"]);
    expect(problem(await resolve(later, ["needs-new"], beneath))).toEqual({
      exit: 2,
      message: expect.stringMatching(/libone/),
      hint: "the snapshot no longer has what the tree beneath holds (libone 1.0-1, vi 1.0-1): `imagemake release refresh`",
    });
  });

  test("asks repositories in the order of the configuration", async () => {
    const mine = makeArchRepo(newPlainDir(), "mine", [{ name: "nano", version: "0.1-1" }]);
    const [own, both] = [{ name: "mine", servers: [`file://${mine.dir}`] }, request([core])];
    expect(driver.repositoryName(both)).toBe("pacman core");
    const before = value(await resolve(await snapshotOf(request([own, core])), ["nano"]));
    expect(before.map((pkg) => pkg.location)).toEqual(["mine/nano-0.1-1-any.pkg.tar.zst"]);
    const after = value(
      await resolve(await snapshotOf(request([core, own])), ["nano", "mine/nano"].slice(0, 1)),
    );
    expect(names(after)).toEqual(["nano 1.0-1"]);
  });

  test("dates a package by what it says of itself", async () => {
    expect(await driver.buildDate(packageFile(repo, "witness"))).toBe(BUILT + 60);
    await expect(driver.buildDate("/etc/hostname")).rejects.toThrow("is not a package of pacman");
  });
});

withPacman("signatures", () => {
  const { repo, key } = arch.signedArch();
  const core = { name: "core", servers: [`file://${repo.dir}`] };
  const other = makeKey(join(newDir("keys"), "gnupg"));
  const fetch = async (
    asked: Json,
    packages: readonly Package[],
    dir = newDir("packages"),
  ): Promise<Result<void>> => driver.fetch(asked, ARCH, packages, dir, context());

  test("of databases: a snapshot is signed by a key that is named, or it is none", async () => {
    const dir = newDir("snapshot");
    value(await take(request([core], "Required", [key]), dir));
    expect(readdirSync(dir).sort()).toEqual(["core.db", "core.db.sig"]);
    value(await take(request([core], "Optional", [key])));
    const wrong = problem(await take(request([core], "Required", [other])));
    expect([wrong.exit, wrong.message, wrong.hint]).toEqual([
      3,
      expect.stringMatching(
        /^cannot read the databases of core for x86_64: core: key "[0-9A-F]{40}" is unknown/,
      ),
      `signed by none of the keys in ${other}`,
    ]);
    const none = problem(await take(request([core], "Optional")));
    expect(none.hint).toContain('keys: files("keys/*.gpg")');
    const missing = problem(await take(request([core], "Required", ["/nonexistent.gpg"])));
    expect([missing.exit, missing.message]).toEqual([2, "keys: /nonexistent.gpg does not exist"]);
    const nokey = problem(await take(request([core], "Required", ["/etc/hostname"])));
    expect([nokey.exit, nokey.message]).toEqual([
      3,
      expect.stringMatching(/^the key \/etc\/hostname cannot be read/),
    ]);
  });

  test("of databases: one that is not signed, or was changed afterwards, is none", async () => {
    const { repo: copy } = arch.signedArch();
    const changed = { name: "core", servers: [`file://${copy.dir}`] };
    writeFileSync(
      join(copy.dir, "core.db"),
      Buffer.concat([readFileSync(join(copy.dir, "core.db")), Buffer.from("x")]),
    );
    expect(problem(await take(request([changed], "Required", [key]))).message).toMatch(
      /signature from .* is invalid/,
    );
    rmSync(join(copy.dir, "core.db.sig"));
    expect(problem(await take(request([changed], "Required", [key]))).message).toMatch(/core\.db\.sig/);
    value(await take(request([changed], "Required DatabaseOptional", [key])));
  });

  test("of packages: by a key that is named, unless the level says otherwise", async () => {
    const { repo: copy } = arch.signedArch();
    const [good, lax] = [
      request([{ ...core, servers: [`file://${copy.dir}`] }], "Required", [key]),
      "Optional",
    ];
    const closure = value(await resolve(await snapshotOf(good), ["app", "libone", "nano"], []));
    const dir = newDir("packages");
    value(await fetch(good, closure, dir));
    expect(readdirSync(dir).sort()).toEqual(closure.map((pkg) => pkg.sha256).sort());
    const stranger = problem(await fetch(request([core], "Required", [other]), closure));
    expect([stranger.exit, stranger.message]).toEqual([
      3,
      expect.stringMatching(/not accepted; pacman says .*required key missing/),
    ]);
    // Signed by somebody else.
    sign(dirname(other), packageFile(copy, "nano"));
    expect(problem(await fetch(good, closure)).message).toMatch(/required key missing|nano.*signature/);
    // The signature of something else.
    copyFileSync(`${packageFile(repo, "app")}.sig`, `${packageFile(copy, "nano")}.sig`);
    expect(problem(await fetch(good, closure)).message).toMatch(
      /nano-1\.0-1-any\.pkg\.tar\.zst.*PGP signature/,
    );
    rmSync(`${packageFile(copy, "nano")}.sig`);
    expect(problem(await fetch(good, closure)).message).toMatch(
      /cannot fetch nano 1\.0-1 \(any\): its signature/,
    );
    value(await fetch(request([{ ...core, servers: [`file://${copy.dir}`] }], lax, [key]), closure));
  });
});

withPacman("mirrors", () => {
  test("over http: the next server has what the first has dropped, and what none has is named", async () => {
    const [{ repo: one }, { repo: two, key }] = [arch.signedArch(), arch.signedArch()];
    await served(dirname(one.dir), async (first) => {
      await served(dirname(two.dir), async (second) => {
        const servers = [`${first}/$repo`, `${second}/$repo`];
        const repo = request([{ name: "core", servers }], "Required", [key]);
        const closure = value(await resolve(await snapshotOf(repo), ["base", "app"]));
        dropFiles(one, "busybox");
        dropFiles(one, "app");
        const dir = newDir("packages");
        value(await driver.fetch(repo, ARCH, closure, dir, context()));
        expect(readdirSync(dir).sort()).toEqual(closure.map((pkg) => pkg.sha256).sort());
        dropFiles(two, "busybox");
        dropFiles(two, "app");
        const gone = problem(await driver.fetch(repo, ARCH, closure, newDir("packages"), context()));
        expect(gone).toEqual({
          exit: 3,
          message: "the mirror has dropped app 1.0-1 (any), busybox 1:1.35.0-2 (x86_64)",
          hint: "`imagemake release refresh` takes a new snapshot",
        });
      });
    });
  });

  test("that are not there, or give something else, are named", async () => {
    const nobody = problem(await take(request([{ name: "core", servers: ["http://127.0.0.1:9/$repo"] }])));
    expect([nobody.exit, nobody.message]).toEqual([
      3,
      expect.stringMatching(/core\.db' from 127\.0\.0\.1:9 : .*connect/i),
    ]);
    expect(problem(await take(request([{ name: "core", servers: ["/nonexistent/$repo"] }]))).message).toMatch(
      /Couldn't open file \/nonexistent\/core\/core\.db/,
    );
    const { repo } = arch.signedArch();
    const asked = request([{ name: "core", servers: [repo.dir] }]);
    const closure = value(await resolve(await snapshotOf(asked), ["nano"]));
    addPackages({ ...repo, gpgHome: null }, { name: "nano", built: BUILT + 1 });
    const changed = problem(await driver.fetch(asked, ARCH, closure, newDir("packages"), context()));
    expect([changed.exit, changed.message]).toEqual([
      3,
      expect.stringMatching(/nano-1\.0-1-any\.pkg\.tar\.zst is not what the snapshot promised$/),
    ]);
    const elsewhere = closure.map((pkg) => ({ ...pkg, location: pkg.location.replace("core/", "gone/") }));
    expect(problem(await driver.fetch(asked, ARCH, elsewhere, newDir("packages"), context())).message).toBe(
      "the Imagefile's repositories have no place for nano 1.0-1 (any)",
    );
  });

  test("stops when it is told to", async () => {
    const stop = new AbortController();
    stop.abort();
    const { repo } = arch.signedArch();
    const asked = request([{ name: "core", servers: [repo.dir] }]);
    const stopped = problem(await driver.snapshot(asked, ARCH, newDir("snapshot"), context(stop.signal)));
    expect(stopped.message).toMatch(/stopped/);
  });
});

describe("pacman.conf", () => {
  test("is read as far as it is about repositories", () => {
    const text = `
# a comment
[options]
HoldPkg     = pacman glibc
NoExtract = usr/share/man/* usr/share/doc/*
NoExtract=!usr/share/doc/x
IgnorePkg = linux* nano
IgnoreGroup = games
Color
SigLevel    = Required DatabaseOptional
[core-testing]
Include = /etc/pacman.d/mirrorlist
[core]
SigLevel = PackageNever
Server = https://one.invalid/$repo
Server=https://two.invalid/a=b
Usage = Sync Install
`;
    expect(value(readConf(text))).toEqual({
      sigLevel: "Required DatabaseOptional",
      noExtract: ["usr/share/man/*", "usr/share/doc/*", "!usr/share/doc/x"],
      ignore: { packages: ["linux*", "nano"], groups: ["games"] },
      repositories: [
        { name: "core-testing", servers: [], sigLevel: "", usage: "", include: 12 },
        {
          name: "core",
          servers: ["https://one.invalid/$repo", "https://two.invalid/a=b"],
          sigLevel: "PackageNever",
          usage: "Sync Install",
          include: null,
        },
      ],
    });
  });

  test.each([
    ["Server = x", "line 1: before the first [section]"],
    ["[local]", "line 1: [local] cannot be the name of a repository"],
    ["[a]\n[b]\n[a]", "line 3: the repository [a] twice"],
    ["[a b]", "line 1: [a b] cannot be the name of a repository"],
    ["[options]\nSigLevel = Sometimes", `line 2: SigLevel has no word "Sometimes"`],
  ])("says which line is wrong: %j", (text, message) => {
    expect(problem(readConf(text))).toEqual({ exit: 2, message });
  });

  test.each([
    [["Optional TrustedOnly", ""], { packages: false, database: false }],
    [["Required DatabaseOptional", ""], { packages: true, database: false }],
    [["Required DatabaseOptional", "Never"], { packages: false, database: false }],
    [["Never", "DatabaseRequired"], { packages: false, database: true }],
  ])("SigLevel %j demands %j", (levels, demanded) => {
    expect(demands(levels)).toEqual(demanded);
  });
});
