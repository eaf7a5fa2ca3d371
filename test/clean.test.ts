// `imagemake clean` through the real command line: what it removes, what it must not, and that a build afterwards
// restores instead of building.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { finish, makeProject, type TestProject } from "./support/cli.js";

const IMAGEFILE = `
export const greeting = run({ inputs: { SRC: files("src.txt") }, cmd: 'cat $SRC > "$OUT"', out: "greeting-{date}.txt" });
export const upper = run({ inputs: { IN: greeting }, cmd: 'tr a-z A-Z < "$IN" > "$OUT"', out: "upper.txt" });
export const disk = run({ inputs: { IN: greeting }, cmd: 'cp "$IN" "$OUT"', out: "disk.img" });
export default project({ default: [greeting, upper, disk] });
`;

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

function made(imagefile = IMAGEFILE): TestProject {
  const project = makeProject({ "Imagefile.ts": imagefile, "src.txt": "hello\n" });
  projects.push(project);
  return project;
}

async function built(imagefile = IMAGEFILE): Promise<TestProject> {
  const project = made(imagefile);
  await project.good();
  return project;
}

/** What a --json of clean says. */
interface Said {
  readonly dryRun: boolean;
  readonly removed: readonly { readonly kind: string; readonly path: string }[];
  readonly kept: readonly { readonly path: string; readonly because: string }[];
}
const said = (text: string): Said => JSON.parse(text) as Said;

/** A slow machine has the records of a run with nothing to do as well, once the sources are three seconds old. */
function graphsOf(project: TestProject): string {
  const { length } = project.names(".imagemake/graphs");
  expect([1, 2, 3]).toContain(length);
  return length === 1 ? "1 graph" : `${length} graphs`;
}

test("clean removes links, logs, stages and saved graphs; the next build restores and builds nothing", async () => {
  const project = await built();
  mkdirSync(project.path(".imagemake/stage/mx20c2v7-efd629a1/work"), { recursive: true });
  const names = project.names("out");
  const graphs = graphsOf(project);
  const cleaned = await project.good("clean");
  expect(cleaned.stdout).toBe(`removed 1 stage, 3 logs, ${graphs}, 1 module and 3 links\n`);
  for (const dir of ["out", ".imagemake/stage", ".imagemake/logs", ".imagemake/graphs"])
    expect(project.names(dir)).toEqual([]);
  expect(project.names(".imagemake/releases")).toHaveLength(1);
  const again = await project.events({});
  expect(again.which("built")).toEqual([]);
  expect(again.which("restored")).toEqual(["disk", "greeting", "upper"]);
  expect(project.names("out")).toEqual(names);
});

test("with -n it names every path, and removes nothing", async () => {
  const project = await built();
  const everything = (): string =>
    // SQLite needs a file of shared memory also for reading.
    execFileSync("find", [project.dir, "!", "-name", "index.db-*", "-printf", "%p %i %s\\n"], {
      encoding: "utf8",
    });
  const before = everything();
  const graphs = graphsOf(project);
  const dry = await project.good("clean", "-n");
  const lines = dry.stdout.trimEnd().split("\n");
  expect(lines.slice(-4, -1)).toEqual([
    "out/disk.img",
    expect.stringMatching(/^out\/greeting-\d{8}\.txt$/),
    "out/upper.txt",
  ]);
  expect(lines.at(-1)).toBe(`would remove 3 logs, ${graphs}, 1 module and 3 links`);
  expect(everything()).toBe(before);
});

test("--json has every path with its kind", async () => {
  const project = await built();
  const { dryRun, removed, kept } = said((await project.good("clean", "-n", "--json")).stdout);
  expect([dryRun, kept]).toEqual([true, []]);
  expect(removed.filter(({ kind }) => kind === "link").map(({ path }) => path)).toEqual(
    project.names("out").map((name) => project.path("out", name)),
  );
});

test("where nothing was ever built there is nothing to clean, and nothing is made", async () => {
  const project = made();
  expect((await project.good("clean")).stdout).toBe("nothing to clean\n");
  expect(project.exists(".imagemake")).toBe(false);
});

test("what was edited stays, also when size and time were put back", async () => {
  const project = await built();
  const image = project.path("out/disk.img");
  const { atime, mtime } = statSync(image);
  writeFileSync(image, "HELLO\n");
  utimesSync(image, atime, mtime);
  const text = project.path("out/upper.txt");
  rmSync(text);
  writeFileSync(text, "my own notes\n");
  const { kept } = said((await project.good("clean", "--json")).stdout);
  expect(kept).toEqual([
    { path: image, because: "edited" },
    { path: text, because: "edited" },
  ]);
  expect(project.names("out")).toEqual(["disk.img", "upper.txt"]);
});

test("what was only touched or linked elsewhere is still what was linked, and goes", async () => {
  const project = await built();
  execFileSync("ln", [project.path("out/upper.txt"), project.path("elsewhere")]);
  execFileSync("touch", [project.path("out/disk.img")]);
  await project.good("clean");
  expect(project.names("out")).toEqual([]);
  expect(project.read("elsewhere")).toBe("HELLO\n");
});

test("an output that became an input stays, read by an action, as a list or by the Imagefile itself", async () => {
  for (const reading of [
    `export const more = run({ inputs: { IN: files("out/upper.txt") }, cmd: 'cat $IN > "$OUT"', out: "more.txt" });`,
    `export const more = run({ inputs: { IN: list("out/upper.txt") }, cmd: 'cat $IN > "$OUT"', out: "more.txt" });`,
    `import { readFileSync } from "node:fs";
     export const more = run({ inputs: {}, cmd: "echo " + readFileSync("out/upper.txt", "utf8").trim() + ' > "$OUT"', out: "more.txt" });`,
  ]) {
    const project = await built();
    project.write("Imagefile.ts", reading);
    const { kept } = said((await project.good("clean", "--json")).stdout);
    expect(kept).toEqual([{ path: project.path("out/upper.txt"), because: "an input" }]);
    expect(project.names("out")).toEqual(["upper.txt"]);
  }
});

test("with a broken Imagefile links stay, because what it reads is not known", async () => {
  const project = await built();
  project.write("Imagefile.ts", "export const = 1;");
  const cleaned = await project.run("clean");
  expect(cleaned.status).toBe(0);
  expect(cleaned.stderr).toContain("links stay, because what the Imagefile reads is not known");
  expect(project.names("out")).toHaveLength(3);
  expect(project.names(".imagemake/logs")).toEqual([]);
});

test("outputs of targets that are no longer in the Imagefile go too", async () => {
  const project = await built();
  project.write("Imagefile.ts", `export const other = run({ inputs: {}, cmd: ': > "$OUT"', out: "other" });`);
  await project.good("clean");
  expect(project.names("out")).toEqual([]);
});

test("links of an explicit release stay, those of an implicit one beside it go", async () => {
  const project = made();
  await project.good("--release", "20260101");
  await project.good("release", "start", "--release", "20260202");
  await project.good();
  await project.good("clean");
  // Undated names belong to the release that linked them last.
  expect(project.names("out")).toEqual(["disk.img", "greeting-20260202.txt", "upper.txt"]);
  expect(project.names("releases")).toEqual(["20260202.json"]);
  expect(project.names(".imagemake/releases")).toEqual(["20260101.json"]);
});

test("each line cleans its own links", async () => {
  const project = await built();
  project.write("8.2.ts", `export const other = run({ inputs: {}, cmd: ': > "$OUT"', out: "other-8.2" });`);
  await project.good("-f", "8.2.ts", "other");
  await project.good("clean", "-f", "8.2.ts");
  expect(project.names("out")).toHaveLength(3);
  expect(project.names("out")).not.toContain("other-8.2");
});

test("in the copy of a project, the outputs of the first one stay", async () => {
  const project = await built();
  const copy = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  try {
    cpSync(project.dir, copy, { recursive: true, preserveTimestamps: true });
    await project.call({ cwd: copy }, "clean");
    expect(project.names("out")).toHaveLength(3);
  } finally {
    rmSync(copy, { recursive: true });
  }
});

test("what is mounted in a stage is unmounted, never deleted; a symlink in one is not followed", async () => {
  const project = await built();
  project.write("precious/file", "precious");
  mkdirSync(project.path(".imagemake/stage/mx20c2v7-efd629a1/mnt"), { recursive: true });
  symlinkSync(project.path("precious"), project.path(".imagemake/stage/mx20c2v7-efd629a2"));
  const mount = 'mount --bind "$1" "$2"; shift 2; exec "$@"';
  const [from, to] = [project.path("precious"), project.path(".imagemake/stage/mx20c2v7-efd629a1/mnt")];
  const cleaned = await project.call(
    { under: ["unshare", "--mount", "sh", "-euc", mount, "sh", from, to] },
    "clean",
  );
  expect(cleaned.status).toBe(0);
  expect(project.names(".imagemake/stage")).toEqual([]);
  expect(project.read("precious/file")).toBe("precious");
});

test("it waits for a build that is going on, or says so with --no-wait", async () => {
  const project = made(`export const slow = run({
    inputs: {}, cmd: 'while ! [ -e "$GO" ]; do :; done; echo x > "$OUT"', out: "slow.txt", env: { GO: process.cwd() + "/go" },
  });`);
  const building = project.start({}, "slow", "--progress", "plain");
  await new Promise<void>((resolve) => {
    building.stderr?.on("data", (chunk: Buffer) => {
      if (chunk.includes("start slow")) resolve();
    });
  });
  const refused = await project.run("clean", "--no-wait");
  expect([refused.status, refused.stderr]).toEqual([3, expect.stringContaining("is running here")]);
  const cleaning = project.start({}, "clean");
  const told = finish(cleaning);
  await new Promise<void>((resolve) => {
    cleaning.stderr?.on("data", (chunk: Buffer) => {
      if (chunk.includes("waiting for imagemake")) resolve();
    });
  });
  project.write("go", "");
  expect((await finish(building)).status).toBe(0);
  expect((await told).status).toBe(0);
  expect(project.names("out")).toEqual([]);
  expect(existsSync(project.path(".imagemake/stage"))).toBe(true);
});

test("words are refused: clean is not told what to clean", async () => {
  const project = await built();
  const refused = await project.run("clean", "upper");
  expect(refused.status).toBe(2);
  expect(readFileSync(project.path("out/upper.txt"), "utf8")).toBe("HELLO\n");
});
