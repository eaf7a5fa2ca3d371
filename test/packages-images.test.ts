// What is in an image made from packages: nothing of where, when or as whom it was built. The same root filesystem
// is built in several places, on several days, as root and as an ordinary user.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BuildEvent } from "../engine/events.js";
import { BUILT, hostArch, type TinyPackage } from "./support/apt-repo.js";
import { atTime, finish } from "./support/cli.js";
import {
  LISTS,
  makePackageProject,
  makeTinyRepo,
  type PackageProject,
  shown,
  wrongModes,
} from "./support/packages.js";
import { TINY_DEBIAN } from "./support/tiny-debian.js";
import { asStranger, asUser, makeTrial, PROJECT, USER } from "./support/sandbox.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

/** Built ten days after everything else; it writes down what it sees when it is installed. */
const WITNESS: TinyPackage = {
  name: "witness",
  built: BUILT + 864_000,
  postinst: `#!/bin/sh
wc -l </proc/net/route >/etc/witness-routes
echo "$SOURCE_DATE_EPOCH" >/etc/witness-epoch
env >/etc/witness-env
`,
};

/** The same for the first tree, which is made in another way. */
const EARLY: TinyPackage = {
  name: "early",
  postinst: "#!/bin/sh\nenv >/etc/early-env\ncat /etc/hostname /etc/resolv.conf >/etc/early-host\n",
};

/** Has directories that the tree `bare` has none of when it is installed there. */
const PLACES: TinyPackage = {
  name: "places",
  files: { "/tmp/": "", "/proc/": "" },
  modes: { "/tmp": 0o1777 },
};

/** Has what a person reads, beside what runs. */
const WORDS: readonly string[] = [
  "/usr/share/doc/words/README",
  "/usr/share/doc/words/copyright",
  "/usr/share/locale/de/LC_MESSAGES/words.mo",
  "/usr/share/man/man1/words.1",
];
const READ: TinyPackage = { name: "words", files: Object.fromEntries(WORDS.map((path) => [path, "words"])) };

/** What an overlay puts where package tools and running systems have their own. */
const PUT: readonly string[] = [
  "etc/passwd-",
  "run/x/put",
  "tmp/x/put",
  "var/log/apt/put.log",
  "var/log/dpkg.log",
];

const IMAGEFILE = (url: string): string => `
import { apt, list, rule, run, step } from "imagemake";
const repo = apt({ url: ${JSON.stringify(url)}, suite: "tiny" });
export const rootfs = rule.rootfs({ repo, arch: "${hostArch()}", variant: "busybox", packages: list("rootfs.list"), out: "rootfs-{date}.tar.xz" });
export const platform = rule.platformfs({ from: rootfs, packages: ["app", "witness"] });
export const facts = run({ inputs: { BASE: rootfs.tree, TREE: platform }, out: "facts.txt", cmd: \`
  newest() { find "$1" -printf '%T@\\\\n' | sort -n | tail -n 1 | cut -d. -f1; }
  { newest "$BASE"; newest "$TREE"; echo "$SOURCE_DATE_EPOCH"; cat "$TREE/etc/witness-epoch"; } > "$OUT"
  cat "$TREE/etc/witness-routes" >> "$OUT"
  dpkg-query --admindir="$TREE/var/lib/dpkg" -W -f '\\\${Package} \\\${Version} \\\${Status}\\\\n' >> "$OUT"
\` });
export const seen = run({ inputs: { TREE: platform }, out: "seen.txt", cmd: \`
  cd "$TREE/etc"; stat -c '%a %n' early-host >"$OLDPWD/$OUT"; grep -H "" early-host early-env witness-env >>"$OLDPWD/$OUT"
\` });
const words = (name, part) => run({ inputs: { TREE: part }, out: name, cmd: 'cd "$TREE" && find usr/share/*/words usr/share/locale usr/share/man -type f | sort > "$OLDPWD/$OUT"' });
const lean = apt({ url: ${JSON.stringify(url)}, suite: "tiny", without: ["/usr/share/doc/*", "!usr/share/doc/*/copyright", "usr/share/man/*"] });
const of = (repo, packages) => rule.rootfs({ repo, arch: "${hostArch()}", variant: "busybox", packages: [list("rootfs.list"), ...packages] });
export const read = {
  first: words("first.txt", of(repo, ["words"])), later: words("later.txt", rule.platformfs({ from: rootfs, packages: ["words"] })),
  lean: words("lean.txt", of(lean, ["words"])), leaner: words("leaner.txt", rule.platformfs({ from: of(lean, []), packages: ["words"] })),
};
const put = rule.platformfs({ from: rootfs, steps: [step.overlay("put"), step.install(["witness"])] });
export const stays = run({ inputs: { TREE: put }, out: "stays.txt", cmd: 'cd "$TREE" && find tmp run var/log etc/passwd- -type f | sort > "$OLDPWD/$OUT"' });
const bare = rule.platformfs({ from: rootfs, steps: [step.remove(["tmp", "run", "proc"]), step.install(["places"])] });
export const shorn = run({ inputs: { BARE: bare }, out: "bare.txt", cmd: \`
  find "$BARE" -maxdepth 1 -mindepth 1 -type d -printf '%m %P\\n' | sort > "$OUT"
\` });
`;

const makeImages = (): PackageProject => {
  const repo = makeTinyRepo([WITNESS, PLACES, EARLY, READ]);
  const lists = { ...LISTS, "rootfs.list": `${LISTS["rootfs.list"] ?? ""}early\n` };
  return makePackageProject(repo, {
    "Imagefile.ts": IMAGEFILE(repo.url),
    ...lists,
    ...Object.fromEntries(PUT.map((path) => [`put/${path}`, "put\n"])),
  });
};

const lines = (text: string): readonly string[] => text.trimEnd().split("\n");

/** What the user owns outside of the store and the stage, both of which are the builder's. */
const foreign = (dir: string, uid: number): readonly string[] =>
  readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => !/^\.imagemake\/(?:store|stage)\/./.test(name))
    .filter((name) => lstatSync(`${dir}/${name}`).uid !== uid)
    .sort();

describe("the same image, built anew in another place", () => {
  const projects: PackageProject[] = [];
  const trial = makeTrial();
  let first: PackageProject;
  beforeAll(async () => {
    projects.push((first = makeImages()));
    await first.good("facts", "rootfs", "shorn", "seen");
  });
  afterAll(() => {
    for (const project of projects) project.remove();
    rmSync(trial.dir, { recursive: true, force: true });
  });

  const trees = (project: PackageProject): Promise<readonly unknown[]> =>
    Promise.all([shown(project, "rootfs.tree"), shown(project, "platform")]);
  const packed = (project: PackageProject): string => {
    const [name = ""] = project.names("out").filter((one) => one.endsWith(".tar.xz"));
    return execFileSync("sha256sum", [project.path("out", name)], { encoding: "utf8" }).slice(0, 64);
  };

  test("on another day is the same tree, and the same bytes when it is packed", async () => {
    const project = makeImages();
    projects.push(project);
    const told = await project.events({ under: atTime("2031-02-03T04:05:06Z") }, "facts", "rootfs");
    expect([told.stderr, told.status]).toEqual(["", 0]);
    expect(project.names("out")).toContain("rootfs-20310203.tar.xz");
    expect(await trees(project)).toEqual(await trees(first));
    expect(packed(project)).toBe(packed(first));
    expect(project.read("out/facts.txt")).toBe(first.read("out/facts.txt"));
  });

  const can = existsSync("/usr/bin/newuidmap") && userNamespaces();
  (can ? test : test.skip)(
    `by an ordinary user is the same${can ? "" : " (skipped: no user namespaces with newuidmap here)"}`,
    async () => {
      const project = makeImages();
      projects.push(project);
      execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
      const told = await project.events({ under: asUser(trial, "all") }, "facts");
      expect([told.stderr, told.status]).toEqual(["", 0]);
      expect(await trees(project)).toEqual(await trees(first));
      expect(project.read("out/facts.txt")).toBe(first.read("out/facts.txt"));
    },
  );

  /** Whether the kernel lets an ordinary user have user namespaces with several ids. */
  function userNamespaces(): boolean {
    const [program = "", ...words] = asUser(trial, "all");
    return spawnSync(program, [...words, "unshare", "--map-auto", "--map-root-user", "true"]).status === 0;
  }

  test("has every mode that its packages say, beneath what was mounted over too", () => {
    const dir = mkdtempSync(join(tmpdir(), "imagemake-modes-"));
    const [name = ""] = first.names("out").filter((one) => one.endsWith(".tar.xz"));
    execFileSync("tar", ["-xpf", first.path("out", name), "-C", dir]);
    const pool = join(first.repo.dir, "pool");
    const wrong = wrongModes(
      dir,
      readdirSync(pool).map((file) => join(pool, file)),
    );
    rmSync(dir, { recursive: true });
    expect(wrong).toEqual([]);
    // Packages on a tree that had no /tmp, /proc and /run: two come from a package, the third was for the mounts alone.
    const dirs = first.read("out/bare.txt").split("\n");
    expect(dirs).toEqual(expect.arrayContaining(["1777 tmp", "755 proc"]));
    expect(dirs).not.toContain("755 run");
  });

  test("has all that packages have, but for what the Imagefile leaves out", async () => {
    await first.good("read-all");
    const all = WORDS.map((path) => path.slice(1));
    const some = all.filter((path) => !/README|man1/.test(path));
    const seen = ["first", "later", "lean", "leaner"].map((name) => lines(first.read(`out/${name}.txt`)));
    expect(seen).toEqual([all, all, some, some]);
  });

  test("keeps what was put where package tools and running systems have their own", async () => {
    await first.good("stays");
    expect(lines(first.read("out/stays.txt"))).toEqual([...PUT]);
  });

  test("is dated by the newest of its packages", async () => {
    const [base, platform] = [await shown(first, "rootfs.tree"), await shown(first, "platform")];
    expect([base.epoch, platform.epoch]).toEqual([BUILT, BUILT + 864_000]);
    const lines = first.read("out/facts.txt").split("\n");
    expect(lines.slice(0, 4).map(Number)).toEqual([BUILT, ...Array<number>(3).fill(BUILT + 864_000)]);
  });

  test("was installed without network, and holds the closure and nothing else", () => {
    const lines = first.read("out/facts.txt").trimEnd().split("\n").slice(4);
    expect(lines).toEqual([
      // The heading of the kernel's table, and no route.
      "1",
      ..."app base-files base-passwd busybox-static debianutils dpkg early libc-bin libc6 libone tar witness"
        .split(" ")
        .map((name) => `${name} 1.0 install ok installed`),
    ]);
  });

  test("shows packages' scripts nothing of this machine and of the build, in the first tree and above", () => {
    const lines = first.read("out/seen.txt").trimEnd().split("\n");
    expect(lines.filter((line) => line.includes("early-host"))).toEqual([
      "644 early-host",
      "early-host:localhost",
    ]);
    const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
    const SHARED = `DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes DEBIAN_FRONTEND=noninteractive
      HOME=/root INITRD=No LC_ALL=C.UTF-8 PYTHONHASHSEED=0 TZ=UTC`.split(/\s+/);
    // What dpkg and the shell say themselves is left out.
    const environment = (name: string): readonly string[] =>
      lines
        .filter((line) => line.startsWith(`${name}-env:`))
        .map((line) => line.slice(`${name}-env:`.length))
        .filter((line) => !/^(?:DPKG_\w*|PWD|OLDPWD|SHLVL|_)=/.test(line))
        .sort();
    const more = {
      // mmdebstrap adds apt's path and the other two.
      early: [
        `PATH=/usr/local/sbin:/usr/local/bin:${PATH}:${PATH}`,
        "LANG=C.UTF-8",
        "LANGUAGE=C.UTF-8",
        `SOURCE_DATE_EPOCH=${String(BUILT)}`,
      ],
      witness: [`PATH=${PATH}`, "TMPDIR=/tmp", `SOURCE_DATE_EPOCH=${String(BUILT + 864_000)}`],
    };
    expect(environment("early")).toEqual([...SHARED, ...more.early].sort());
    expect(environment("witness")).toEqual([...SHARED, ...more.witness].sort());
  });

  test("holds no trace of the repository, the stage or the project", () => {
    const words = [first.dir, first.repo.dir, ".imagemake", "run/repo", "in/REPO", "copy:/", "file:/"];
    const found = spawnSync("grep", ["-rlaF", ...words.flatMap((word) => ["-e", word]), "."], {
      cwd: first.path(".imagemake/store/layers"),
      encoding: "utf8",
    });
    expect([found.status, found.stdout]).toEqual([1, ""]);
  });
});

describe("under sudo", () => {
  const sudo = { env: { SUDO_UID: String(USER), SUDO_GID: String(USER) } };
  let project: PackageProject;
  beforeAll(() => {
    project = makeImages();
    execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
  });
  afterAll(() => project.remove());

  /** Kills the engine, and it alone, at the first event that `when` says yes to. */
  async function killedAt(when: (event: BuildEvent) => boolean): Promise<void> {
    const child = project.start(sudo, "--progress", "json", "facts");
    const { stdout } = child;
    if (stdout === null) throw new Error("no standard output");
    const lines = createInterface({ input: stdout });
    lines.on("line", (line) => {
      if (when(JSON.parse(line) as BuildEvent)) child.kill("SIGKILL");
    });
    await finish(child);
    expect(child.signalCode).toBe("SIGKILL");
  }

  test("what a killed build leaves belongs to the user", async () => {
    await killedAt((event) => event.type === "phase" && event.phase === "snapshot");
    expect(foreign(project.dir, USER)).toEqual([]);
    await killedAt((event) => event.type === "started");
    expect(foreign(project.dir, USER)).toEqual([]);
    await killedAt((event) => event.type === "built" && event.target === "platform");
    expect(foreign(project.dir, USER)).toEqual([]);
  });

  test("what a build, a release and a look make belongs to the user, and he can go on with it", async () => {
    expect((await project.call(sudo, "release", "start")).status).toBe(0);
    const told = await project.events(sudo, "facts");
    expect([told.stderr, told.status]).toEqual(["", 0]);
    expect((await project.call(sudo, "why", "facts")).status).toBe(0);
    expect(project.names("releases")).toHaveLength(1);
    expect(project.names("out")).toEqual(["facts.txt"]);
    expect(foreign(project.dir, USER)).toEqual([]);
    const looked = await project.call({ under: asStranger() }, "why", "facts");
    expect([looked.status, looked.stdout]).toEqual([0, expect.stringContaining("facts: ")]);
  });
});

test("variant busybox without what it is made of names what has to be added", async () => {
  const project = makeImages();
  try {
    project.write("rootfs.list", "busybox-static\ndpkg\n");
    const { status, stderr } = await project.run("rootfs");
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(
        /variant busybox is made of packages that have to be named: add base-files base-passwd debianutils\n/,
      ),
    ]);
  } finally {
    project.remove();
  }
});

const on64 = hostArch() === "amd64" ? test : test.skip;
on64("packages and hooks of an image of 32 bits see a machine of 32 bits", async () => {
  const tells = (name: string): TinyPackage => ({ name, postinst: `#!/bin/sh\nuname -m >/etc/${name}\n` });
  // Its programs are this machine's: what they are told of it is the kernel's doing.
  const repo = makeTinyRepo([tells("first"), tells("above")], { arch: "i386" });
  const project = makePackageProject(repo, {
    "Imagefile.ts": `
import { apt, rule, run, step } from "imagemake";
const repo = apt({ url: ${JSON.stringify(repo.url)}, suite: "tiny" });
const rootfs = rule.rootfs({ repo, arch: "i386", variant: "busybox", packages: ${JSON.stringify([...TINY_DEBIAN, "first"])} });
const tree = rule.platformfs({ from: rootfs, packages: ["above"], steps: [step.hook("hook.sh")] });
export const told = run({ inputs: { T: tree }, out: "told.txt", cmd: 'cd "$T/etc"; cat first above hook >"$OLDPWD/$OUT"' });
`,
    "hook.sh": `uname -m >"$1/etc/hook"\n`,
  });
  try {
    await project.good("told");
    expect(project.read("out/told.txt")).toBe("i686\ni686\ni686\n");
  } finally {
    project.remove();
  }
});

describe("what apt in an image takes for installed by hand", () => {
  const MARKS: readonly TinyPackage[] = [
    { name: "apt", files: { "/var/lib/apt/": "" } },
    { name: "round-a", depends: "round-b" },
    { name: "round-b", depends: "round-a" },
    { name: "reader", depends: `vital (>= 0.5),\n pager | less (>= 1) | app, libone:${hostArch()}` },
    { name: "vital", fields: { Priority: "important" } },
    { name: "page", fields: { Provides: "pager (= 1)" } },
  ];
  const IMAGES = (url: string): string => `
import { apt, list, rule, run } from "imagemake";
const repo = apt({ url: ${JSON.stringify(url)}, suite: "tiny" });
const rootfs = (packages: string[]) => rule.rootfs({ repo, arch: "${hostArch()}", variant: "busybox", packages });
const SYSTEM = ${JSON.stringify(TINY_DEBIAN)};
export const first = rootfs([...SYSTEM, "apt", "app", "round-b", "reader", "page"]);
export const above = rule.platformfs({ from: rootfs([...SYSTEM, "apt", "app", "round-b"]), packages: list("above.list") });
export const bare = rootfs([...SYSTEM, "app"]);
export const marks = run({ inputs: { FIRST: first, ABOVE: above, BARE: bare }, out: "marks.txt", cmd: \`
  for TREE in "$FIRST" "$ABOVE"; do
    stat -c '%a %U' "$TREE/var/lib/apt/extended_states"; cut -d: -f2 "$TREE/var/lib/apt/extended_states" | paste -sd ' '
    apt-mark -o Dir::State::status="$PWD/$TREE/var/lib/dpkg/status" -o APT::Architecture=${hostArch()} \\
      -o Dir::State::extended_states="$PWD/$TREE/var/lib/apt/extended_states" -o Dir::Cache="$TMPDIR" showmanual | paste -sd ' '
  done >"$OUT"
  [ ! -e "$BARE/var/lib/apt" ]
\` });
`;
  let project: PackageProject;
  beforeAll(() => {
    const repo = makeTinyRepo(MARKS);
    const files = { "Imagefile.ts": IMAGES(repo.url), "above.list": "reader\npage\nvim\n" };
    project = makePackageProject(repo, files);
  });
  afterAll(() => project.remove());

  test("is what nothing else needs, and the base: in a first tree, and in layers, which leave the others' marks", async () => {
    await project.good("marks");
    const marked = (names: string): string =>
      names
        .split(" ")
        .map((name) => ` ${name}  ${hostArch()}  1 `)
        .join(" ");
    const lines = project.read("out/marks.txt").trimEnd().split("\n");
    expect(lines.map((line) => line.trimEnd())).toEqual([
      "644 root",
      marked("app busybox-static libc-bin libc6 libone page round-b tar").trimEnd(),
      "apt base-files base-passwd debianutils dpkg reader round-a vital",
      "644 root",
      marked("busybox-static libc-bin libc6 libone round-b tar page").trimEnd(),
      "app apt base-files base-passwd debianutils dpkg reader round-a vim vital",
    ]);
  });

  test("is found however long a chain of packages is, and a circle has one", () => {
    const dir = mkdtempSync(join(tmpdir(), "imagemake-chain-"));
    try {
      mkdirSync(join(dir, "repo"));
      const chain = Array.from({ length: 5000 }, (_, at) => `Package: p${at}\nDepends: p${at + 1}\n\n`);
      const circle = ["Package: q1\nDepends: q2\n\n", "Package: q2\nDepends: q1\n\n"];
      writeFileSync(join(dir, "repo/Packages"), [...chain, ...circle].join(""));
      const recipe = join(PROJECT, "rules/recipes/apt.sh");
      const { stdout, stderr } = spawnSync("sh", ["-ec", `. "$0"; asked_for`, recipe], {
        cwd: dir,
        encoding: "utf8",
      });
      expect([stdout, stderr]).toEqual(["p0\nq1\n", ""]);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test("does not depend on how the list is written", async () => {
    project.write("above.list", "reader\nvital\npage\nvim\n");
    const { stderr } = await project.good("marks");
    expect(stderr).toContain("nothing to do");
  });
});
