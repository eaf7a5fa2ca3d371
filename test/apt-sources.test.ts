// Several sources of one repository, through the apt driver: which of them gives a package, whose keys verify what, and that
// closures are those of mmdebstrap. Repositories have the traits of Debian's.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "../engine/model.js";
import type { SnapshotAt } from "../engine/packages/driver.js";
import { driver } from "../rules/drivers/apt.js";
import {
  arch,
  cleanUp,
  context,
  names,
  newDir,
  newPlainDir,
  origins,
  problem,
  resolve,
  served,
  sha256,
  snapshotOf,
  tinyRepo,
  value,
} from "./support/apt-driver.js";
import { hasGpg, makeAptRepo, poolFile, type AptRepo, type TinyPackage } from "./support/apt-repo.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);
afterAll(cleanUp);

/** What backports have in their Release file: nothing is taken from there unless it is asked for. */
const BACKPORTS = { NotAutomatic: "yes", ButAutomaticUpgrades: "yes" };

/** An older and a newer version of one package beside each other. */
const STABLE: readonly TinyPackage[] = [
  { name: "tool", depends: "libtool-one" },
  { name: "libtool-one", version: "1.0" },
  { name: "libtool-one", version: "1.1" },
  { name: "desk", depends: "libdesk (>= 1)" },
  { name: "libdesk" },
  { name: "leaf" },
];

describe.each(hasGpg() ? ["signed"] : [])("four suites, %s", () => {
  let dir: string;
  let suites: readonly AptRepo[];
  let security: AptRepo;
  let repo: Readonly<Record<string, Json>>;
  let snapshot: SnapshotAt;
  const tasks = tinyRepo([
    { name: "one", fields: { Task: "server" } },
    { name: "two", fields: { Task: "server, other" } },
    { name: "task-desk", fields: { Recommends: "one" } },
  ]);

  beforeAll(async () => {
    dir = newPlainDir();
    const suite = (name: string, packages: readonly TinyPackage[], release = {}): AptRepo =>
      makeAptRepo(dir, packages, { suite: name, pool: `pool/${name}`, sign: true, release });
    const later = new Date(Date.now() + 7 * 86_400_000).toUTCString().replace("GMT", "UTC");
    suites = [
      suite("tiny", STABLE, { "Acquire-By-Hash": "yes" }),
      suite("tiny-updates", [{ name: "leaf", version: "1.2", fields: { "Phased-Update-Percentage": "0" } }], {
        "Valid-Until": later,
      }),
      suite(
        "tiny-backports",
        [
          { name: "desk", version: "3.0~bpo1", depends: "libdesk (>= 3)" },
          { name: "libdesk", version: "3.0~bpo1" },
          { name: "leaf", version: "9.0~bpo1" },
        ],
        BACKPORTS,
      ),
    ];
    security = makeAptRepo(newPlainDir(), [{ name: "libtool-one", version: "1.1+sec1" }], {
      suite: "tiny-security",
      sign: true,
    });
    repo = {
      url: suites[0]?.url ?? "",
      suite: "tiny",
      keys: suites[0]?.keyring ?? "",
      more: [
        {
          name: "tiny-updates",
          url: suites[1]?.url ?? "",
          suite: "tiny-updates",
          keys: suites[1]?.keyring ?? "",
        },
        { name: "security", url: security.url, suite: "tiny-security", keys: security.keyring },
        { name: "bpo", url: suites[2]?.url ?? "", suite: "tiny-backports", keys: suites[2]?.keyring ?? "" },
      ],
    };
    snapshot = await snapshotOf(repo);
  });

  test("each gives what is the newest; a backport only what is asked of it, and what that needs", async () => {
    expect(driver.repositoryName(repo)).toBe("apt tiny main + tiny-updates + security + bpo");
    expect(origins(value(await resolve(snapshot, ["tool", "desk", "leaf"])))).toEqual([
      "desk 1.0 tiny",
      "leaf 1.2 tiny-updates",
      "libdesk 1.0 tiny",
      "libtool-one 1.1+sec1 security",
      "tool 1.0 tiny",
    ]);
    expect(origins(value(await resolve(snapshot, ["desk/tiny-backports", "leaf"])))).toEqual([
      "desk 3.0~bpo1 bpo",
      "leaf 1.2 tiny-updates",
      "libdesk 3.0~bpo1 bpo",
    ]);
  });

  test("a task is all that says it is of it, and what these recommend where that is asked for", async () => {
    const at = await snapshotOf({ url: tasks.url, suite: "tiny" });
    const of = async (want: string, recommends: boolean): Promise<string[]> =>
      names(value(await resolve(at, [want], [], { recommends })));
    expect(await of("server^", false)).toEqual(["one 1.0", "two 1.0"]);
    expect(await of("task-desk", true)).toEqual(["one 1.0", "task-desk 1.0"]);
    expect(problem(await resolve(at, ["desktop^"])).message).toContain("desktop");
  });

  test("pins are apt's own preferences", async () => {
    const pins = "Package: leaf\nPin: release n=tiny-backports\nPin-Priority: 990\n";
    const of = async (text: string): Promise<string[]> =>
      origins(value(await resolve(snapshot, ["leaf"], [], {}, { options: { pins: text }, files: [] })));
    expect(await of(pins)).toEqual(["leaf 9.0~bpo1 bpo"]);
    expect(await of("Package: *\nPin: release n=tiny-updates\nPin-Priority: -1\n")).toEqual([
      "leaf 1.0 tiny",
    ]);
  });

  test("files are fetched from the source that has them, wherever its suites lie now", async () => {
    const packages = value(await resolve(snapshot, ["tool", "desk/tiny-backports"]));
    const into = newDir("packages");
    value(await driver.fetch(repo, arch, packages, into, context()));
    expect(readdirSync(into).sort()).toEqual(packages.map((pkg) => pkg.sha256).sort());
    const less = { ...repo, more: [] };
    const lost = problem(await driver.fetch(less, arch, packages, newDir("packages"), context()));
    expect(lost.message).toMatch(/no place for desk 3\.0~bpo1/);
  });

  test("one for other architectures is none of the sources", async () => {
    const [updates, ...rest] = repo["more"] as readonly Readonly<Record<string, Json>>[];
    const other = { ...repo, more: [{ ...updates, architectures: ["s390x"] }, ...rest] };
    expect(origins(value(await resolve(await snapshotOf(other), ["leaf"])))).toEqual(["leaf 1.0 tiny"]);
  });

  test("one that another source's key signed is refused, by its name", async () => {
    const more = (repo["more"] as readonly Readonly<Record<string, Json>>[]).map((one) =>
      one["name"] === "security" ? { ...one, keys: repo["keys"] ?? "" } : one,
    );
    const { exit, message } = problem(
      await driver.snapshot({ ...repo, more }, arch, newDir("snapshot"), context()),
    );
    expect([exit, message]).toEqual([
      3,
      expect.stringMatching(/^cannot read tiny-security main of apt tiny main .*NO_PUBKEY/s),
    ]);
  });

  test("one that is out of date is refused, or said to be", async () => {
    const old = makeAptRepo(newPlainDir(), [{ name: "x" }], {
      suite: "old",
      release: { "Valid-Until": "Wed, 08 Jan 2020 00:00:00 UTC" },
    });
    const told = context();
    const more = [{ name: "old", url: old.url, suite: "old" }];
    const taken = await driver.snapshot({ ...repo, more }, arch, newDir("snapshot"), told);
    if (taken.ok) expect(told.lines.join("\n")).toContain("it was to be used until Wed, 08 Jan 2020");
    else expect(taken.problem.message).toMatch(/old main of apt tiny main .*expired/);
  });

  test("indexes are asked for by their hashes over http", async () => {
    await served(dir, async (url) => {
      const more = [{ name: "tiny-updates", url, suite: "tiny-updates", keys: repo["keys"] ?? "" }];
      const taken = await snapshotOf({ ...repo, url, more });
      expect(origins(value(await resolve(taken, ["leaf", "libdesk"])))).toEqual([
        "leaf 1.2 tiny-updates",
        "libdesk 1.0 tiny",
      ]);
    });
  });
});

describe("package files of the user's own", () => {
  test("are taken before all else, counted by their content, and hold on a tree", async () => {
    const repo = tinyRepo([...STABLE, { name: "shared", version: "5.0" }]);
    const own = makeAptRepo(newPlainDir(), [
      { name: "shared", version: "2.0", depends: "libdesk" },
      { name: "mine", depends: "shared (<< 3), libtool-one", fields: { Provides: "theirs" } },
      { name: "foreign", arch: "s390x" },
    ]);
    const files = ["shared_2.0", "mine_1.0"].map((name) => {
      const path = join(own.dir, "pool", `${name}_${arch}.deb`);
      return { path, name: `debs/${name}.deb`, sha256: sha256(path) };
    });
    const foreign = poolFile(own, "foreign", "1.0", "s390x");
    files.push({ path: foreign, name: "debs/foreign.deb", sha256: sha256(foreign) });
    const beside = { options: { pins: "" }, files };
    const snapshot = await snapshotOf({ url: repo.url, suite: repo.suite });
    const found = value(await resolve(snapshot, ["mine"], [], {}, beside));
    expect(origins(found)).toEqual(["libdesk 1.0", "libtool-one 1.1", "mine 1.0 local", "shared 2.0 local"]);
    expect(found.find(({ name }) => name === "mine")?.location).toBe("debs/mine_1.0.deb");
    const more = value(await resolve(snapshot, ["leaf", "mine"], found, {}, beside));
    expect(names(more)).toEqual(["leaf 1.0"]);
    expect(problem(await resolve(snapshot, ["mien"], [], {}, beside)).hint).toContain("mine");
    const broken = join(newPlainDir(), "broken.deb");
    writeFileSync(broken, "no package");
    const wrong = { options: {}, files: [{ path: broken, name: "broken.deb", sha256: sha256(broken) }] };
    expect(problem(await resolve(snapshot, ["leaf"], [], {}, wrong)).message).toContain(
      "broken.deb is not a package that dpkg can read",
    );
  });
});

describe("variants", () => {
  const SYSTEM: readonly TinyPackage[] = [
    { name: "core", essential: true, depends: "libcore", fields: { Priority: "required" } },
    { name: "libcore", fields: { Priority: "optional" } },
    { name: "apt", depends: "libcore", fields: { Priority: "required" } },
    { name: "login", fields: { Priority: "required", Recommends: "nicety" } },
    { name: "vim-tiny", depends: "libvim", fields: { Priority: "important" } },
    { name: "libvim", fields: { Priority: "optional" } },
    { name: "man-db", fields: { Priority: "standard" } },
    { name: "build-essential", depends: "make", fields: { Priority: "optional" } },
    { name: "make", fields: { Priority: "optional" } },
    { name: "nicety", fields: { Priority: "optional" } },
    { name: "wanted", fields: { Priority: "optional", Recommends: "nicety" } },
  ];

  test("are what mmdebstrap itself would install, also of several sources", async () => {
    const dir = newPlainDir();
    const main = makeAptRepo(dir, SYSTEM);
    const updates = makeAptRepo(
      dir,
      [
        { name: "login", version: "1.1", fields: { Priority: "required" } },
        { name: "late", fields: { Priority: "important" } },
      ],
      { suite: "tiny-updates", pool: "pool-updates" },
    );
    const more = [{ name: "tiny-updates", url: updates.url, suite: "tiny-updates" }];
    const snapshot = await snapshotOf({ url: main.url, suite: "tiny", more });
    const lines = [main, updates].map(({ suite }) => `deb [trusted=yes] copy:${dir} ${suite} main`);
    for (const variant of ["minbase", "buildd", "important", "standard"]) {
      const simulated = spawnSync(
        "mmdebstrap",
        [
          ...["--simulate", "--verbose", `--architectures=${arch}`, `--variant=${variant}`],
          ...["--include=wanted", "tiny", "/dev/null", ...lines],
        ],
        { encoding: "utf8" },
      );
      expect([simulated.status, simulated.stderr]).toEqual([0, expect.stringContaining("success")]);
      const { stderr } = simulated;
      const theirs = [...stderr.matchAll(/^Inst (\S+) \((\S+) /gm)].map(
        ([, name, version]) => `${name ?? ""} ${version ?? ""}`,
      );
      const ours = names(value(await resolve(snapshot, ["wanted"], [], { variant })));
      expect([variant, ours]).toEqual([variant, [...new Set(theirs)].sort()]);
    }
  });
});
