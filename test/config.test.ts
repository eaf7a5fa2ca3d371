// Settings: files beside the Imagefile and of the user's own, the environment, the command line; which of them holds, that
// each does what it says, and that what is wrong in them is said.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterAll, afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { finish, makeProject, type Ended, type TestProject } from "./support/cli.js";
import { makePuppet } from "./support/faults.js";
import { asStranger } from "./support/sandbox.js";

jest.setTimeout(120_000);

const puppet = makePuppet();
afterAll(() => puppet.close());

const IMAGEFILE = `
export const a = run({ inputs: { SRC: files("a.txt") }, cmd: 'cat $SRC > "$OUT"', out: "a.txt" });
export const many = each(["1", "2", "3", "4", "5"], (name) =>
  run({ inputs: {}, cmd: \`${puppet.cmd} : > "$OUT"\`, out: \`\${name}.txt\` }));
`;

let project: TestProject;
/** With a home of its own. */
const call = (env: Readonly<Record<string, string>>, ...words: string[]): Promise<Ended> =>
  project.call({ env: { HOME: project.path("home"), ...env } }, ...words);
const user = (text: string): void => {
  mkdirSync(project.path("home/.config/imagemake"), { recursive: true });
  writeFileSync(project.path("home/.config/imagemake/config.toml"), text);
};

beforeEach(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, "a.txt": "a\n" });
});
afterEach(() => project.remove());

interface Told {
  readonly settings: readonly {
    readonly name: string;
    readonly value: unknown;
    readonly from: string;
    readonly where: string;
  }[];
  readonly files: readonly { readonly path: string; readonly read: boolean }[];
}

/** What `imagemake config` says of a setting. */
async function holds(
  env: Readonly<Record<string, string>>,
  name: string,
  ...words: string[]
): Promise<unknown[]> {
  const { status, stdout, stderr } = await call(env, "config", "--json", ...words);
  expect([status, stderr]).toEqual([0, ""]);
  const one = (JSON.parse(stdout) as Told).settings.find((each) => each.name === name);
  return [one?.value, one?.from, one?.where];
}

test("the command line goes before the environment, that before the project's file, that before the user's", async () => {
  const [own, beside] = [project.path("home/.config/imagemake/config.toml"), project.path("imagemake.toml")];
  expect(await holds({}, "jobs")).toEqual([null, "default", null]);
  user("jobs = 2\n[space]\nmax-size = 1000\n");
  expect(await holds({}, "jobs")).toEqual([2, "user", own]);
  project.write("imagemake.toml", "jobs = 3\n");
  expect(await holds({}, "jobs")).toEqual([3, "project", beside]);
  expect(await holds({}, "space.max-size")).toEqual([1000, "user", own]);
  expect(await holds({ IMAGEMAKE_JOBS: "4" }, "jobs")).toEqual([4, "environment", "IMAGEMAKE_JOBS"]);
  expect(await holds({ IMAGEMAKE_JOBS: "4" }, "jobs", "-j5")).toEqual([5, "command line", "--jobs"]);
  expect(await holds({ IMAGEMAKE_JOBS: "" }, "jobs")).toEqual([3, "project", beside]);
  expect(await holds({ IMAGEMAKE_SPACE_MAX_SIZE: "2GiB" }, "space.max-size")).toEqual([
    2 * 2 ** 30,
    "environment",
    "IMAGEMAKE_SPACE_MAX_SIZE",
  ]);
  // By the XDG base directories.
  mkdirSync(project.path("xdg/imagemake"), { recursive: true });
  project.write("xdg/imagemake/config.toml", 'cache = "file:///there"\n');
  expect(await holds({ XDG_CONFIG_HOME: project.path("xdg") }, "cache")).toEqual([
    "file:///there",
    "user",
    project.path("xdg/imagemake/config.toml"),
  ]);
  const { stdout } = await call({}, "config");
  expect(stdout).toMatch(/^jobs +3 +\S+imagemake\.toml$/m);
  expect(stdout).toMatch(/^progress +auto +default$/m);
});

test.each([
  ["job = 3", "there is no setting job\n  did you mean jobs?"],
  ["[space]\nmaxsize = 3", "there is no setting space.maxsize\n  did you mean space.max-size?"],
  ["space = 3", "there is no setting space"],
  ["token = 'secret'", "there is no setting token"],
  ["[jobs]", "there is no setting jobs.|jobs: expected a number from 1 up, found {}"],
  ["jobs = 0", "jobs: expected a number from 1 up, found 0"],
  ['jobs = "many"', 'jobs: expected a number from 1 up, found "many"'],
  ["progress = 'loud'", 'progress: expected one of auto, tty, plain, json, found "loud"'],
  ["cache = 3", "cache: expected a text, found 3"],
  ["[space]\nmax-size = '50GB'", 'space.max-size: expected a size such as 50GiB, found "50GB"'],
  ["jobs = ", ":1:"],
])("%j is refused with status 2, by the file's name", async (text, says) => {
  project.write("imagemake.toml", `${text}\n`);
  for (const words of [["a"], ["list"], ["config"]]) {
    const ended = await call({}, ...words);
    expect([ended.status, ended.stdout]).toEqual([2, ""]);
    expect(ended.stderr).toContain(project.path("imagemake.toml"));
    expect(says.split("|").some((one) => ended.stderr.includes(one))).toBe(true);
  }
  expect(await call({}, "help")).toMatchObject({ status: 0 });
  expect(project.exists("out")).toBe(false);
});

test("a wrong variable is refused by its name", async () => {
  expect(await call({ IMAGEMAKE_JOBS: "x" }, "a")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('IMAGEMAKE_JOBS: expected a number from 1 up, found "x"'),
  });
});

test.each([
  ["imagemake.toml", {}],
  ["the environment", { IMAGEMAKE_JOBS: "5" }],
] as const)("jobs of %s: so many actions run at once", async (where, env) => {
  if (where === "imagemake.toml") project.write("imagemake.toml", "jobs = 5\n");
  const runs = puppet.runs();
  const child = project.start({ env }, "many");
  await puppet.started(runs + 5, child);
  for (let run = 0; run < 5; run += 1) puppet.release();
  expect((await finish(child)).status).toBe(0);
});

test("progress of a file holds where there is nothing to do, too, and holds no longer when the file has gone", async () => {
  const nothing = /^release \S+ \(opened .*\)\nnothing to do\n$/;
  await call({}, "a");
  expect((await call({}, "a")).stderr).toMatch(nothing);
  const json = async (env = {}): Promise<void> => {
    const { stdout, stderr } = await call(env, "a");
    expect([stdout.split("\n").map((line) => /"type":"([^"]*)/.exec(line)?.[1]), stderr]).toEqual([
      expect.arrayContaining(["begin", "done"]),
      "",
    ]);
  };
  project.write("imagemake.toml", 'progress = "json"\n');
  await json();
  await json();
  expect((await call({}, "--progress", "plain", "a")).stderr).toMatch(nothing);
  await json();
  rmSync(project.path("imagemake.toml"));
  expect((await call({}, "a")).stderr).toMatch(nothing);
  user('progress = "json"\n');
  await json();
  expect((await call({ HOME: "/nowhere" }, "a")).stderr).toMatch(nothing);
  await json();
  rmSync(project.path("home"), { recursive: true });
  expect((await call({}, "a")).stderr).toMatch(nothing);
  await json({ IMAGEMAKE_PROGRESS: "json" });
});

test("a cache that a file names is used as if it stood on the command line", async () => {
  const share = project.path("share");
  mkdirSync(share);
  project.write("imagemake.toml", `cache = "file://${share}"\n`);
  await call({}, "a");
  rmSync(project.path(".imagemake"), { recursive: true });
  rmSync(project.path("out"), { recursive: true });
  expect((await call({}, "a")).stderr).toContain("taken 1");
});

describe("space.max-size", () => {
  test("where a build leaves more, what nothing needs is removed, and that is said", async () => {
    project.write("imagemake.toml", '[space]\nmax-size = "1KiB"\n');
    const build = async (text: string): Promise<string> => {
      project.write("a.txt", text.repeat(300));
      return (await call({}, "a")).stderr;
    };
    const stored = (): number => {
      const entries = readdirSync(project.path(".imagemake/store/files"), {
        withFileTypes: true,
        recursive: true,
      });
      return entries.filter((entry) => entry.isFile()).length;
    };
    expect(await build("a\n")).not.toContain("max-size");
    const before = stored();
    const said = await build("b\n");
    expect(said).toMatch(/the store held 1\.\d+ kB, and 600 B after a gc \(space\.max-size is/);
    expect(stored()).toBe(before);
    expect((await call({}, "a")).stderr).toContain("nothing to do");
    // What is needed stays, and that it is too much is said.
    expect(await build("cc\nd")).toContain("releases need the rest");
    expect(project.read("out/a.txt")).toHaveLength(1200);
  });
});

test("root does not do what a file says that another user may have written", async () => {
  user("jobs = 2\n");
  chownSync(project.path("home/.config/imagemake/config.toml"), 4343, 4343);
  expect(await call({}, "a")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("belongs to another user"),
  });
});

test("the project's file is the Imagefile's owner's too: in a directory like /tmp anybody makes files", async () => {
  const file = project.path("imagemake.toml");
  writeFileSync(file, 'remote.cache = "grpc://localhost:1"\n');
  chownSync(file, 4343, 4343);
  chmodSync(project.dir, 0o1777);
  const refused = { status: 2, stderr: expect.stringContaining("imagemake.toml belongs to another user") };
  expect(await call({}, "a")).toMatchObject(refused);
  // One that leads to theirs, too.
  mkdirSync(project.path("home"));
  renameSync(file, project.path("home/theirs"));
  symlinkSync("home/theirs", file);
  expect(await call({}, "a")).toMatchObject(refused);
  // Where the directory is theirs, so is the Imagefile.
  chownSync(project.dir, 4343, 4343);
  expect(await holds({}, "remote.cache")).toEqual(["grpc://localhost:1", "project", file]);
});

test("a home that the user may not look into has no file of theirs", async () => {
  user("jobs = 2\n");
  chmodSync(project.path("home"), 0o700);
  chmodSync(project.dir, 0o755);
  const env = { HOME: project.path("home") };
  const listed = await project.call({ env, under: asStranger() }, "list");
  expect([listed.status, listed.stderr]).toEqual([0, ""]);
  const { status, stdout } = await project.call({ env, under: asStranger() }, "config");
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^jobs +cores +default$/m)]);
});
