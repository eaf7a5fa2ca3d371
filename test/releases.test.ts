// The life of a release as far as builds need it: started, joined, looked at; and lines, Imagefiles side by side
// with releases of their own. Through the real command line.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import type { Release } from "../engine/release/record.js";
import { atTime, makeProject, type Ended, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

const DAY = "2031-05-06T10:00:00Z";
const LATER = "2031-05-09T10:00:00Z";

const IMAGEFILE = `
export const image = each(["a", "b"], k => run({ inputs: { SRC: files("src.txt") }, cmd: 'cp "$SRC" "$OUT"', out: \`image-\${k}-{date}.txt\` }));
export const tree = run({ inputs: {}, cmd: 'echo > "$OUT/f"', tree: true });
export const extra = run({ inputs: {}, cmd: 'echo extra > "$OUT"', out: "extra.txt" });
export const bad = run({ inputs: {}, cmd: "exit 1", out: "bad.txt" });
`;
const SETTLED = `${IMAGEFILE}export default project({ default: [image], release: { of: [image, extra] } });\n`;

let project: TestProject;
const at = (moment: string, ...words: string[]): Promise<Ended> =>
  project.call({ under: atTime(moment) }, ...words);
const released = (file: string): Release & { readonly checksum?: string } =>
  JSON.parse(project.read(file)) as Release & { readonly checksum?: string };

describe("release start", () => {
  beforeEach(() => {
    project = makeProject({ "Imagefile.ts": SETTLED, "src.txt": "x\n" });
  });
  afterEach(() => project.remove());

  test("writes a file fit to be committed beside the Imagefile, and builds nothing", async () => {
    execFileSync("git", ["init", "-q"], { cwd: project.dir });
    const git = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"];
    execFileSync("git", [...git, "commit", "-q", "--allow-empty", "-m", "first"], { cwd: project.dir });
    const commit = execFileSync("git", ["rev-parse", "HEAD"], { cwd: project.dir, encoding: "utf8" }).trim();
    const started = await at(DAY, "release", "start");
    expect(started).toEqual({
      status: 0,
      stdout: "",
      stderr: `release 20310506 is open with 3 targets\n${project.path("releases/20310506.json")}\n`,
    });
    expect(project.names(".")).toEqual([".git", ".imagemake", "Imagefile.ts", "releases", "src.txt"]);
    expect(project.names("releases")).toEqual(["20310506.json"]);
    const text = project.read("releases/20310506.json");
    const release = released("releases/20310506.json");
    expect(release).toEqual({
      imagemake: 1,
      datecode: "20310506",
      state: "open",
      explicit: true,
      byName: false,
      opened: expect.stringMatching(/^2031-05-06T10:00:/),
      lastBuild: expect.stringMatching(/^2031-05-06T10:00:/),
      roster: ["image-a", "image-b", "extra"],
      atStart: ["image-a", "image-b", "extra"],
      commit,
      snapshots: {},
      closures: {},
      artifacts: {},
      dropped: [],
      rejected: [],
      accepted: [],
      verdicts: {},
      waived: [],
      ticked: {},
      history: [],
      collected: null,
      signature: null,
      previous: null,
    });
    // One value a line, ended by a newline: a diff of two such files can be read.
    expect(text).toBe(`${JSON.stringify(release, null, 1)}\n`);
    expect(text).not.toContain(project.dir);
    expect(statSync(project.path("releases/20310506.json")).mode & 0o777).toBe(0o644);
  });

  test("takes the roster from its words, else from project(…), else every exported file", async () => {
    const rosters: unknown[] = [];
    const start = async (date: string, ...words: string[]): Promise<void> => {
      const { stdout } = await at(DAY, "release", "start", "--json", "--release", date, ...words);
      rosters.push((JSON.parse(stdout) as { roster: unknown }).roster);
    };
    await start("20310101", "extra", "image-b");
    await start("20310102", "image-all");
    await start("20310103");
    project.write("Imagefile.ts", IMAGEFILE);
    await start("20310104");
    expect(rosters).toEqual([
      ["extra", "image-b"],
      ["image-a", "image-b"],
      ["image-a", "image-b", "extra"],
      ["image-a", "image-b", "extra", "bad"],
    ]);
    const unknown = await at(DAY, "release", "start", "imag-all");
    expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining("did you mean image-all?") });
    expect(project.names("releases")).toHaveLength(4);
  });

  test("on a day that is taken is refused, naming the respin; the newer one is current, the older stays open", async () => {
    await at(DAY, "release", "start");
    const before = project.read("releases/20310506.json");
    const taken = await at(DAY, "release", "start");
    expect(taken).toEqual({
      status: 2,
      stdout: "",
      stderr:
        "imagemake: there is a release 20310506 already\n" +
        "  imagemake release start --release 20310506.1 opens a respin of that day\n",
    });
    expect(project.read("releases/20310506.json")).toBe(before);
    await at("2031-05-06T11:00:00Z", "release", "start", "--release", "20310506.1");
    expect((await at("2031-05-06T12:00:00Z", "image-a-20310506.1.txt")).stderr).toContain(
      "release 20310506.1 (opened 11:00",
    );
    expect((await at("2031-05-06T12:00:00Z", "extra")).stderr).toContain(
      "release 20310506.1 (opened 11:00 UTC)",
    );
    expect((await at("2031-05-06T12:00:00Z", "--release", "20310506", "extra")).stderr).toContain(
      "release 20310506 (",
    );
    const again = await at(DAY, "release", "start");
    expect(again.stderr).toContain("release start --release 20310506.2");
  });

  test("after a build of that day pins anew under its date; --release makes the implicit one explicit with what it has", async () => {
    await at(DAY, "image");
    expect(project.names(".imagemake/releases")).toEqual(["20310506.json"]);
    const { checksum, ...implicit } = released(".imagemake/releases/20310506.json");
    expect(checksum).toMatch(/^[0-9a-f]{64}$/);
    await at("2031-05-06T13:00:00Z", "release", "start", "--release", "20310506", "image");
    expect(project.names(".imagemake/releases")).toEqual([]);
    expect(released("releases/20310506.json")).toEqual({
      ...implicit,
      explicit: true,
      roster: ["image-a", "image-b"],
      atStart: ["image-a", "image-b", "extra"],
    });
    const joined = await at(LATER, "image");
    expect(joined.stderr).toBe("release 20310506 (opened 10:00 UTC 3 days ago)\nnothing to do\n");
  });
});

describe("an explicit release", () => {
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": SETTLED, "src.txt": "x\n" });
    await at(DAY, "release", "start");
  });
  afterAll(() => project.remove());

  test("is joined by every later build, however long afterwards, and its file is written by rename", async () => {
    const inode = statSync(project.path("releases/20310506.json")).ino;
    const built = await at(LATER, "image");
    expect(built.stderr).toContain("release 20310506 (opened 10:00 UTC 3 days ago)\n");
    expect(project.names("out")).toEqual(["image-a-20310506.txt", "image-b-20310506.txt"]);
    expect(statSync(project.path("releases/20310506.json")).ino).not.toBe(inode);
    expect(project.names("releases")).toEqual(["20310506.json"]);
    expect(released("releases/20310506.json").lastBuild).toMatch(/^2031-05-09T10:00/);
  });

  test("status says what is there and what is missing, as text and as data", async () => {
    const [text, json] = await Promise.all([
      at(LATER, "release", "status"),
      at(LATER, "release", "status", "--json"),
    ]);
    expect(text.stdout).toBe(
      [
        "release 20310506 (opened 10:00 UTC 3 days ago)",
        `  explicit, open, ${project.path("releases/20310506.json")}`,
        "  2 of 3 targets are up to date",
        "    extra: never built",
        "  next: imagemake extra\n",
      ].join("\n"),
    );
    expect(JSON.parse(json.stdout)).toMatchObject({
      datecode: "20310506",
      state: "open",
      explicit: true,
      roster: ["image-a", "image-b", "extra"],
      targets: [
        { target: "image-a", decision: { kind: "up-to-date" } },
        { target: "image-b", decision: { kind: "up-to-date" } },
        { target: "extra", decision: { kind: "build", reason: { kind: "never-built" } } },
      ],
    });
    expect([text.status, json.status]).toEqual([0, 0]);
  });

  test("status names what left the Imagefile, and another release where one is named", async () => {
    await at(LATER, "release", "start", "--release", "20310509", "image");
    const [first, second, none] = await Promise.all([
      at(LATER, "release", "status", "--release", "20310506"),
      at(LATER, "release", "status"),
      at(LATER, "release", "status", "--release", "20300101"),
    ]);
    expect(first.stdout).toMatch(/^release 20310506 \(opened 10:00 UTC 3 days ago\)\n/);
    expect(first.stdout).toContain("  beside it: release 20310509 (open)\n");
    expect(second.stdout).toContain("    image-a: new name ");
    expect(none).toMatchObject({ status: 2, stderr: "imagemake: there is no release 20300101\n" });
    project.write("Imagefile.ts", SETTLED.replaceAll("extra", "other"));
    const gone = await at(LATER, "release", "status", "--release", "20310506");
    expect(gone.stdout).toContain("    extra: no longer in the Imagefile\n");
    // `extra` is no target that could be built.
    expect(gone.stdout).toContain("  next: imagemake release drop extra --because TEXT\n");
    const collect = await at(LATER, "release", "collect", "--release", "20310506");
    expect(collect.stderr).toContain("imagemake release drop extra --because TEXT takes it off the roster");
    project.write("Imagefile.ts", SETTLED);
  });

  test("that cannot be read, or comes from a newer imagemake, is named and nothing is built", async () => {
    const good = project.read("releases/20310509.json");
    for (const text of [good.slice(0, 50), good.replace('"imagemake": 1', '"imagemake": 2'), "[]"]) {
      project.write("releases/20310509.json", text);
      const ended = await at(LATER, "-B", "image");
      expect(ended.status).toBe(2);
      expect(ended.stderr).toContain(project.path("releases/20310509.json"));
      expect(ended.stderr).not.toContain("start ");
    }
    project.write("releases/20310509.json", good);
    project.write("releases/README.md", "not a release\n");
    expect((await at(LATER, "image")).status).toBe(0);
  });

  test("that is not open any more is not built in", async () => {
    const text = project.read("releases/20310509.json").replace('"state": "open"', '"state": "abandoned"');
    project.write("releases/20310509.json", text);
    const named = await at(LATER, "--release", "20310509", "image");
    expect(named.status).toBe(2);
    expect(named.stderr).toBe(
      "imagemake: release 20310509 is abandoned, not open\n  imagemake release start opens another\n",
    );
    expect((await at(LATER, "image")).stderr).toContain("release 20310506 (");
  });
});

describe("lines", () => {
  const line = (version: string, out: string): string => `
export const image = run({ inputs: { SRC: files("src.txt") }, cmd: 'cat "$SRC" > "$OUT"; echo ${version} >> "$OUT"', out: "${out}" });
export const same = run({ inputs: { SRC: files("src.txt") }, cmd: 'echo same > "$OUT"', out: "same-${version}.txt" });
`;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": line("main", "image-main-{date}.txt"),
      "8.2.ts": line("8.2", "image-8.2-{date}.txt"),
      "8.3.ts": line("8.3", "image-8.3-{date}.txt"),
      "src.txt": "x\n",
    });
    await at(DAY, "-f", "8.2.ts", "release", "start");
  });
  afterAll(() => project.remove());

  test("have releases of their own and share what is stored", async () => {
    const built = await Promise.all([
      at(LATER, "-f", "8.2.ts", "image", "same"),
      at(LATER, "-f", "8.3.ts", "image", "same"),
      at(LATER, "image", "same"),
    ]);
    expect(built.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(built.map(({ stderr }) => /release \d+ /.exec(stderr)?.[0])).toEqual([
      "release 20310506 ",
      "release 20310509 ",
      "release 20310509 ",
    ]);
    expect(project.names("out")).toEqual([
      "image-8.2-20310506.txt",
      "image-8.3-20310509.txt",
      "image-main-20310509.txt",
      ...["same-8.2.txt", "same-8.3.txt", "same-main.txt"],
    ]);
    expect(project.read("out/image-8.2-20310506.txt")).toBe("x\n8.2\n");
    expect(project.names("releases")).toEqual(["8.2"]);
    expect(project.names("releases/8.2")).toEqual(["20310506.json"]);
    expect(project.names(".imagemake/releases")).toEqual(["20310509.json", "8.2", "8.3"]);
    expect(project.names(".imagemake/releases/8.3")).toEqual(["20310509.json"]);
  });

  test("with the same target ids do not disturb each other: each has nothing to do, and its own last build", async () => {
    const idle = await Promise.all([
      at(LATER, "-f", "8.2.ts", "image", "same"),
      at(LATER, "-f", "8.3.ts", "image", "same"),
      at(LATER, "image", "same"),
    ]);
    for (const { stderr } of idle) expect(stderr).toMatch(/\nnothing to do\n$/);
    const logs = await Promise.all([at(LATER, "why", "image"), at(LATER, "-f", "8.2.ts", "why", "image")]);
    expect(logs[0].stdout).toContain("in release 20310509:\n    because it had never been built");
    expect(logs[1].stdout).toContain("in release 20310506:\n    because it had never been built");
    project.write("8.3.ts", line("8.3 edited", "image-8.3-{date}.txt"));
    const edited = await project.events({ under: atTime(LATER) }, "-f", "8.3.ts", "image");
    expect(edited.which("built")).toEqual(["image"]);
    expect((await at(LATER, "-f", "8.2.ts", "image", "same")).stderr).toContain("nothing to do");
  });

  test("an output name that another line has published already is refused before anything runs", async () => {
    project.write("8.4.ts", line("8.4", "image-8.2-{date}.txt"));
    const taken = await at(LATER, "-f", "8.4.ts", "image-20310506", "same");
    expect(taken.status).toBe(2);
    expect(taken.stderr).toContain(
      "imagemake: image: out/image-8.2-20310506.txt belongs to 8.2.ts, whose image it is\n",
    );
    expect(taken.stderr).not.toContain("start ");
    expect(project.read("out/image-8.2-20310506.txt")).toBe("x\n8.2\n");
    // Once the other Imagefile is gone, its files are nobody's.
    rmSync(project.path("8.2.ts"));
    expect((await at(LATER, "-f", "8.4.ts", "image-20310506")).status).toBe(0);
    expect(project.read("out/image-8.2-20310506.txt")).toBe("x\n8.4\n");
  });
});

describe("a release in a directory that cannot hold its file", () => {
  test("is a problem in words, and leaves nothing half-written", async () => {
    project = makeProject({ "Imagefile.ts": SETTLED, "src.txt": "x\n" });
    try {
      mkdirSync(project.path("releases/20310506.json"), { recursive: true });
      const ended = await at(DAY, "release", "start", "image");
      expect(ended.status).not.toBe(0);
      expect(ended.stderr).toContain(project.path("releases/20310506.json"));
      expect(ended.stderr).not.toContain("    at ");
      expect(readdirSync(project.path("releases"))).toEqual(["20310506.json"]);
    } finally {
      project.remove();
    }
  });
});
