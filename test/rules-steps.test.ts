// Steps that change a tree without running any of its programs (users, services, graft, dconf), through the real command
// line. Trees are made by shell commands, so nothing has to be installed. Hooks are in rules-hooks.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";
import { failures, type Said } from "./support/failures.js";
import { sh } from "./support/trees.js";

/** SOURCE_DATE_EPOCH of actions that nothing dates is 2020-01-01: so many days after 1970. */
const DAY = 18_262;
const HASH = "$6$salt$QKmXj0w3jzk9Yl1Fh0PkrU0KQqyDOq8XEcdyUAVLDmz1dvV8lqEY5kFwnTLBBHVd8RkG0mFvVQ5Ud.4Yn0oEr1";

/** What tells what a tree holds: a line for each name, and the contents of files in some directories. */
const TELL = String.raw`cd "$TREE"; { find . -mindepth 1 -printf "%P %y%m %U:%G %l\n" | sort; grep -rH "" $SHOW; } >"$OLDPWD/$OUT" || [ $? = 1 ]`;

const PRELUDE = `
import { env, list, rule, run, step } from "imagemake";
const made = (cmd: string) => run({ inputs: {}, cmd: 'cd "$OUT"; ' + cmd, tree: true, root: true });
const tell = (tree: ReturnType<typeof made>, show: string, out: string) =>
  run({ inputs: { TREE: tree }, root: true, env: { SHOW: show }, out, cmd: ${JSON.stringify(TELL)} });
`;

/** A Debian's files of users, as far as users go. */
const DEBIAN = `
mkdir -p etc/skel/.config etc/sudoers.d bin home usr/sbin
printf '%s\\n' root:x:0:0:root:/root:/bin/bash daemon:x:1:1::/:/usr/sbin/nologin _apt:x:100:65534::/nonexistent:/usr/sbin/nologin >etc/passwd
printf '%s\\n' root:x:0: daemon:x:1: sudo:x:27: audio:x:29:daemon users:x:100: ssl-cert:x:101: >etc/group
printf '%s\\n' 'root:*:19000:0:99999:7:::' 'daemon:*:19000:0:99999:7:::' >etc/shadow
printf '%s\\n' 'root:*::' 'sudo:*::' 'audio:*::daemon' >etc/gshadow
chown 0:42 etc/shadow etc/gshadow; chmod 640 etc/shadow etc/gshadow
echo '@includedir /etc/sudoers.d' >etc/sudoers; chmod 440 etc/sudoers
echo profile >etc/skel/.profile; chmod 600 etc/skel/.profile; ln -s /nix/profile etc/skel/.nix-profile
for shell in bin/bash bin/dash usr/sbin/nologin; do echo '#!' >$shell; chmod 755 $shell; done; ln -s dash bin/sh
printf '%s\\n' '# shells' /bin/bash /bin/sh /bin/zsh >etc/shells`;

/** A busybox's: no shadow. */
const BUSYBOX = `
mkdir -p etc bin; echo busybox >bin/busybox; chmod 755 bin/busybox; ln -s busybox bin/sh
echo root:*:0:0:root:/root:/bin/sh >etc/passwd; echo root:x:0: >etc/group`;

const projects: TestProject[] = [];
afterAll(() => projects.forEach((project) => project.remove()));
const project = (imagefile: string, files: Readonly<Record<string, string>> = {}): TestProject => {
  const one = makeProject({ "Imagefile.ts": PRELUDE + imagefile, ...files });
  projects.push(one);
  return one;
};
describe("step.users", () => {
  const imagefile = `
const debian = made(${JSON.stringify(DEBIAN)}), busybox = made(${JSON.stringify(BUSYBOX)});
const on = (tree: typeof debian, ...how: Parameters<typeof step.users>) => rule.platformfs({ from: tree, steps: [step.users(...how)] });
export const live = tell(on(debian, {
  user: { password: "blank", expire: true, sudo: true, groups: ["audio", "plugdev"], comment: "Live user" },
  second: { uid: 1000 - 1 + 5, gid: 100, shell: "/bin/sh", home: "srv/second", sudo: "nopasswd" },
  third: { password: { hash: ${JSON.stringify(HASH)} } },
  root: { password: "locked" },
}, { newGroups: ["plugdev", "audio"] }), "etc home", "live.txt");
export const fromEnv = tell(on(debian, { user: { password: { hash: env("PASSWORD_HASH") } } }), "etc", "env.txt");
export const small = tell(on(busybox, { user: { password: "blank" }, root: { password: "locked" } }), "etc", "small.txt");
export const wrong = {
  group: on(debian, { user: { groups: ["audi", "nothing"] } }),
  shell: on(debian, { user: { shell: "/bin/zsh" } }),
  uid: on(debian, { user: { uid: 1 } }),
  root: on(debian, { root: { uid: 5 } }),
  hash: on(busybox, { user: { password: { hash: ${JSON.stringify(HASH)} } } }),
  expire: on(busybox, { user: { password: "blank", expire: true } }),
  sudo: on(busybox, { user: { sudo: true } }),
  none: on(made("mkdir etc"), { user: {} }),
  home: rule.platformfs({ from: debian, steps: [step.write("home/user/file", ""), step.users({ user: {} })] }),
};
`;
  let here: TestProject;
  let said: Said;
  beforeAll(async () => {
    here = project(imagefile);
    said = await failures(here, "wrong");
  });

  test("makes users as the files of the tree have them, and dates nothing with today", async () => {
    await here.good("live");
    const lines = here.read("out/live.txt").split("\n");
    const inFile = (name: string): string[] =>
      lines.flatMap((line) => (line.startsWith(`${name}:`) ? [line.slice(name.length + 1)] : []));
    expect(inFile("etc/passwd").slice(3)).toEqual([
      "user:x:1000:1000:Live user:/home/user:/bin/bash",
      "second:x:1004:100::/srv/second:/bin/sh",
      "third:x:1001:1001::/home/third:/bin/bash",
    ]);
    expect(inFile("etc/group").slice(2)).toEqual([
      ...["sudo:x:27:user,second", "audio:x:29:daemon,user", "users:x:100:", "ssl-cert:x:101:"],
      ...["plugdev:x:102:user", "user:x:1000:", "third:x:1001:"],
    ]);
    expect(inFile("etc/shadow")).toEqual([
      `root:!:${DAY}:0:99999:7:::`,
      "daemon:*:19000:0:99999:7:::",
      "user::0:0:99999:7:::",
      `second:!:${DAY}:0:99999:7:::`,
      `third:${HASH}:${DAY}:0:99999:7:::`,
    ]);
    expect(inFile("etc/gshadow")).toEqual([
      ...[
        "root:*::",
        "sudo:*::user,second",
        "audio:*::daemon,user",
        "plugdev:!::user",
        "user:!::",
        "third:!::",
      ],
    ]);
    expect(lines).toEqual(
      expect.arrayContaining([
        ...["etc/shadow f640 0:42 ", "etc/sudoers.d/user f440 0:0 ", "etc/sudoers.d/second f440 0:0 "],
        "etc/sudoers.d/user:user ALL=(ALL:ALL) ALL",
        "etc/sudoers.d/second:second ALL=(ALL:ALL) NOPASSWD: ALL",
        ...["home d755 0:0 ", "home/user d700 1000:1000 ", "home/user/.config d755 1000:1000 "],
        ...["home/user/.profile f600 1000:1000 ", "home/user/.nix-profile l777 1000:1000 /nix/profile"],
        ...["srv d755 0:0 ", "srv/second d700 1004:100 "],
        "home/user/.profile:profile",
      ]),
    );
  });

  test("takes a hash from the caller's environment, and keeps it out of the state directory", async () => {
    const told = await here.call({ env: { PASSWORD_HASH: "$6$envsalt$envhash" } }, "from-env");
    expect([told.status, told.stderr]).toEqual([0, expect.any(String)]);
    expect(here.read("out/env.txt")).toContain(`etc/shadow:user:$6$envsalt$envhash:${DAY}:0:`);
    const kept = execFileSync("grep", ["-rlF", "envsalt", here.dir], { encoding: "utf8" }).trim().split("\n");
    // In the tree itself, and in the file that this test has the tree told in.
    expect(
      kept.filter((path) => !/\/(?:layers\/.*\/etc\/shadow|out\/env\.txt|store\/.*)$/.test(path)),
    ).toEqual([]);
    const plain = await here.call({ env: { PASSWORD_HASH: "secret-word" } }, "from-env");
    expect(plain.stderr).toContain("no hash as crypt(5) has it (it is not shown)");
    expect(plain.stderr).not.toContain("secret-word");
  });

  test("works where there is no shadow", async () => {
    await here.good("small");
    const text = here.read("out/small.txt");
    expect(text).toContain(
      "etc/passwd:root:!:0:0:root:/root:/bin/sh\netc/passwd:user::1000:1000::/home/user:/bin/sh\n",
    );
    expect(text).not.toContain("shadow");
  });

  test.each<[string, string]>([
    [
      "group",
      "user: the tree does not have the groups audi (did you mean audio?), nothing; newGroups makes one",
    ],
    ["shell", "user: the shell /bin/zsh is no program of the tree; it has /bin/bash, /bin/sh"],
    ["uid", "user: the uid 1 is daemon's"],
    ["root", "root is in the tree, and its uid is 0; it cannot become 5"],
    ["hash", "user: there is no etc/shadow in the tree, and in etc/passwd everybody could read the hash"],
    ["expire", "user: expire needs etc/shadow, and the tree has none"],
    ["sudo", "user: sudo is not in the tree (etc/sudoers); install it in an earlier step"],
    ["none", "there is no etc/passwd in the tree, so it has no users"],
    ["home", "user: /home/user is there already and not user's (uid 1000)"],
  ])("says what is wrong: %s", (which, words) => {
    expect(said.get(`wrong-${which}`)).toContain(words);
  });
});

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
ln -s reset.service alias.service; ln -s /dev/null masked.service`;
  const NAMES = ["a", "g@", "g@tty7", "alias.service"];
  const imagefile = `
const runit = made("mkdir -p etc/sv/dbus etc/sv/NetworkManager etc/runit/runsvdir/default; ln -s /etc/sv/dbus etc/runit/runsvdir/default/dbus");
const systemd = made(${JSON.stringify(UNITS)});
const on = (tree: typeof runit, names: string[]) => rule.platformfs({ from: tree, steps: [step.services(names)] });
export const void_ = tell(on(runit, ["dbus", "NetworkManager"]), "etc", "void.txt");
export const units = run({ inputs: { TREE: on(systemd, ${JSON.stringify(NAMES)}) }, root: true, out: "units.tar", cmd: 'tar -C "$TREE" -cf "$OUT" .' });
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
  const LINKS = [
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
  ];

  test("links a unit as its [Install] section says: templates, aliases, what comes along, drop-ins", async () => {
    await here.good("units");
    expect(linksIn("units")).toEqual(LINKS);
  });

  (existsSync("/usr/bin/systemctl") ? test : test.skip)("does what systemctl --root does", async () => {
    await here.good("plain");
    const before = here.path("unpacked-plain");
    expect(linksIn("plain")).toEqual([]);
    const dir = here.path("by-systemctl");
    cpSync(before, dir, { recursive: true, verbatimSymlinks: true });
    for (const name of NAMES)
      execFileSync("systemctl", [`--root=${dir}`, "enable", name], { stdio: "ignore" });
    expect(linksOf(dir)).toEqual(LINKS);
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
  expect(sh(here.dir, "ls .imagemake/stage")).toBe("");
});
