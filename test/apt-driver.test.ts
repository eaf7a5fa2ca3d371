// The apt driver's answers about repositories of tiny packages: what a list resolves to, and which metadata it takes.
import { afterAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { Json } from "../engine/model.js";
import type { Problem, Result } from "../engine/problem.js";
import { driver } from "../rules/drivers/apt.js";
import {
  arch,
  asJson,
  CHAIN,
  cleanUp,
  context,
  names,
  newDir,
  newPlainDir,
  problem,
  resolve,
  served,
  sha256,
  snapshotOf,
  tinyRepo,
  value,
} from "./support/apt-driver.js";
import { addPackage, hasGpg, makeAptRepo, poolFile, removePackage } from "./support/apt-repo.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);
afterAll(cleanUp);

describe("resolve", () => {
  test("gives the exact closure, sorted, on top of what the tree beneath holds", async () => {
    const repo = tinyRepo(CHAIN);
    const snapshot = await snapshotOf(asJson(repo));
    const beneath = value(await resolve(snapshot, ["other"]));
    expect(names(beneath)).toEqual(["libone 1.5", "other 1.0"]);
    const closure = value(await resolve(snapshot, ["app", "other"], beneath));
    expect(closure.map(({ location, ...rest }) => ({ ...rest, file: location.split("/").at(-1) }))).toEqual([
      {
        name: "app",
        version: "2:1.0~rc1-1",
        arch,
        sha256: sha256(poolFile(repo, "app", "2:1.0~rc1-1")),
        size: statSync(poolFile(repo, "app", "2:1.0~rc1-1")).size,
        file: expect.stringMatching(/^app_2%.*rc1-1_.*\.deb$/),
      },
      {
        name: "libtwo",
        version: "1.0",
        arch: "all",
        sha256: sha256(poolFile(repo, "libtwo", "1.0", "all")),
        size: statSync(poolFile(repo, "libtwo", "1.0", "all")).size,
        file: "libtwo_1.0_all.deb",
      },
    ]);
    expect(value(await resolve(snapshot, ["app"], [...beneath, ...closure]))).toEqual([]);
  });

  test("changes with a new version of what it contains, and with nothing else in the repository", async () => {
    const repo = tinyRepo(CHAIN);
    const before = value(await resolve(await snapshotOf(asJson(repo)), ["app"]));
    addPackage(repo, { name: "unrelated" }, { name: "other", version: "2.0", depends: "libone" });
    expect(value(await resolve(await snapshotOf(asJson(repo)), ["app"]))).toEqual(before);
    addPackage(repo, { name: "libone", version: "1.6" });
    const after = value(await resolve(await snapshotOf(asJson(repo)), ["app"]));
    expect(names(after)).toEqual(["app 2:1.0~rc1-1", "libone 1.6", "libtwo 1.0"]);
  });

  test("stays the same in a snapshot whatever the repository does, also when it was moved", async () => {
    const repo = tinyRepo(CHAIN);
    const { dir, ...rest } = await snapshotOf(asJson(repo));
    const before = value(await resolve({ dir, ...rest }, ["app"]));
    const cache = statSync(join(dir, "srcpkgcache.bin")).mtimeMs;
    addPackage(repo, { name: "libone", version: "1.6" });
    removePackage(repo, "libtwo");
    const moved = join(newDir("moved"), "elsewhere");
    renameSync(dir, moved);
    expect(value(await resolve({ dir: moved, ...rest }, ["app"]))).toEqual(before);
    // A snapshot is read-only: apt made its cache once.
    expect(statSync(join(moved, "srcpkgcache.bin")).mtimeMs).toBe(cache);
  });

  test("names unknown packages, and the nearest name; takes no name for a pattern", async () => {
    const snapshot = await snapshotOf(asJson(tinyRepo(CHAIN)));
    expect(problem(await resolve(snapshot, ["othre", "nosuch", "app"]))).toEqual({
      exit: 2,
      message: `there is no package othre, nosuch in tiny main (${arch})`,
      hint: "did you mean other?",
    });
    expect(problem(await resolve(snapshot, ["lib.*"])).message).toContain(`"lib.*"`);
    expect(problem(await resolve(snapshot, ["ap."])).message).toContain("there is no package ap.");
    expect(problem(await resolve(snapshot, ["--reinstall"])).message).toContain(`"--reinstall"`);
  });

  test("names what cannot be installed, in apt's words", async () => {
    const snapshot = await snapshotOf(
      asJson(tinyRepo([...CHAIN, { name: "broken", depends: "libone (>= 9), ghost" }])),
    );
    const { exit, message } = problem(await resolve(snapshot, ["broken"]));
    expect(exit).toBe(2);
    expect(message).toContain("broken cannot be installed");
    expect(message).toContain("Depends: libone (>= 9) but it is not going to be installed");
    expect(message).toContain("Depends: ghost but it is not installable");
    const version = problem(await resolve(snapshot, ["app=7"]));
    expect([version.exit, version.message]).toEqual([2, expect.stringContaining("Version '7' for 'app'")]);
  });

  test("replaces and removes nothing that the tree beneath holds", async () => {
    const repo = tinyRepo(CHAIN);
    const beneath = value(await resolve(await snapshotOf(asJson(repo)), ["other"]));
    addPackage(
      repo,
      { name: "libone", version: "1.6" },
      { name: "needs-new", depends: "libone (>= 1.6)" },
      { name: "enemy", fields: { Conflicts: "other" } },
      { name: "friend", depends: "libone" },
    );
    const snapshot = await snapshotOf(asJson(repo));
    expect(names(value(await resolve(snapshot, ["friend", "libone"], beneath)))).toEqual(["friend 1.0"]);
    const needs = problem(await resolve(snapshot, ["needs-new"], beneath));
    expect([needs.exit, needs.message]).toEqual([
      2,
      expect.stringContaining("needs-new: Depends: libone (>= 1.6) but 1.5 is to be installed"),
    ]);
    expect(problem(await resolve(snapshot, ["enemy"], beneath)).message).toMatch(/Conflicts: other/);
  });

  test("goes on when the snapshot no longer has what the tree beneath holds, and says so when it matters", async () => {
    const repo = tinyRepo([
      { name: "awkward", version: "1.0", fields: { Provides: "awk" } },
      { name: "plugin", depends: "awkward (= 1.0)" },
      { name: "vanished" },
    ]);
    const beneath = value(await resolve(await snapshotOf(asJson(repo)), ["plugin", "vanished"]));
    expect(beneath).toHaveLength(3);
    addPackage(repo, { name: "awkward", version: "2.0", fields: { Provides: "awk" } });
    removePackage(repo, "awkward", "1.0");
    removePackage(repo, "vanished");
    addPackage(
      repo,
      { name: "script", depends: "awk, vanished" },
      { name: "strict", depends: "awkward (= 2.0)" },
    );
    const snapshot = await snapshotOf(asJson(repo));
    expect(names(value(await resolve(snapshot, ["script"], beneath)))).toEqual(["script 1.0"]);
    expect(problem(await resolve(snapshot, ["strict"], beneath)).hint).toContain("awkward 1.0, vanished 1.0");
  });

  test("adds what mmdebstrap's variants add, and recommended packages only where asked", async () => {
    const snapshot = await snapshotOf(
      asJson(
        tinyRepo([
          { name: "core", essential: true, depends: "libcore" },
          { name: "libcore" },
          { name: "apt", depends: "libcore" },
          { name: "required", fields: { Priority: "required" } },
          { name: "tool", fields: { Recommends: "nicety" } },
          { name: "nicety" },
        ]),
      ),
    );
    const of = async (options: Json): Promise<string> =>
      value(await resolve(snapshot, ["tool"], [], options))
        .map((pkg) => pkg.name)
        .join(" ");
    expect(await of({})).toBe("tool");
    expect(await of({ variant: "busybox" })).toBe("tool");
    expect(await of({ variant: "essential" })).toBe("core libcore tool");
    expect(await of({ variant: "apt" })).toBe("apt core libcore tool");
    expect(await of({ variant: "minbase" })).toBe("apt core libcore required tool");
    expect(await of({ recommends: true })).toBe("nicety tool");
    expect(problem(await resolve(snapshot, [], [], { variant: "huge" })).exit).toBe(2);
  });
});

describe("a merged /usr", () => {
  const INIT = [
    { name: "init", depends: "usrmerge | usr-is-merged" },
    { name: "usrmerge", depends: "perl" },
    { name: "perl" },
    { name: "core", essential: true },
    { name: "apt" },
  ];

  test("is what mmdebstrap makes, so the program that merges one is not taken, unless it is asked for", async () => {
    const snapshot = await snapshotOf(asJson(tinyRepo([...INIT, { name: "usr-is-merged" }])));
    const made = { variant: "apt" };
    const without = value(await resolve(snapshot, ["init"], [], made));
    expect(names(without)).toEqual(["apt 1.0", "core 1.0", "init 1.0", "usr-is-merged 1.0"]);
    const asked = value(await resolve(snapshot, ["init", "usrmerge"], [], made));
    expect(names(asked)).toContain("usrmerge 1.0");
    expect(names(value(await resolve(snapshot, ["init"])))).toContain("usrmerge 1.0");
  });

  test("is merged by that program in a suite that has no other", async () => {
    const snapshot = await snapshotOf(asJson(tinyRepo(INIT)));
    expect(names(value(await resolve(snapshot, ["init"], [], { variant: "apt" })))).toContain("usrmerge 1.0");
  });
});

describe("snapshot", () => {
  test("has a name without its place, and equal bytes for equal metadata", async () => {
    const repo = tinyRepo(CHAIN);
    expect(driver.repositoryName(asJson(repo))).toBe("apt tiny main");
    const [one, two] = [await snapshotOf(asJson(repo)), await snapshotOf(asJson(repo))];
    execFileSync("diff", ["-r", one.dir, two.dir]);
    expect(readdirSync(join(one.dir, "lists")).every((name) => /Packages$|Release$/.test(name))).toBe(true);
  });

  test("fails on a suite, component or keyring that is not there, in apt's words", async () => {
    const repo = tinyRepo(CHAIN);
    const take = async (changes: Record<string, Json>): Promise<Problem> =>
      problem(
        await driver.snapshot(
          { url: repo.url, suite: "tiny", components: ["main"], ...changes },
          arch,
          newDir("snapshot"),
          context(),
        ),
      );
    expect(await take({ suite: "nosuch" })).toMatchObject({
      exit: 3,
      message: expect.stringContaining("dists/nosuch"),
    });
    expect(await take({ components: ["main", "contrib"] })).toMatchObject({
      exit: 3,
      message: expect.stringContaining("doesn't have the component 'contrib'"),
    });
    expect(await take({ keys: "/nonexistent.gpg" })).toMatchObject({
      exit: 2,
      message: "keys: /nonexistent.gpg does not exist",
    });
    expect(await take({ keys: ["*.nosuch"] })).toMatchObject({
      exit: 2,
      message: "keys: nothing matches *.nosuch",
    });
    expect(await take({ url: "host" })).toMatchObject({
      exit: 3,
      message: expect.stringContaining("the host's apt has no suite tiny"),
    });
    expect((await take({ suite: "" })).exit).toBe(2);
  });

  test("says that it is older than it may be, where this machine's apt does not refuse it", async () => {
    const repo = tinyRepo(CHAIN);
    const release = join(repo.dir, "dists", "tiny", "Release");
    writeFileSync(release, `Valid-Until: Wed, 08 Jan 2020 00:00:00 UTC\n${readFileSync(release, "utf8")}`);
    const told = context();
    const taken = await driver.snapshot(asJson(repo), arch, newDir("snapshot"), told);
    if (taken.ok) expect(told.lines.join("\n")).toContain("it was to be used until Wed, 08 Jan 2020");
    else expect(taken.problem.message).toContain("expired");
  });

  test("stops when it is told to", async () => {
    const stop = new AbortController();
    stop.abort();
    const repo = tinyRepo(CHAIN);
    expect(
      problem(await driver.snapshot(asJson(repo), arch, newDir("snapshot"), context(stop.signal))).message,
    ).toMatch(/stopped/);
  });

  (hasGpg() ? test : test.skip)(
    "takes a repository only with a signature by its key, or from a directory",
    async () => {
      const signed = makeAptRepo(newPlainDir(), CHAIN, { sign: true });
      const other = makeAptRepo(newPlainDir(), CHAIN, { sign: true });
      const unsigned = tinyRepo(CHAIN);
      const take = async (repo: Json): Promise<Result<void>> =>
        driver.snapshot(repo, arch, newDir("snapshot"), context());

      value(await take(asJson(signed)));
      value(
        await take({ ...(asJson(signed) as object), keys: relative(context().base, signed.keyring ?? "") }),
      );
      value(await take({ ...(asJson(signed) as object), keys: [join(signed.dir, "*.gpg")] }));
      const wrongKey = problem(await take({ ...(asJson(signed) as object), keys: other.keyring }));
      expect([wrongKey.exit, wrongKey.message]).toEqual([3, expect.stringMatching(/NO_PUBKEY|not signed/)]);
      await served(unsigned.dir, async (url) => {
        const refused = problem(await take({ url, suite: "tiny" }));
        expect([refused.exit, refused.message]).toEqual([3, expect.stringContaining("is not signed")]);
        const absent = problem(await take({ url, suite: "nosuch" }));
        expect([absent.exit, absent.message]).toEqual([
          3,
          expect.stringContaining("does not have a Release file"),
        ]);
      });
      await served(signed.dir, async (url) => {
        const repo = { url, suite: "tiny", keys: signed.keyring };
        const closure = value(await resolve(await snapshotOf(repo), ["app"]));
        expect(closure.map((pkg) => pkg.location)).toEqual(
          closure.map((pkg) => expect.stringMatching(new RegExp(`^pool/${pkg.name}_`))),
        );
        const dir = newDir("packages");
        value(await driver.fetch(repo, arch, closure, dir, context()));
        expect(readdirSync(dir).sort()).toEqual(closure.map((pkg) => pkg.sha256).sort());
        removePackage(signed, "libone");
        const gone = problem(await driver.fetch(repo, arch, closure, newDir("packages"), context()));
        expect([gone.exit, gone.message]).toEqual([
          3,
          expect.stringMatching(/^the mirror has dropped libone 1\.5 .*404/),
        ]);
      });
    },
  );
});
