// Steps that change a tree without running any of its programs (services, graft, dconf), through the real command line, and
// what holds for all of them. Users are in rules-users.test.ts, hooks in rules-hooks.test.ts.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";
import { DEBIAN, failures, PRELUDE, type Said } from "./support/shell-trees.js";
import { asUser, makeTrial, USER } from "./support/sandbox.js";

const projects: TestProject[] = [];
afterAll(() => projects.forEach((project) => project.remove()));
const project = (imagefile: string, files: Readonly<Record<string, string>> = {}): TestProject => {
  const one = makeProject({ "Imagefile.ts": PRELUDE + imagefile, ...files });
  projects.push(one);
  return one;
};
describe("step.services", () => {
  /** A tree of systemd's as `systemctl --root` takes it. */
  const UNITS = `
mkdir -p sbin etc usr/lib/systemd/system/reset.service.d; echo systemd >usr/lib/systemd/systemd; chmod 755 usr/lib/systemd/systemd
ln -s ../usr/lib/systemd/systemd sbin/init; cd usr/lib/systemd/system
printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\nRequiredBy=net.target\\nAlias=other.service\\nAlso=b.socket missing.service\\n' >a.service
printf '[Socket]\\nListenStream=1\\n[Install]\\nWantedBy=sockets.target\\n' >b.socket
printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=getty.target x@%%i.service \\\\\\n  y-%%p.target\\nDefaultInstance=tty1\\nAlias=al@.service\\n' >g@.service
printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' >t@.service
printf '[Service]\\nExecStart=/bin/true\\n' >static.service
printf '[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=a.target\\nWantedBy=\\n# no\\nWantedBy=b.target\\n' >reset.service
printf '[Install]\\nWantedBy=drop.target\\n' >reset.service.d/x.conf
ln -s reset.service alias.service; ln -s /dev/null masked.service; cp t@.service held.service
mkdir -p ../../../../etc/systemd/system/multi-user.target.wants; cd ../../../../etc/systemd/system; ln -s /dev/null held.service
ln -s /usr/lib/systemd/system/held.service multi-user.target.wants/held.service`;
  const NAMES = ["a", "g@", "g@tty7", "alias.service"];
  const DISABLED = ["a", "g@tty7", "static", "held", "masked"];
  const imagefile = `
const runit = made("mkdir -p etc/sv/dbus etc/sv/NetworkManager etc/runit/runsvdir/default; ln -s /etc/sv/dbus etc/runit/runsvdir/default/dbus");
const systemd = made(${JSON.stringify(UNITS)});
const on = (tree: typeof runit, names: string[]) => rule.platformfs({ from: tree, steps: [step.services(names)] });
export const void_ = tell(on(runit, ["dbus", "NetworkManager"]), "etc", "void.txt");
export const units = run({ inputs: { TREE: on(systemd, ${JSON.stringify(NAMES)}) }, root: true, out: "units.tar", cmd: 'tar -C "$TREE" -cf "$OUT" .' });
const off = (tree: typeof runit, ...disable: string[]) => rule.platformfs({ from: tree, steps: [step.services([], { disable })] });
export const void_off = tell(off(on(runit, ["dbus", "NetworkManager"]), "dbus", "absent"), "etc", "void-off.txt");
export const fewer = run({ inputs: { TREE: off(on(systemd, ${JSON.stringify(NAMES)}), ...${JSON.stringify(DISABLED)}) }, root: true, out: "fewer.tar", cmd: 'tar -C "$TREE" -cf "$OUT" .' });
export const plain = run({ inputs: { TREE: systemd }, root: true, out: "plain.tar", cmd: 'tar -C "$TREE" -cf "$OUT" .' });
export const wrong = {
  runit: on(runit, ["dbus", "networkmanager"]),
  unit: on(systemd, ["rest"]),
  static: on(systemd, ["static"]),
  masked: on(systemd, ["masked"]),
  template: on(systemd, ["t@"]),
  init: on(made("mkdir -p etc/init.d"), ["dbus"]),
};
`;
  let here: TestProject;
  let said: Said;
  beforeAll(async () => {
    here = project(imagefile);
    said = await failures(here, "wrong");
  });

  test("links what runit is to run", async () => {
    await here.good("void_");
    const links = here
      .read("out/void.txt")
      .split("\n")
      .filter((line) => line.includes("default/"));
    expect(links).toEqual([
      "etc/runit/runsvdir/default/NetworkManager l777 0:0 /etc/sv/NetworkManager",
      "etc/runit/runsvdir/default/dbus l777 0:0 /etc/sv/dbus",
    ]);
  });

  test("links no more what runit is not to run", async () => {
    await here.good("void_off");
    const links = here
      .read("out/void-off.txt")
      .split("\n")
      .filter((line) => line.includes("default/"));
    expect(links).toEqual(["etc/runit/runsvdir/default/NetworkManager l777 0:0 /etc/sv/NetworkManager"]);
  });

  /** The links in etc/systemd of a tree that was packed. */
  const linksIn = (name: string): string[] => {
    const dir = here.path(`unpacked-${name}`);
    mkdirSync(dir, { recursive: true });
    execFileSync("tar", ["-C", dir, "-xf", here.path("out", `${name}.tar`)]);
    return linksOf(dir);
  };
  const linksOf = (dir: string): string[] => {
    const own = join(dir, "etc/systemd/system");
    if (!existsSync(own)) return [];
    const entries = readdirSync(own, { recursive: true, withFileTypes: true });
    return entries
      .flatMap((entry) => {
        const path = join(entry.parentPath, entry.name);
        return entry.isSymbolicLink() ? [`${path.slice(own.length + 1)} -> ${readlinkSync(path)}`] : [];
      })
      .sort();
  };
  /** A masked unit stays as it is. */
  const HELD = [
    "held.service -> /dev/null",
    "multi-user.target.wants/held.service -> /usr/lib/systemd/system/held.service",
  ];
  const LINKS = [
    ...HELD,
    "al@.service -> /usr/lib/systemd/system/g@.service",
    "al@tty7.service -> /usr/lib/systemd/system/g@.service",
    "b.target.wants/reset.service -> /usr/lib/systemd/system/reset.service",
    "drop.target.wants/reset.service -> /usr/lib/systemd/system/reset.service",
    "getty.target.wants/g@tty1.service -> /usr/lib/systemd/system/g@.service",
    "getty.target.wants/g@tty7.service -> /usr/lib/systemd/system/g@.service",
    "multi-user.target.wants/a.service -> /usr/lib/systemd/system/a.service",
    "net.target.requires/a.service -> /usr/lib/systemd/system/a.service",
    "other.service -> /usr/lib/systemd/system/a.service",
    "sockets.target.wants/b.socket -> /usr/lib/systemd/system/b.socket",
    "x@tty1.service.wants/g@tty1.service -> /usr/lib/systemd/system/g@.service",
    "x@tty7.service.wants/g@tty7.service -> /usr/lib/systemd/system/g@.service",
    "y-g.target.wants/g@tty1.service -> /usr/lib/systemd/system/g@.service",
    "y-g.target.wants/g@tty7.service -> /usr/lib/systemd/system/g@.service",
  ].sort();

  test("links a unit as its [Install] section says: templates, aliases, what comes along, drop-ins", async () => {
    await here.good("units");
    expect(linksIn("units")).toEqual(LINKS);
  });

  (existsSync("/usr/bin/systemctl") ? test : test.skip)("does what systemctl --root does", async () => {
    await here.good("plain");
    const before = here.path("unpacked-plain");
    expect(linksIn("plain")).toEqual(HELD);
    const dir = here.path("by-systemctl");
    cpSync(before, dir, { recursive: true, verbatimSymlinks: true });
    for (const name of NAMES)
      execFileSync("systemctl", [`--root=${dir}`, "enable", name], { stdio: "ignore" });
    expect(linksOf(dir)).toEqual(LINKS);
    await here.good("fewer");
    for (const name of DISABLED)
      execFileSync("systemctl", [`--root=${dir}`, "disable", name], { stdio: "ignore" });
    expect(linksIn("fewer")).toEqual(linksOf(dir));
    expect(linksOf(dir).length).toBeLessThan(LINKS.length);
  });

  test.each<[string, string]>([
    [
      "runit",
      "the tree does not have the service networkmanager (etc/sv/networkmanager) (did you mean NetworkManager?)",
    ],
    ["unit", "the tree does not have the unit rest.service (did you mean reset.service?)"],
    ["static", "static.service has no [Install] section (usr/lib/systemd/system/static.service)"],
    ["masked", "masked.service is masked (usr/lib/systemd/system/masked.service leads to /dev/null)"],
    [
      "template",
      "t@.service is a template without a DefaultInstance=: say which one is wanted, such as t@NAME.service",
    ],
    ["init", "the tree starts neither with systemd"],
  ])("says what is wrong: %s", (which, words) => {
    expect(said.get(`wrong-${which}`)).toContain(words);
  });
});

describe("step.graft", () => {
  const STORE = `
mkdir -p store/a bin; chmod 750 .; chown 5:6 .
echo one >store/a/one; ln store/a/one store/two; chown 12:34 store/a/one; ln -s /nix/store/a link; cp /bin/true bin/true; chmod 4711 bin/true
setfattr -n user.test -v yes store/a; setcap cap_net_raw+ep bin/true; mkfifo pipe; touch -d @1000000000 store/a; mkdir -m 1777 sticky`;
  const imagefile = `
const store = rule.platformfs({ from: made(${JSON.stringify(STORE)}), steps: [step.write("store/three", "3\\n")] });
const base = made("mkdir -p full/x empty; ln -s full link; ln -s /outside escape");
const on = (at: string) => rule.platformfs({ from: base, steps: [step.graft(store, at)] });
export const whole = run({ inputs: { STORE: store, ABSENT: on("/nix/deep"), EMPTY: on("empty"), ESCAPE: on("escape/nix") }, root: true, out: "whole.txt", cmd: \`
  tell() { (cd "$1"; find . -type d -printf "%P %y%m %U:%G %T@\\\\n" -o -printf "%P %y%m %U:%G %n %s %T@ %l\\\\n" | sort; getfattr -hR -d -m - . ; stat -c %i store/a/one store/two | uniq | wc -l); }
  tell "$STORE" >a; tell "$ABSENT/nix/deep" >b; tell "$EMPTY/empty" >c; tell "$ESCAPE/outside/nix" >d
  cmp a b; cmp a c; cmp a d; cp a "$OUT"\` });
export const wrong = { full: on("full"), link: on("link") };
`;
  let here: TestProject;
  let said: Said;
  beforeAll(async () => {
    here = project(imagefile);
    said = await failures(here, "wrong");
  });

  test("is the other tree at that place: owners, modes, times, attributes, capabilities, links", async () => {
    await here.good("whole");
    const text = here.read("out/whole.txt");
    expect(text).toMatch(/^ d750 5:6 /m);
    expect(text).toMatch(/^bin\/true f4711 0:0 1 /m);
    expect(text).toMatch(/^store\/two f644 12:34 2 /m);
    expect(text).toContain('user.test="yes"');
    expect(text).toContain("security.capability=");
    expect(text.trimEnd().split("\n").at(-1)).toBe("1");
  });

  test.each<[string, string]>([
    ["full", "full is not empty, so nothing is grafted there; it holds x"],
    ["link", "link is a symbolic link to full: name the directory itself"],
  ])("refuses a place that is taken: %s", (which, words) => {
    expect(said.get(`wrong-${which}`)).toContain(words);
  });
});

describe("step.dconf", () => {
  const imagefile = `
import { keymap } from "imagemake";
const km = keymap("ch-fr_nodeadkeys");
const base = made("mkdir etc");
const dark = { "org/gnome/desktop/interface": { "color-scheme": "'prefer-dark'" } };
const local = step.dconf("local", {
  "/org/gnome/desktop/input-sources/": { sources: \`[('xkb', '\${km.xkb}')]\` }, ...dark,
}, { locks: ["/org/gnome/desktop/input-sources/sources"] });
const on = (...steps: ReturnType<typeof step.dconf>[]) => rule.platformfs({ from: base, steps });
export const desktop = tell(on(local, step.write("etc/vconsole.conf", \`KEYMAP=\${km.vconsole}\\n\`)), "etc/dconf/profile etc/dconf/db/local.d etc/vconsole.conf", "desktop.txt");
export const db = run({ inputs: { TREE: on(local, step.dconf("local", { a: { b: "5" } }, { name: "10-more" })) }, out: "db", cmd: 'cp "$TREE/etc/dconf/db/local" "$OUT"' });
export const more = tell(on(local, step.dconf("site", { a: { b: "5" } }), step.dconf("gdm", { a: { b: "5" } }, { profile: "gdm" })), "etc/dconf/profile", "more.txt");
export const wrong = {
  value: on(step.dconf("local", { a: { b: "dark" } })),
  twice: on(local, step.dconf("local", dark)),
};
`;
  let here: TestProject;
  let said: Said;
  beforeAll(async () => {
    here = project(imagefile);
    said = await failures(here, "wrong");
  });

  // Each run is quick, but not on a machine that builds something else.
  jest.setTimeout(120_000);

  test("writes settings, locks and profile, and compiles what dconf itself reads", async () => {
    await here.good("desktop", "db");
    const text = here.read("out/desktop.txt");
    expect(text).toContain("etc/dconf/db/local.d/imagemake:sources=[('xkb', 'ch+fr_nodeadkeys')]");
    expect(text).toContain("etc/dconf/db/local.d/locks/imagemake:/org/gnome/desktop/input-sources/sources");
    expect(text).toContain("etc/dconf/profile/user:user-db:user\netc/dconf/profile/user:system-db:local\n");
    expect(text).toContain("etc/vconsole.conf:KEYMAP=ch-fr_nodeadkeys");
    expect(text).toMatch(/^etc\/dconf\/db\/local f644 0:0 $/m);
    here.write("profile", `file-db:${here.path("out/db")}\n`);
    const dump = execFileSync("dconf", ["dump", "/"], {
      encoding: "utf8",
      env: { ...process.env, DCONF_PROFILE: here.path("profile"), HOME: here.dir },
    });
    expect(dump).toContain("[org/gnome/desktop/input-sources]\nsources=[('xkb', 'ch+fr_nodeadkeys')]\n");
    expect(dump).toContain("[a]\nb=5\n");
  });

  test("adds a second database to the profile, or to another", async () => {
    await here.good("more");
    const text = here.read("out/more.txt");
    expect(text).toContain("profile/user:system-db:local\netc/dconf/profile/user:system-db:site\n");
    expect(text).toContain("profile/gdm:system-db:gdm\n");
    expect(text).not.toContain("profile/user:system-db:gdm");
  });

  test.each<[string, string]>([
    ["value", "[a]: b: invalid value: dark"],
    ["twice", "etc/dconf/db/local.d/imagemake is there already: give this step another name"],
  ])("says what is wrong: %s", (which, words) => {
    expect(said.get(`wrong-${which}`)).toContain(words);
  });
});

test("a link that leads to itself is refused with its path, one that leads nowhere is not", async () => {
  const here = project(`
const skel = made("mkdir -p etc/skel d; ln -s .nix-profile etc/skel/.nix-profile");
export const wrong = { circular: rule.platformfs({ from: made("mkdir -p etc/skel"), steps: [step.link("etc/skel/.nix-profile", ".nix-profile")] }), made: skel, round: rule.platformfs({ from: made("mkdir -p x; ln -s ../b/y x/a"), steps: [step.link("b", "x/a")] }) };
export const dangling = rule.platformfs({ from: made("ln -s /nix/var/profile p"), steps: [step.link("q", "p"), step.link("s", "../proc/self/mounts")] });
`);
  const said = await failures(here, "wrong");
  expect(said.get("wrong-circular")).toBe("etc/skel/.nix-profile is a symbolic link that leads to itself");
  expect(said.get("wrong-made")).toBe("etc/skel/.nix-profile is a symbolic link that leads to itself");
  expect(said.get("wrong-round")).toContain("b is a symbolic link that leads to itself");
  await here.good("dangling");
});

test("steps never leave the tree, wherever its links lead", async () => {
  const here = project(`
const outside = ${JSON.stringify("/var/empty-of-imagemake-tests")};
const links = made(${JSON.stringify(DEBIAN)} + "; rm -rf home; ln -s " + outside + " home; mkdir etc/dconf; ln -s " + outside + " etc/dconf/db");
export const inside = tell(rule.platformfs({ from: links, steps: [step.users({ user: {} }), step.dconf("local", { a: { b: "5" } })] }), "etc/passwd", "inside.txt");
`);
  await here.good("inside");
  expect(existsSync("/var/empty-of-imagemake-tests")).toBe(false);
  const text = here.read("out/inside.txt");
  expect(text).toContain("var/empty-of-imagemake-tests/user d700 1000:1000");
  expect(text).toContain("var/empty-of-imagemake-tests/local f644 0:0");
});

test("an edit of a later step builds neither the steps before it nor the tree", async () => {
  const imagefile = (group: string): string => `
const base = made(${JSON.stringify(DEBIAN)});
export const tree = rule.platformfs({ from: base, steps: [step.write("etc/a", "a"), step.users({ user: { groups: ["${group}"] } }), step.write("etc/b", "b")] });
`;
  const here = project(imagefile("audio"));
  await here.good("tree");
  here.write("Imagefile.ts", PRELUDE + imagefile("sudo"));
  const told = await here.events({}, "tree");
  expect(told.which("built")).toHaveLength(2);
});

test("every step works as root of a user namespace too", async () => {
  const here = project(
    `
const store = made("mkdir a; echo 1 >a/one; ln a/one two; chown 5:6 a/one; cp /bin/true t; setcap cap_net_raw+ep t");
const tree = rule.platformfs({ from: made(${JSON.stringify(DEBIAN)} + "; mkdir -p etc/sv/dbus etc/runit/runsvdir"), steps: [
  step.users({ user: { password: "blank", sudo: true } }), step.services(["dbus"]), step.graft(store, "nix"),
  step.dconf("local", { a: { b: "5" } }), step.hook("hook.sh"),
] });
export const all = tell(tree, "etc/shadow etc/seen", "all.txt");
`,
    {
      "hook.sh": `. "$HOOKLIB"\nmount_proc\ndisable_daemons\nls "$1/proc/self/comm" "$1/usr/sbin" >"$1/etc/seen"\n`,
    },
  );
  const trial = makeTrial();
  try {
    execFileSync("chown", ["-R", `${USER}:${USER}`, here.dir]);
    const told = await here.call({ under: asUser(trial, "all") }, "all");
    expect([told.status, told.stderr]).toEqual([0, expect.any(String)]);
    const text = here.read("out/all.txt");
    for (const line of [
      ...["home/user d700 1000:1000 ", "etc/sudoers.d/user f440 0:0 ", "etc/shadow f640 0:42 "],
      ...[
        "nix/two f644 5:6 ",
        "etc/dconf/db/local f644 0:0 ",
        "etc/runit/runsvdir/default/dbus l777 0:0 /etc/sv/dbus",
      ],
    ]) {
      expect(text.split("\n")).toContain(line);
    }
    expect(text).toContain("policy-rc.d\n");
    expect(text).not.toContain("usr/sbin/policy-rc.d");
  } finally {
    rmSync(trial.dir, { recursive: true, force: true });
  }
});

describe("step.remove", () => {
  test("takes away what a pattern stands for, and nothing else", async () => {
    const FILES = [
      "a/b/ssh/key",
      "a/ssh/key",
      "a/ssh/other",
      "a/.c/x.pyc",
      "top.pyc",
      "x/y/d/e/x.pyc",
      "x/y/x.pyc",
      "dev\\x2da.device",
    ];
    const GONE: Readonly<Record<string, readonly string[]>> = {
      "usr/**/ssh/key": ["a/b/ssh/key", "a/ssh/key"],
      "**/ssh": ["a/b/ssh/key", "a/ssh/key", "a/ssh/other"],
      "/**/*.pyc": ["a/.c/x.pyc", "top.pyc", "x/y/d/e/x.pyc", "x/y/x.pyc"],
      "usr/**/d/**/x.pyc": ["x/y/d/e/x.pyc"],
      "usr/*/**/x.pyc": ["a/.c/x.pyc", "x/y/d/e/x.pyc", "x/y/x.pyc"],
      "usr/**/**/key": ["a/b/ssh/key", "a/ssh/key"],
      "usr/a/**": ["a/b/ssh/key", "a/ssh/key", "a/ssh/other", "a/.c/x.pyc"],
      "usr/*/ssh/[ko]*": ["a/ssh/key", "a/ssh/other"],
      "link/*/ssh/key": ["a/ssh/key"],
      "usr/dev\\x2d*.device": ["dev\\x2da.device"],
      "usr/a/*": ["a/b/ssh/key", "a/ssh/key", "a/ssh/other"],
    };
    const paths = FILES.map((file) => `'usr/${file}'`).join(" ");
    const here = project(`
const base = made(${JSON.stringify(`for i in ${paths}; do mkdir -p "$(dirname "$i")"; echo >"$i"; done; ln -s /usr link`)});
export const removed = Object.fromEntries(${JSON.stringify(Object.keys(GONE))}.map((path, i) => [String(i),
  run({ inputs: { TREE: rule.platformfs({ from: base, steps: [step.remove([path])] }) }, out: "removed-" + i,
    cmd: 'cd "$TREE/usr" && find . -type f -printf "%P\\\\n" > "$OLDPWD/$OUT"' })]));
`);
    await here.good("removed-all");
    Object.values(GONE).forEach((gone, i) => {
      const left = here.read(`out/removed-${i}`).trimEnd().split("\n");
      expect(left.sort()).toEqual(FILES.filter((file) => !gone.includes(file)).sort());
    });
  });
});
