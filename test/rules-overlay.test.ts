// step.overlay with files from outside the project, through the real command line: what comes where, and that the
// place they came from is in no key.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
      "modes do not come along into the tree (ov/etc/wide 600, ov/var/lib/empty 1777)",
    );
    expect(warned.stderr).toContain("Imagefile.ts:4");
    expect(warned.stdout + warned.stderr).not.toContain("built");
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
});
