// The apt driver's work with package files: fetched, indexed and dated; and once all of it from the host's own mirror.
import { afterAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Package, SnapshotAt } from "../engine/packages/driver.js";
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
  sha256,
  snapshotOf,
  tinyRepo,
  value,
} from "./support/apt-driver.js";
import { BUILT, poolFile, removePackage, type AptRepo } from "./support/apt-repo.js";
import { TINY_DEBIAN, tinyDebian } from "./support/tiny-debian.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);
afterAll(cleanUp);

test("a repository that says that it is another suite is taken with a warning: its keys sign more than one", async () => {
  const repo = tinyRepo(CHAIN);
  const release = join(repo.dir, "dists", repo.suite, "Release");
  writeFileSync(release, readFileSync(release, "utf8").replace(/^(Suite|Codename): .*$/gm, "$1: other"));
  const said: string[] = [];
  const warn = (message: string): void => void said.push(message);
  value(await driver.snapshot(asJson(repo), arch, newDir("snapshot"), { ...context(), warn }));
  expect(said).toEqual([expect.stringMatching(/says that it is another suite.*expected tiny but got other/)]);
});

describe("fetch", () => {
  async function resolved(
    want: string,
  ): Promise<{ repo: AptRepo; snapshot: SnapshotAt; packages: readonly Package[]; dir: string }> {
    const repo = tinyRepo(CHAIN);
    const snapshot = await snapshotOf(asJson(repo));
    return { repo, snapshot, packages: value(await resolve(snapshot, [want])), dir: newDir("packages") };
  }

  test("names what the mirror has dropped, says `release refresh`, and keeps the rest", async () => {
    const { repo, snapshot, packages, dir } = await resolved("app");
    removePackage(repo, "libtwo");
    const { exit, message, hint } = problem(
      await driver.fetch(snapshot.repo, arch, packages, dir, context()),
    );
    expect(exit).toBe(3);
    expect(message).toContain("dropped libtwo 1.0 (all)");
    expect(hint).toContain("release refresh");
    expect(readdirSync(dir)).toHaveLength(2);
  });

  test("refuses a file that is not what the snapshot promised", async () => {
    const { repo, snapshot, packages, dir } = await resolved("libone");
    const file = poolFile(repo, "libone", "1.5");
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = 1;
    writeFileSync(file, bytes);
    const { exit, message } = problem(await driver.fetch(snapshot.repo, arch, packages, dir, context()));
    expect([exit, message]).toEqual([3, expect.stringMatching(/libone 1\.5 .*Hash Sum mismatch/)]);
    expect(existsSync(join(dir, packages[0]?.sha256 ?? ""))).toBe(false);
    truncateSync(file, 100);
    expect(problem(await driver.fetch(snapshot.repo, arch, packages, dir, context())).message).toContain(
      "libone 1.5",
    );
    expect(existsSync(join(dir, packages[0]?.sha256 ?? ""))).toBe(false);
  });

  test("believes no file by its name, and uses what a broken run left", async () => {
    const { repo, snapshot, packages, dir } = await resolved("app");
    const [whole, damaged, partial] = packages.map((pkg) => pkg.sha256);
    const pool = packages.map((pkg) => poolFile(repo, pkg.name, pkg.version, pkg.arch));
    copyFileSync(pool[0] ?? "", join(dir, whole ?? ""));
    writeFileSync(join(dir, damaged ?? ""), "not a package");
    writeFileSync(join(dir, `${partial ?? ""}.part`), readFileSync(pool[2] ?? "").subarray(0, 1000));
    const watched = context();
    value(await driver.fetch(snapshot.repo, arch, packages, dir, watched));
    expect(readdirSync(dir).sort()).toEqual([whole, damaged, partial].sort());
    for (const pkg of packages) expect(sha256(join(dir, pkg.sha256))).toBe(pkg.sha256);
    expect(watched.lines).toEqual([
      expect.stringContaining("1 of 2: libone 1.5"),
      expect.stringContaining("2 of 2: libtwo 1.0"),
    ]);
    const again = context();
    value(await driver.fetch(snapshot.repo, arch, packages, dir, again));
    expect(again.lines).toEqual([]);
  });
});

describe("index", () => {
  /** Fetches and indexes a closure, as the engine does for an action. */
  async function indexed(repo: AptRepo, want: readonly string[]): Promise<string> {
    const snapshot = await snapshotOf(asJson(repo));
    const packages = value(await resolve(snapshot, want));
    const [files, dir] = [newDir("packages"), newDir("index")];
    value(await driver.fetch(snapshot.repo, arch, packages, files, context()));
    for (const pkg of packages) copyFileSync(join(files, pkg.sha256), join(dir, driver.fileName(pkg)));
    value(await driver.index(packages, dir, arch, context()));
    return dir;
  }

  test("is a repository that apt installs from, and depends on the files alone", async () => {
    const repo = tinyRepo(CHAIN);
    const dir = await indexed(repo, ["app"]);
    const again = await indexed(repo, ["app"]);
    expect(readdirSync(dir)).toContain(`app_2%3a1.0~rc1-1_${arch}.deb`);
    execFileSync("diff", ["-r", dir, again]);
    for (const scheme of ["copy", "file"]) {
      const url = `${scheme}:${dir.replace(/ /g, "%20")}`;
      const snapshot = await snapshotOf({ url, suite: "./" });
      expect(names(value(await resolve(snapshot, ["app"])))).toEqual([
        "app 2:1.0~rc1-1",
        "libone 1.5",
        "libtwo 1.0",
      ]);
    }
  });

  test("names a file that is no package", async () => {
    const dir = newDir("index");
    const pkg = { name: "bad", version: "1", arch, sha256: "", size: 0, location: "" };
    writeFileSync(join(dir, driver.fileName(pkg)), "nothing");
    expect(problem(await driver.index([pkg], dir, arch, context())).message).toContain(`bad_1_${arch}.deb`);
  });

  test("is enough for mmdebstrap to bootstrap a tiny Debian", async () => {
    const repo = tinyRepo(tinyDebian());
    const dir = await indexed(repo, TINY_DEBIAN);
    const root = join(newPlainDir(), "root");
    const source = `deb [trusted=yes] copy:${dir.replace(/ /g, "%20")} ./`;
    const options = [
      "--mode=root",
      "--format=directory",
      "--variant=custom",
      `--include=${TINY_DEBIAN.join(" ")}`,
    ];
    const hooks = "--hook-dir=/usr/share/mmdebstrap/hooks/busybox";
    const apt = `--aptopt=APT::Sandbox::User "root"`;
    execFileSync("setsid", ["--wait", "mmdebstrap", ...options, hooks, apt, "tiny", root, source], {
      stdio: "ignore",
    });
    const said = execFileSync("chroot", [root, "/bin/sh", "-c", "dpkg-query -W; cat /etc/os-release"], {
      encoding: "utf8",
    });
    expect(said).toContain("busybox-static\t1.0");
    expect(said).toContain("ID=tiny");
  });
});

test("buildDate is the newest time in a package's ar headers", async () => {
  const repo = tinyRepo([{ name: "dated" }, { name: "later", built: BUILT + 86_400 }]);
  expect(await driver.buildDate(poolFile(repo, "dated"))).toBe(BUILT);
  expect(await driver.buildDate(poolFile(repo, "later"))).toBe(BUILT + 86_400);
  await expect(driver.buildDate(join(repo.dir, "dists/tiny/Release"))).rejects.toThrow(
    "not a Debian package",
  );
});

test.each(["amd64", "arm64"])("Debian's own archive, from the host's mirror, resolves for %s", async (of) => {
  const snapshot = await snapshotOf({ url: "host", suite: "bookworm", components: ["main"], keys: null }, of);
  const mini = value(await resolve(snapshot, TINY_DEBIAN, [], { variant: "busybox" }));
  expect(mini.map((pkg) => pkg.name)).toEqual(expect.arrayContaining([...TINY_DEBIAN, "libc6", "tar"]));
  expect(mini.every((pkg) => [of, "all"].includes(pkg.arch) && /^[0-9a-f]{64}$/.test(pkg.sha256))).toBe(true);
  const essential = value(await resolve(snapshot, [], [], { variant: "essential" }));
  expect(essential.map((pkg) => pkg.name)).toEqual(expect.arrayContaining(["bash", "dpkg", "perl-base"]));
  expect(essential.map((pkg) => pkg.name)).not.toContain("apt");
  const more = value(await resolve(snapshot, ["apt", "bash"], essential));
  expect(more.map((pkg) => pkg.name)).toContain("apt");
  expect(more.some((pkg) => essential.some((held) => held.name === pkg.name))).toBe(false);
});
