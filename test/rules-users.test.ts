// step.users through the real command line: what becomes of the files that hold users, in trees with and without shadow.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";
import { BUSYBOX, DEBIAN, failures, PRELUDE, type Said } from "./support/shell-trees.js";

// Each run is quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

/** SOURCE_DATE_EPOCH of actions that nothing dates is 2020-01-01: so many days after 1970. */
const DAY = 18_262;
const HASH = "$6$salt$QKmXj0w3jzk9Yl1Fh0PkrU0KQqyDOq8XEcdyUAVLDmz1dvV8lqEY5kFwnTLBBHVd8RkG0mFvVQ5Ud.4Yn0oEr1";

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
export const taken = tell(on(made(${JSON.stringify(`${BUSYBOX}\necho odd:x:90:1000::/:/bin/sh >>etc/passwd`)}), { user: {} }, { newGroups: ["more"] }), "etc", "taken.txt");
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
    here = makeProject({ "Imagefile.ts": PRELUDE + imagefile });
    said = await failures(here, "wrong");
  });
  afterAll(() => here.remove());

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

  test("gives a new group no number that a user has and no group", async () => {
    await here.good("taken");
    expect(here.read("out/taken.txt")).toMatch(/^etc\/passwd:user:[^:]*:1000:1001:/m);
    expect(here.read("out/taken.txt")).toMatch(/^etc\/group:user:x:1001:/m);
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
