// step.overlay with files from outside the project, through the real command line: what comes where, and that the
// place they came from is in no key.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectSettled } from "./support/faults.js";

const WAYS = ["absolute", "relative", "glob", "from"] as const;
let dir: string;
let project: TestProject;

/** The Imagefile that reads the overlay in `place`, in each way an overlay can be written. */
const imagefile = (place: string): string => `
import { files, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc"', tree: true });
const on = (name: string, overlay: ReturnType<typeof step.overlay>) =>
  rule.platformfs({ from: base, steps: [overlay], out: name + ".tar" });
const place = ${JSON.stringify(place)};
export const all = {
  absolute: on("absolute", step.overlay(place)),
  relative: on("relative", step.overlay("../" + place.split("/").pop())),
  glob: on("glob", step.overlay(files(place + "/**"))),
  from: on("from", step.overlay(files("**", { from: place }))),
};
`;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-overlay-"));
  mkdirSync(join(dir, "one", "etc", "conf.d"), { recursive: true });
  writeFileSync(join(dir, "one", "etc", "conf.d", "local"), "yes\n");
  writeFileSync(join(dir, "one", "start"), "#!/bin/sh\n", { mode: 0o755 });
  mkdirSync(join(dir, "project"));
  project = makeProject(
    { "Imagefile.ts": imagefile(join(dir, "one")) },
    { dir: join(dir, "project"), under: [] },
  );
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("a directory from outside the project is put where it says, however it is written", async () => {
  await project.good("all");
  for (const way of WAYS) {
    const names = execFileSync("tar", ["tf", project.path("out", `${way}.tar`)], { encoding: "utf8" });
    expect([
      way,
      names
        .split("\n")
        .filter((name) => /local|start|host|one/.test(name))
        .sort(),
    ]).toEqual([way, ["./etc/conf.d/local", "./start"]]);
  }
});

test("a directory that was moved builds nothing again, an edit in it everything", async () => {
  renameSync(join(dir, "one"), join(dir, "two"));
  project.write("Imagefile.ts", imagefile(join(dir, "two")));
  const moved = await project.events({}, "all");
  expect([moved.status, moved.which("built")]).toEqual([0, []]);
  writeFileSync(join(dir, "two", "start"), "#!/bin/sh\necho\n", { mode: 0o755 });
  const edited = await project.events({}, "all");
  expect(edited.which("built").filter((id) => !id.endsWith(".tree"))).toEqual(
    [...WAYS].map((way) => `all-${way}`).sort(),
  );
});

test("a directory that is not there is named", async () => {
  project.write("Imagefile.ts", imagefile(join(dir, "none")));
  const { status, stderr } = await project.run("all-absolute");
  expect(stderr).toContain(`${join(dir, "none")} does not exist`);
  expect(status).toBe(2);
});

/** The access list `user::rwx, user:33:rwx, group::r-x, mask::rwx, other::r-x`, as acl(5) is stored. */
const FOR_ONE_MORE =
  "0x02000000" +
  "01000700ffffffff" +
  "0200070021000000" +
  "04000500ffffffff" +
  "10000700ffffffff" +
  "20000500ffffffff";

describe("what git would not keep of an overlay", () => {
  let kept: TestProject;
  const tree = (): string =>
    execFileSync("tar", ["tvf", kept.path("out", "a.tar"), "--numeric-owner"], { encoding: "utf8" });
  const modeOf = (path: string): string | undefined =>
    tree()
      .split("\n")
      .find((line) => line.endsWith(` ./${path}`))
      ?.slice(0, 10);
  const project = (options: string): string => `
import { rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc"', tree: true });
export const a = rule.platformfs({ from: base, steps: [step.overlay("ov"${options})], out: "a.tar" });
`;
  beforeAll(() => {
    kept = makeProject({ "Imagefile.ts": project(""), "ov/etc/plain": "1\n", "ov/etc/wide": "2\n" });
    mkdirSync(kept.path("ov/var/lib/empty"), { recursive: true });
    chmodSync(kept.path("ov/etc/plain"), 0o664);
  });
  afterAll(() => kept.remove());

  test("an empty directory comes along, and one that is new is noticed", async () => {
    expect((await kept.good("a")).stderr).not.toContain("warning");
    expect(modeOf("var/lib/empty/")).toBe("drwxr-xr-x");
    mkdirSync(kept.path("ov/srv"));
    await kept.good("a");
    expect(modeOf("srv/")).toBe("drwxr-xr-x");
    rmdirSync(kept.path("ov/srv"));
    await kept.good("a");
    expect(modeOf("srv/")).toBe(undefined);
    await expectSettled(kept, "a");
  });

  test("a mode that says more than x is named, though nothing is built for it, until the step says it", async () => {
    chmodSync(kept.path("ov/etc/wide"), 0o600);
    chmodSync(kept.path("ov/var/lib/empty"), 0o1777);
    const warned = await kept.run("a");
    expect(warned.stderr).toContain(
      "modes are not kept in the tree (ov/etc/wide 600, ov/var/lib/empty 1777)",
    );
    expect(warned.stderr).toContain("Imagefile.ts:4");
    expect(warned.stdout + warned.stderr).not.toContain("built");
    // What would be built is no reason to hear less.
    for (const words of [["-n"], ["-n", "-B", "--json"]]) {
      const { stderr } = await kept.good(...words, "a");
      expect([words, stderr.match(/^warning: .*modes are not kept/gm)]).toEqual([words, [expect.anything()]]);
    }
    const { stdout, stderr } = await kept.good("-n", "--progress", "json", "a");
    expect(stdout).toMatch(
      /^\{"type":"begin".*\n\{"type":"notice","level":"warning","message":".*modes are not kept/,
    );
    expect(stderr).not.toContain("modes");
    expect((await kept.run("-q", "a")).stderr).toBe("");
    kept.write("Imagefile.ts", project(`, { modes: { "etc/wide": "600", "var/lib/empty": "1777" } }`));
    expect((await kept.good("a")).stderr).not.toContain("warning");
    expect([modeOf("etc/wide"), modeOf("var/lib/empty/")]).toEqual(["-rw-------", "drwxrwxrwt"]);
    kept.write(
      "Imagefile.ts",
      project(`, { to: "opt", modes: { "opt/etc/wide": "600", "opt/var/lib/empty": "1777" } }`),
    );
    expect((await kept.good("a")).stderr).not.toContain("warning");
  });

  test("access lists, capabilities and other attributes are named when the tree is made", async () => {
    execFileSync("setfattr", ["-n", "system.posix_acl_access", "-v", FOR_ONE_MORE, kept.path("ov/etc")]);
    execFileSync("setcap", ["cap_net_raw+ep", kept.path("ov/etc/plain")]);
    execFileSync("setfattr", ["-n", "user.note", "-v", "x", kept.path("ov/etc/wide")]);
    kept.write("ov/etc/new", "");
    const warned = await kept.good("a");
    expect(warned.stderr).toContain(
      "an overlay does not hold POSIX ACLs (etc), file capabilities (etc/plain), extended attributes (etc/wide)",
    );
    const now = execFileSync("tar", ["tvf", kept.path("out", "a.tar"), "--xattrs", "--acls"], {
      encoding: "utf8",
    });
    expect(now).not.toMatch(/security|user\.note|user:33/);
  });

  test("modes of any umask are no matter; those that none makes are named, once a run, and all of them by -v", async () => {
    const odd = makeProject({ "Imagefile.ts": project("") });
    try {
      const modes = { wide: 0o666, run: 0o777, group: 0o664, ours: 0o775, fixed: 0o444 };
      for (const [name, mode] of Object.entries(modes)) {
        odd.write(`ov/etc/${name}`, "");
        chmodSync(odd.path("ov/etc", name), mode);
      }
      chmodSync(odd.path("ov/etc"), 0o777);
      expect((await odd.good("a")).stderr).not.toContain("warning");
      for (const [name, mode] of Object.entries({ a: 0o744, b: 0o645, c: 0o646, d: 0o711, e: 0o466 })) {
        odd.write(`ov/etc/odd-${name}`, "");
        chmodSync(odd.path("ov/etc", `odd-${name}`), mode);
      }
      const { stderr } = await odd.good("a");
      const warnings = stderr.split("\n").filter((line) => line.startsWith("warning: "));
      const named = "ov/etc/odd-a 744, ov/etc/odd-b 645, ov/etc/odd-c 646";
      expect(warnings).toEqual([expect.stringContaining(`(${named} and 2 more)`)]);
      const told = await odd.good("-v", "-B", "a");
      expect(told.stderr).toContain(`(${named}, ov/etc/odd-d 711, ov/etc/odd-e 466)`);
      expect(told.stderr).not.toContain("more)");
    } finally {
      odd.remove();
    }
  });

  test("names of one file become files of their own, and that is said", async () => {
    const linked = makeProject({ "Imagefile.ts": project(""), "ov/etc/one": "1\n", apart: "" });
    try {
      linkSync(linked.path("ov/etc/one"), linked.path("ov/etc/two"));
      linkSync(linked.path("apart"), linked.path("ov/etc/three"));
      expect((await linked.good("a")).stderr).toMatch(
        /hard links are not kept .*\(ov\/etc\/one = ov\/etc\/two\)/,
      );
    } finally {
      linked.remove();
    }
  });
});

describe("links of an overlay that climb out of it", () => {
  let climbing: TestProject;
  beforeAll(() => {
    climbing = makeProject({
      "Imagefile.ts": `
import { files, rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: 'mkdir -p "$OUT/etc/pam.d"', tree: true });
const on = (overlay: ReturnType<typeof step.overlay>, out: string) => rule.platformfs({ from: base, steps: [overlay], out });
export const a = on(step.overlay("live/ov"), "a.tar");
export const to = on(step.overlay("live/units", { to: "etc/systemd" }), "to.tar");
export const b = on(step.overlay("live/over"), "b.tar");
export const farm = on(step.overlay(files("farm/**", "store/there")), "farm.tar");
`,
      "store/there": "",
      "store/left": "",
      "live/ov/usr/lib/os-release": "ID=x\n",
      "shared/etc/fstab": "none\n",
      "shared/pam.d/login": "",
    });
    const link = (text: string, path: string): void => {
      mkdirSync(dirname(climbing.path(path)), { recursive: true });
      symlinkSync(text, climbing.path(path));
    };
    link("../../../shared/etc/fstab", "live/ov/etc/fstab");
    link("../usr/lib/os-release", "live/ov/etc/os-release");
    link("/etc/fstab", "live/ov/etc/absolute");
    link("../proc/mounts", "live/ov/etc/mtab");
    link("../../../lib/systemd/x.service", "live/units/x.wants/x.service");
    link("../../shared/etc/fstab", "live/units/fstab");
    link("../../../shared/pam.d", "live/over/etc/pam.d");
    link("../store/there", "farm/there");
    link("../store/left", "farm/left");
    link("../farm", "farm/self");
    link("self/there", "farm/through");
    link("../proc/mounts", "farm/mtab");
  });
  afterAll(() => climbing.remove());

  test("are named, as they lead nowhere in the image; those within it and to what the tree has are not", async () => {
    const { stderr } = await climbing.good("a", "to");
    const told = stderr.split("\n").filter((line) => line.includes("lead out"));
    expect(told).toEqual([
      expect.stringContaining("(live/ov/etc/fstab -> ../../../shared/etc/fstab)"),
      expect.stringContaining("(live/units/fstab -> ../../shared/etc/fstab)"),
    ]);
  });

  test("are named of globs, too, where what they lead to lies beside what is copied", async () => {
    const { stderr } = await climbing.good("farm");
    const told = stderr.split("\n").filter((line) => line.includes("lead out"));
    expect(told).toEqual([expect.stringContaining("(farm/left -> ../store/left)")]);
  });

  test("that would replace a directory of the tree fail as links, with the way out", async () => {
    const { status, stderr } = await climbing.run("b");
    expect(status).toBe(1);
    expect(stderr).toContain(
      "etc/pam.d is a directory in the tree and a link (to ../../../shared/pam.d) in the overlay: leave it out",
    );
  });
});

/** `user::rw-, user:33:rwx, group::---, mask::rwx, other::---`: of a file of mode 600. */
const SECRET_LIST =
  "0x02000000" +
  "01000600ffffffff" +
  "0200070021000000" +
  "04000000ffffffff" +
  "10000700ffffffff" +
  "20000000ffffffff";

describe("what an overlay replaces", () => {
  let own: TestProject;
  beforeAll(() => {
    own = makeProject({
      "Imagefile.ts": `
import { rule, run, step } from "imagemake";
const base = run({ inputs: {}, cmd: ${JSON.stringify(
        `mkdir "$OUT/etc"; cd "$OUT/etc"; echo > listed; chmod 600 listed; setfattr -n system.posix_acl_access -v ${SECRET_LIST} listed; echo > plain; chmod 640 plain; chown 0:42 plain`,
      )}, tree: true });
export const a = rule.platformfs({ from: base, steps: [step.overlay("ov")], out: "a.tar" });
`,
      "ov/etc/listed": "mine\n",
      "ov/etc/plain": "mine\n",
    });
  });
  afterAll(() => own.remove());
  const modes = (out: string): readonly string[] =>
    execFileSync("tar", ["tvf", own.path("out", out), "--numeric-owner"], {
      encoding: "utf8",
      maxBuffer: 1e8,
    })
      .split("\n")
      .map((line) => line.replace(/^(\S+) (\S+) .* (\S+)$/, "$1 $2 $3"));

  test("a secret with an access list stays one: the list's mask is not what the group may do", async () => {
    await own.good("a");
    expect(modes("a.tar")).toEqual(
      expect.arrayContaining(["-rw------- 0/0 ./etc/listed", "-rw-r----- 0/42 ./etc/plain"]),
    );
  });
});
