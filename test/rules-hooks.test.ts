// step.hook through the real command line: what a script is called with, which files it may see and which make it run
// again, and that its helpers leave nothing behind. With packages it is the tree's own apt and dpkg that run.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setImagefileDirectory } from "../engine/evaluate/place.js";
import { ProblemError } from "../engine/problem.js";
import { rule, run, step } from "../rules/index.js";
import { addPackage, hostArch, makeAptRepo, type AptRepo } from "./support/apt-repo.js";
import { finish, makeProject, type TestProject } from "./support/cli.js";
import { failures, type Said } from "./support/shell-trees.js";
import { expectSettled, makePuppet, noneLeft, type Puppet } from "./support/faults.js";
import { mountsOf } from "./support/sandbox.js";
import { inDir } from "./support/trees.js";
import { tinyApt } from "./support/tiny-apt.js";
import { TINY_DEBIAN, tinyDebian } from "./support/tiny-debian.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const source = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const PRELUDE = `
import { apt, files, list, rule, run, step } from "imagemake";
const made = (cmd: string) => run({ inputs: {}, cmd: 'cd "$OUT"; ' + cmd, tree: true, root: true });
const base = made("mkdir -p etc usr/sbin; echo own >usr/sbin/policy-rc.d");
const on = (...how: Parameters<typeof step.hook>) => rule.platformfs({ from: base, steps: [step.hook(...how)] });
const tell = (tree: ReturnType<typeof on>, out: string) => run({ inputs: { TREE: tree }, root: true, out,
  cmd: 'cd "$TREE"; { find . -mindepth 1 -printf "%P %y%m\\\\n" | sort; grep -rH "" .; } >"$OLDPWD/$OUT"' });
`;

const logs = (project: TestProject): string =>
  project
    .names(".imagemake/logs")
    .map((name) => project.read(`.imagemake/logs/${name}`))
    .join("");

describe("a hook", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts":
        PRELUDE +
        `export const told = tell(on("hooks/first.sh", { env: { GREETING: "hello" }, inputs: { DATA: files("data/*") } }), "told.txt");`,
      // No `#!`: a script for sh. Its quotes, comments and here-documents source nothing.
      "hooks/first.sh": `
set -eu
# . ./comment.sh
. "$(dirname "$0")/lib/one.sh"; if true; then . two.sh; fi
cat >"$1/etc/profile" <<'END'
. /etc/profile.d/all.sh
END
echo '. quoted.sh' "
. quoted.sh" >/dev/null
{ echo "$# $ARCH<$GREETING>"; one; two; three; cat $DATA; find hooks data* -type f | sort; } >"$1/told"
. "$1/etc/profile.d/own"
`,
      "hooks/lib/one.sh": `one() { echo one; }\n`,
      "hooks/two.sh": `two() { echo two; }\nsource_me=yes\n. hooks/three.sh\n`,
      "hooks/three.sh": `three() { echo three; }\n`,
      "hooks/other.sh": "undeclared\n",
      "data/a": "data\n",
      "data.txt": "undeclared\n",
    });
    project.write(
      "Imagefile.ts",
      project
        .read("Imagefile.ts")
        .replace("mkdir -p etc", "mkdir -p etc/profile.d; echo true >etc/profile.d/own; mkdir -p"),
    );
  });
  afterAll(() => project.remove());

  test("is called with the root directory, and sees what is declared and nothing else", async () => {
    await project.good("told");
    const text = project.read("out/told.txt");
    const told = text.split("\n").flatMap((line) => (line.startsWith("./told:") ? [line.slice(7)] : []));
    expect(told).toEqual([
      ...["1 <hello>", "one", "two", "three", "data"],
      ...["data/a", "hooks/first.sh", "hooks/lib/one.sh", "hooks/three.sh", "hooks/two.sh"],
    ]);
    expect(text).toContain("./etc/profile:. /etc/profile.d/all.sh\n");
  });

  test("runs again when it, what it sources, or what that sources is edited, and for nothing else", async () => {
    const built = async (): Promise<readonly string[]> => (await project.events({}, "told")).which("built");
    await project.good("told");
    const all = ["told", "told/tree"];
    project.write("hooks/three.sh", `three() { echo other; }\n`);
    expect(await built()).toEqual(all);
    project.write("hooks/other.sh", "edited\n");
    project.write("data.txt", "edited\n");
    expect(await built()).toEqual([]);
    // Another set of files: the Imagefile is evaluated again, although it did not change.
    project.write("hooks/three.sh", `. "\${0%/*}/four.sh"\nthree() { four; }\n`);
    project.write("hooks/four.sh", `four() { echo four; }\n`);
    expect(await built()).toEqual(all);
    expect(project.read("out/told.txt")).toContain("./told:four\n");
    project.write("hooks/four.sh", `four() { echo five; }\n`);
    expect(await built()).toEqual(all);
    await expectSettled(project, "told");
  });

  test("is said to be missing, or what it sources, before anything is built", async () => {
    rmSync(project.path("hooks/four.sh"));
    const gone = await project.run("told");
    expect(gone.stderr).toContain('hooks/three.sh:1: `. "${0%/*}/four.sh"`: there is no hooks/four.sh');
    expect(gone.status).toBe(2);
    project.write("hooks/four.sh", `four() { echo four; }\n`);
    await project.good("told");
  });
});

test.each<[string, string, string]>([
  ["hooks/none.sh", "", "step.hook: there is no script hooks/none.sh"],
  [
    "hooks/a.sh",
    ". ./lib/b.sh",
    'hooks/a.sh:1: `. ./lib/b.sh`: there is no such file (a path is taken from the Imagefile\'s directory; beside the hook it is "$(dirname "$0")/lib/b.sh"',
  ],
  ["hooks/a.sh", ":\n. /etc/os-release", "hooks/a.sh:2: `. /etc/os-release`: that file is this machine's"],
  ["hooks/a.sh", '. "$(dirname "$0")/lib/bb.sh"', "did you mean hooks/lib/b.sh?"],
  ["hooks/a.sh", '. "$(dirname "$0")/../../b.sh"', "that lies outside of the directory that the hook is in"],
  [
    "hooks/{arch}.sh",
    "",
    "hooks/{arch}.sh: the tree beneath was not made by rootfs, so its architecture is not known",
  ],
])("a mistake in %s (%s) is told", async (script, text, words) => {
  await inDir((dir) => {
    mkdirSync(join(dir, "hooks/lib"), { recursive: true });
    writeFileSync(join(dir, "hooks/a.sh"), text);
    writeFileSync(join(dir, "hooks/lib/b.sh"), "");
    setImagefileDirectory(dir);
    try {
      const from = rule.unpack(run({ inputs: {}, cmd: ":", out: "x.tar" }));
      expect(told(() => rule.platformfs({ from, steps: [step.hook(script)] }))).toContain(words);
    } finally {
      setImagefileDirectory(null);
    }
  });
});

test("a hook from outside of the project keeps its place out of the key, and brings what lies beside it", async () => {
  await inDir(async (dir) => {
    const imagefile = (place: string): string =>
      `${PRELUDE}export const out = tell(on(${JSON.stringify(place)}), "out.txt");`;
    for (const [path, text] of [
      ["project/Imagefile.ts", imagefile("../shared/hook.sh")],
      ["shared/hook.sh", '. lib.sh\n. "$(dirname "$0")/more/lib.sh"\n{ one; more; } >"$1/told"\n'],
      ["shared/lib.sh", "one() { echo one; }\n"],
      ["shared/more/lib.sh", "more() { echo more; }\n"],
    ] as const) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    const project = makeProject({}, { dir: join(dir, "project"), under: [] });
    await project.good("out");
    expect(project.read("out/out.txt")).toContain("./told:one\n./told:more\n");
    renameSync(join(dir, "shared"), join(dir, "moved"));
    project.write("Imagefile.ts", imagefile(join(dir, "moved/hook.sh")));
    expect((await project.events({}, "out")).which("built")).toEqual([]);
    writeFileSync(join(dir, "moved/more/lib.sh"), "more() { echo edited; }\n");
    expect((await project.events({}, "out")).which("built")).toEqual(["out", "out/tree"]);
  });
});

test("what is taken out after a hook is the tree's, wherever its links lead, and never this machine's", async () => {
  await inDir(async (dir) => {
    const host = join(dir, "host");
    // What is a log, a cache or a lock in a tree, by name.
    const names = ["dpkg.log", "shadow-", "lists.one", "pacman.log", "random-seed", "lock"];
    mkdirSync(host);
    for (const name of names) writeFileSync(join(host, name), "root:x:99999:\n");
    const links = [
      "var/log",
      "etc",
      "var/lib/apt/lists",
      "var/cache/debconf",
      "var/lib/dpkg",
      "var/lib/systemd",
    ];
    const made = links.map((path) => `mkdir -p $(dirname ${path}); ln -s ${host} ${path}`).join("; ");
    const project = makeProject(
      {
        "Imagefile.ts": `${PRELUDE}const bare = made("mkdir in");
export const told = tell(rule.platformfs({ from: bare, steps: [step.hook("hook.sh"), step.hook("more.sh")] }), "told.txt");`,
        "hook.sh": `cd "$1"; ${made}; mkdir -p in/log; ln -s /in/log var/cache/ldconfig; echo >in/log/aux-cache; echo kept >in/kept\n`,
        "more.sh": 'echo >"$1/in/log/aux-cache"\n',
      },
      { dir: join(dir, "project"), under: [] },
    );
    await project.good("told");
    expect(readdirSync(host).sort()).toEqual([...names].sort());
    expect(readFileSync(join(host, "shadow-"), "utf8")).toBe("root:x:99999:\n");
    // A link within the tree is followed in it.
    expect(project.read("out/told.txt")).not.toContain("aux-cache");
  });
});

test("a repository in a directory that is not there is named, and what directories are relative to", async () => {
  const project = makeProject({
    "Imagefile.ts": `import { apt, rule } from "imagemake";
export const base = rule.rootfs({ repo: apt({ url: "repo", suite: "tiny" }), arch: "${hostArch()}" as "amd64", packages: ["one"] });`,
  });
  const { status, stderr } = await project.run("base");
  project.remove();
  expect(stderr).toContain(`the repository ${project.path("repo")} does not exist`);
  expect(stderr).toContain("a directory is relative to the Imagefile");
  expect(status).toBe(3);
});

/** What a wrong Imagefile is told. */
function told(call: () => unknown): string {
  try {
    call();
  } catch (thrown) {
    if (!(thrown instanceof ProblemError)) throw thrown;
    const { exit, message, hint } = thrown.problem;
    return `${exit} ${message}${hint === undefined ? "" : ` (${hint})`}`;
  }
  return "no problem";
}

describe("what helpers did", () => {
  const ASTRAY = `imagemake-astray-${process.pid}`;
  const UNDONE = ["hook: undone: disable_daemons", "hook: undone: mount_proc"];
  const ALL = `. "$HOOKLIB"\nexport_env\nmount_proc\ndisable_daemons\n[ -d "$1/proc/self" ] && [ -c "$1/dev/null" ] && sh "$1/usr/sbin/policy-rc.d" && exit 9\n`;
  let puppet: Puppet;
  let project: TestProject;
  let said: Said;
  beforeAll(async () => {
    puppet = makePuppet();
    project = makeProject({
      "Imagefile.ts": `${PRELUDE}
export const forgotten = tell(on("hooks/forgets.sh"), "forgotten.txt");
export const undone = tell(on("hooks/undoes.sh"), "undone.txt");
export const waiting = tell(on("hooks/waits.sh"), "waiting.txt");
export const astray = tell(on("hooks/astray.sh"), "astray.txt");
export const wrong = { fails: on("hooks/fails.sh"), dies: on("hooks/dies.sh"), apt: on("hooks/apt.sh"), packages: on("hooks/packages.sh"), dos: on("hooks/dos.sh") };
`,
      "hooks/forgets.sh": `#!/bin/bash\n${ALL}trap - EXIT\necho "$DEBIAN_FRONTEND" >"$1/etc/env"\necho noise >"$1/tmp/noise"\n`,
      "hooks/undoes.sh": `set -eu\ntrap cleanup 0\n. "$HOOKLIB"\nmount_proc; mount_proc; disable_daemons\nremove_daemon_block; remove_daemon_block\n! mountpoint -q "$1/none"\nmountpoint -q "$1/proc"; cleanup; [ ! -e "$1/proc" ]; cat "$1/usr/sbin/policy-rc.d" >"$1/etc/own"\n`,
      "hooks/fails.sh": `${ALL}exit 7\n`,
      "hooks/dies.sh": `${ALL}kill -KILL $$\n`,
      "hooks/apt.sh": `. "$HOOKLIB"\nprepare_apt_source http://127.0.0.1/ suite\n`,
      "hooks/packages.sh": `mkdir "$1/etc/apt"; . "$HOOKLIB"\nprepare_apt_source\n`,
      "hooks/astray.sh": `for to in /usr/local /etc /root /var/lib /var/tmp /run /tmp; do
    (: >"$to/${ASTRAY}") 2>/dev/null && echo "$to" >>"$1/etc/written"
done
[ ! -e /run/lock ] || exit 9
`,
      "hooks/dos.sh": "#!/bin/sh\r\necho hi\r\n",
      "hooks/waits.sh": `${ALL}${puppet.cmd}echo done >"$1/etc/done"\n`,
    });
    said = await failures(project, "wrong");
  });
  afterAll(() => {
    puppet.close();
    project.remove();
  });

  test("is undone when the hook forgets it, and what was there before is back", async () => {
    await project.good("forgotten", "undone");
    const text = project.read("out/forgotten.txt");
    expect(text.split("\n").filter((line) => /^\S+ [dfl]\d+$/.test(line))).toEqual([
      ...["etc d755", "etc/env f644", "usr d755", "usr/sbin d755", "usr/sbin/policy-rc.d f644"],
    ]);
    expect(text).toContain("./etc/env:noninteractive\n./usr/sbin/policy-rc.d:own\n");
    expect(project.read("out/undone.txt")).toContain("./etc/own:own\n");
  });

  test("is undone, the last first, when the hook fails, by itself or by a signal, and nothing is published", async () => {
    expect(said.get("wrong-fails")?.split("\n")).toEqual([...UNDONE, "hooks/fails.sh ended with status 7"]);
    expect(said.get("wrong-dies")).toContain([...UNDONE, "hooks/dies.sh ended with status 137"].join("\n"));
    expect(said.get("wrong-dos")).toContain("hooks/dos.sh has line ends of DOS (CRLF)");
    const again = await project.events({}, "wrong-fails");
    expect(again.which("failed")).toEqual(["wrong-fails"]);
  });

  test("a mount of its own that it left is taken away, and nothing is deleted where that came from", async () => {
    const precious = mkdtempSync(join(tmpdir(), "hook precious-"));
    for (const file of ["tmp/gold", "archives/own.deb"]) {
      mkdirSync(dirname(join(precious, file)), { recursive: true });
      writeFileSync(join(precious, file), "gold");
    }
    const mounting = makeProject({
      "Imagefile.ts": `${PRELUDE}
const full = made("mkdir -p etc srv/a tmp var/cache/apt/archives proc sys dev; chmod 1777 tmp; chmod 555 proc; chmod 750 srv; echo under >srv/under; mkdir 'o p t'");
export const left = tell(rule.platformfs({ from: full, steps: [step.hook("hooks/mounts.sh", { env: { PRECIOUS: "${precious}" } })] }), "left.txt");
`,
      "hooks/mounts.sh": `set -eu
mount --bind "$PRECIOUS/tmp" "$1/tmp"
mount --bind "$PRECIOUS/archives" "$1/var/cache/apt/archives"
mount -t tmpfs -o mode=700 hidden "$1/srv/a"; mount -t tmpfs -o mode=700 over "$1/srv"; mount --bind "$PRECIOUS" "$1/o p t"
mount -t proc proc "$1/proc"; mount -t proc proc "$1/proc"; mount --rbind /sys "$1/sys"; mount --rbind /dev "$1/dev"
echo new >"$1/etc/new"; echo lost >"$1/srv/lost"
`,
    });
    await mounting.good("left");
    expect(mounting.read("out/left.txt").split("\n")).toEqual(
      expect.arrayContaining([
        "tmp d1777",
        "proc d555",
        "srv d750",
        "srv/under f644",
        "o p t d755",
        "etc/new f644",
      ]),
    );
    expect(mounting.read("out/left.txt")).not.toContain("lost");
    expect(readFileSync(join(precious, "tmp/gold"), "utf8")).toBe("gold");
    expect(readFileSync(join(precious, "archives/own.deb"), "utf8")).toBe("gold");
    expect(logs(mounting)).toContain("unmounted, which a script left: var/cache/apt/archives\n");
    mounting.remove();
    rmSync(precious, { recursive: true });
  });

  test("nothing is done to this machine by a script that was written for use within a chroot", async () => {
    const places = ["/usr/local", "/etc", "/root", "/var/lib", "/var/tmp", "/run", "/tmp"].map((dir) =>
      join(dir, ASTRAY),
    );
    try {
      await project.good("astray");
      expect(project.read("out/astray.txt")).toMatch(
        /^\.\/etc\/written:\/var\/tmp\n\.\/etc\/written:\/run\n\.\/etc\/written:\/tmp$/m,
      );
      expect(places.filter((path) => existsSync(path))).toEqual([`/tmp/${ASTRAY}`]);
    } finally {
      for (const path of places) rmSync(path, { force: true });
    }
  });

  test("is said where it cannot be done", () => {
    expect(said.get("wrong-apt")).toContain("prepare_apt_source: there is no apt in the tree (etc/apt)");
    expect(said.get("wrong-packages")).toContain(
      "without arguments it is for the step's packages, and it has none",
    );
  });

  test("is undone when imagemake is told to end, and is gone when it is killed", async () => {
    for (const [signal, runs] of [
      ["SIGTERM", 1],
      ["SIGKILL", 2],
    ] as const) {
      const child = project.start({}, "waiting");
      await puppet.started(runs, child);
      child.kill(signal);
      await finish(child);
      await noneLeft(project);
      expect(mountsOf(project.dir)).toEqual([]);
      expect(project.exists("out/waiting.txt")).toBe(false);
      if (signal === "SIGTERM")
        expect(logs(project)).toContain(`${UNDONE.join("\n")}\nhooks/waits.sh ended with status 143`);
    }
    puppet.release();
    await project.good("waiting");
    expect(project.read("out/waiting.txt")).toContain("./etc/done:done\n./usr/sbin/policy-rc.d:own\n");
    await expectSettled(project, "waiting");
  });
});

describe("a hook that installs packages", () => {
  const service = {
    depends: "libservice",
    postinst: [
      "#!/bin/sh -e",
      'test -x /usr/sbin/policy-rc.d && ! /usr/sbin/policy-rc.d service start && test "$TMPDIR" = /tmp',
      'echo "$DEBIAN_FRONTEND" >/var/lib/said; date >/var/log/dpkg.log',
    ].join("\n"),
  };
  const named = (name: string) => ({ ...service, name, files: { [`/usr/bin/${name}`]: "#!/bin/sh\n" } });
  const libservice = { name: "libservice", files: { "/usr/lib/libservice": "1\n" } };
  let dir: string;
  let repo: AptRepo;
  let mirror: AptRepo;
  let project: TestProject;

  /** Blocks of a language in the page for those who write hooks. */
  const blocks = (language: string): readonly string[] =>
    [...source("docs/hooks.md").matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
      (match) => match[1] ?? "",
    );

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "imagemake-hooks-"));
    repo = makeAptRepo(join(dir, "repo"), [
      ...[...tinyDebian(), tinyApt(), libservice],
      ...["task-ssh-server", "less", "nano"].map(named),
    ]);
    mirror = makeAptRepo(join(dir, "mirror"), [
      { name: "unpinned", files: { "/usr/bin/unpinned": "#!/bin/sh\n" } },
    ]);
    const [example = "", library = ""] = blocks("sh");
    project = makeProject({
      "Imagefile.ts": `${PRELUDE}
const repo = apt({ url: ${JSON.stringify(`../${basename(dir)}/repo`)}, suite: "tiny", inImage: "https://mirror.example.org/debian" });
const rootfs = rule.rootfs({ repo, arch: "${hostArch()}" as "amd64", variant: "busybox", packages: ${JSON.stringify([...TINY_DEBIAN, "apt"])}, steps: [step.overlay("overlay")] });
const with_ = (hook: ReturnType<typeof step.hook>) => rule.platformfs({ from: rootfs, steps: [hook] });
const show = (hook: ReturnType<typeof step.hook>, out: string) => run({ inputs: { TREE: with_(hook) }, root: true, out,
  cmd: 'cd "$TREE"; { find etc usr/sbin var run tmp root -printf "%P %y%m\\\\n" | sort; grep -rH "" etc var/lib/said var/lib/dpkg/status; } >"$OLDPWD/$OUT" || [ $? = 2 ]' });
export const documented = show(${blocks("ts")[0]?.trim().replace(/;$/, "") ?? ""}, "documented.txt");
export const live = show(step.hook("hooks/examples/live.sh", { packages: list("packages.list"), env: { PACKAGES: "less nano" } }), "live.txt");
export const again = show(step.hook("hooks/examples/live.sh", { packages: list("packages.list"), env: { PACKAGES: "less nano", AGAIN: "yes" } }), "again.txt");
export const network = show(step.hook("hooks/examples/network.sh", { network: true, env: { MIRROR: ${JSON.stringify(`[trusted=yes] ${mirror.url}`)}, SUITE: "tiny", PACKAGES: "unpinned" } }), "network.txt");
export const updated = show(step.hook("hooks/updates.sh", { packages: ["less"], env: { MIRROR: ${JSON.stringify(mirror.dir)} } }), "updated.txt");
export const words = show(step.hook("hooks/words.sh", { env: { MIRROR: ${JSON.stringify(mirror.dir)} } }), "words.txt");
export const byArch = show(step.hook("hooks/{arch}.sh"), "arch.txt");
export const wrong = { offline: with_(step.hook("hooks/offline.sh")) };
`,
      "overlay/etc/apt/sources.list.d/more.list": "# another one\n",
      "overlay/etc/resolv.conf": "nameserver 192.0.2.1\n",
      "packages.list": "less\nnano\n",
      "hooks/live.sh": example,
      "hooks/lib/site.sh": library,
      "hooks/examples/live.sh": source("fixtures/hooks/live.sh"),
      "hooks/examples/lib/motd.sh": source("fixtures/hooks/lib/motd.sh"),
      "hooks/examples/network.sh": source("fixtures/hooks/network.sh"),
      [`hooks/${hostArch()}.sh`]: `. "\${0%/*}/lib/$ARCH.sh"\n. "$HOOKLIB"\nreplace_apt_source https://other.example.org/debian tiny main contrib\n`,
      [`hooks/lib/${hostArch()}.sh`]: `echo "$ARCH" >"$1/etc/arch"\n`,
      "hooks/updates.sh": `set -eu
. "$HOOKLIB"
mount_proc
mkdir "$1/run/mirror"; mount --bind "$MIRROR" "$1/run/mirror"
echo "deb [trusted=yes] file:/run/mirror tiny main" >"$1/etc/apt/sources.list"
chroot "$1" apt-get update
ls "$1/var/lib/apt/lists" | grep Packages
cp "$REPO"/less_*.deb "$1/var/cache/apt/archives"
mkdir -p "$1/var/cache/xbps/one" "$1/var/cache/dnf" "$1/var/log/apt" "$1/var/db/xbps/https___example_org" "$1/var/lib/pacman/sync"
for file in cache/xbps/one/package cache/dnf/more log/pacman.log log/dnf.rpm.log db/xbps/https___example_org/x86_64-repodata; do echo >"$1/var/$file"; done
echo changed >"$1/var/cache/xbps/changed"
ln -s / "$1/var/lib/pacman/sync/root"
`,
      "hooks/words.sh": `set -eu
. "$HOOKLIB"
prepare_apt_source '[arch=${hostArch()}' trusted=yes] "$MIRROR" tiny
chroot "$1" apt-get install unpinned
replace_apt_source '[trusted=yes]' https://other.example.org/debian tiny
! prepare_apt_source '[trusted=yes]' "$MIRROR"
! prepare_apt_source '[trusted=yes' "$MIRROR" tiny
`,
      "overlay/var/cache/xbps/kept": "somebody's own\n",
      "overlay/var/cache/xbps/changed": "by the hook\n",
      "hooks/offline.sh": `. "$HOOKLIB"\nprepare_apt_source http://mirror.example.org/debian tiny\n`,
    });
  });
  afterAll(() => {
    project.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  /** What the tree must not hold, whatever the hook did. */
  const LEFTOVERS =
    /policy-rc|resolv\.conf\.|imagemake|apt\/lists\/.|cache\/apt\/.|\.log |-old |^(?:run|tmp)\/./;

  test.each<[string, string, string]>([
    ["as the page for hooks has it", "documented", "task-ssh-server"],
    ["as the example has it, from a list", "live", "nano"],
  ])("has the step's pinned packages, %s, and leaves nothing behind", async (_, target, name) => {
    await project.good(target);
    const text = project.read(`out/${target}.txt`);
    expect(text).toContain(`Package: ${name}\n`);
    expect(text).toContain("Package: libservice\n");
    expect(text).toContain("var/lib/said:noninteractive\n");
    expect(text).toContain("etc/apt/sources.list:deb https://mirror.example.org/debian tiny main\n");
    expect(text).toContain("etc/apt/sources.list.d/more.list:# another one\n");
    expect(text).toContain("etc/resolv.conf:nameserver 192.0.2.1\n");
    const names = text.split("\n").filter((line) => / [a-ce-z]\d{3,4}$/.test(line));
    expect(names.filter((line) => LEFTOVERS.test(line))).toEqual([]);
    const log = logs(project);
    expect(log).toContain(`Setting up ${name} (1.0)`);
    expect(log.split("\n").filter((line) => /\d%|\r|\[#+/.test(line))).toEqual([]);
  });

  test("makes the same when it runs again, and runs for new packages alone", async () => {
    await project.good("live", "again");
    expect(project.read("out/again.txt")).toBe(project.read("out/live.txt"));
    addPackage(repo, { ...named("nano"), version: "2.0" });
    await project.good("release", "refresh");
    const after = await project.events({}, "live");
    expect(after.which("built")).toEqual(["live", "live/tree"]);
    expect(project.read("out/live.txt")).toContain("Version: 2.0\n");
  });

  test("may take them from a mirror, and the image keeps its own source", async () => {
    await project.good("network");
    const text = project.read("out/network.txt");
    expect(text).toContain("Package: unpinned\n");
    expect(text).toContain("etc/apt/sources.list:deb https://mirror.example.org/debian tiny main\n");
    expect(text).toContain("etc/resolv.conf:nameserver 192.0.2.1\n");
    expect(text).not.toContain(mirror.dir);
  });

  test("leaves neither lists nor packages nor logs of its own that package tools fetched and wrote", async () => {
    await project.good("updated");
    const text = project.read("out/updated.txt");
    const names = text
      .split("\n")
      .filter((line) => /^(?:cache|db\/xbps|log|lib\/(?:apt|pacman))\/\S+ [a-ce-z]\d+$/.test(line));
    // The second is of the tree beneath: which of its packages apt may remove.
    expect(names).toEqual(["cache/xbps/kept f644", "lib/apt/extended_states f644"]);
    expect(text).not.toMatch(/^(?:cache\/xbps\/one|db\/xbps\/https___example_org) d/m);
    expect(text).toMatch(/^lib\/apt\/lists\/partial d/m);
  });

  test("may give options of a source as words of their own, and is told what a source lacks", async () => {
    await project.good("words");
    const text = project.read("out/words.txt");
    expect(text).toContain("Package: unpinned\n");
    expect(text).toContain(
      "etc/apt/sources.list:deb [trusted=yes] https://other.example.org/debian tiny main\n",
    );
    const log = logs(project);
    expect(log).toMatch(/hook: prepare_apt_source: a suite is missing after \/\S*mirror\n/);
    expect(log).toContain("hook: prepare_apt_source: a ] is missing in [trusted=yes ");
  });

  test("needs to say that it wants the network", async () => {
    const said = await failures(project, "wrong");
    expect(said.get("wrong-offline")).toContain(
      "prepare_apt_source: http://mirror.example.org/debian needs network: true",
    );
  });

  test("may be another script for each architecture, and gives the image another source", async () => {
    await project.good("by-arch");
    const text = project.read("out/arch.txt");
    expect(text).toContain(`etc/arch:${hostArch()}\n`);
    expect(text).toContain("etc/apt/sources.list:deb https://other.example.org/debian tiny main contrib\n");
  });
});
