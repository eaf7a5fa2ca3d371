// The midnight guard: the real command line under faketime, across UTC midnight and in other time zones.
// Actions do not inherit the false clock: to them it is today, which serves where a tool calls `date` itself.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { atTime, makeProject, type Ended, type TestProject, type Told } from "./support/cli.js";

jest.setTimeout(60_000);

const EVENING = "2031-05-06T23:41:00Z";
const NIGHT = "2031-05-07T00:05:00Z";
const ZONES = ["UTC", "Pacific/Auckland", "America/Los_Angeles"];

const IMAGEFILE = `
export const image = run({ inputs: { SRC: files("src.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "image-{date}.txt" });
export const fixed = run({ inputs: { IN: image }, cmd: 'cp "$IN" "$OUT"', out: "fixed.txt" });
export const told = run({ inputs: {}, date: true, cmd: 'echo "$DATECODE" > "$OUT"', out: "told-{date}.txt" });
export const label = run({ inputs: { IN: image }, env: { LABEL: "vol-{date}" }, cmd: 'echo "$LABEL" > "$OUT"', out: "label.txt" });
export const slow = run({ inputs: { CLOCK: env("CLOCK", { optional: true }) }, date: true, cmd: 'echo "@2031-06-07 00:30:00" > "$CLOCK"; echo "$DATECODE" > "$OUT"', out: "slow-{date}.txt" });
export const after = run({ inputs: { IN: slow }, cmd: 'echo "$(cat "$IN") {date}" > "$OUT"', out: "after-{date}.txt" });
`;

let project: TestProject;
const at = (moment: string, ...words: string[]): Promise<Ended> =>
  project.call({ under: atTime(moment) }, ...words);
const toldAt = (moment: string, ...words: string[]): Promise<Told> =>
  project.events({ under: atTime(moment) }, ...words);
const firstLine = ({ stderr }: Ended): string | undefined => stderr.split("\n")[0];
const releases = (): string[] => project.names(".imagemake/releases");

describe("a build that crosses midnight", () => {
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "src.txt": "evening\n" });
    const first = await at(EVENING, "image");
    expect(firstLine(first)).toBe("release 20310506 (opened now)");
  });
  afterAll(() => project.remove());

  test.each(ZONES)("joins the release and says so, in %s as everywhere", async (TZ) => {
    const late = (...words: string[]): Promise<Ended> =>
      project.call({ under: atTime(NIGHT), env: { TZ } }, ...words);
    const [print, dry, status] = await Promise.all([
      late("image-all-print"),
      late("-n", "image"),
      late("release", "status"),
    ]);
    expect(print.stdout).toBe("image-20310506.txt\n");
    expect(dry.stderr).toBe("release 20310506\n");
    expect(status.stdout).toMatch(/^release 20310506 \(opened 23:41 UTC yesterday\)\n/);
    expect(firstLine(await late("image"))).toBe("release 20310506 (opened 23:41 UTC yesterday)");
  });

  test("a build after midnight has the release's date in its names", async () => {
    project.write("src.txt", "night\n");
    const night = await at(NIGHT, "image", "told");
    expect(night.status).toBe(0);
    expect(project.names("out")).toEqual(["image-20310506.txt", "told-20310506.txt"]);
    expect(project.read("out/image-20310506.txt")).toBe("night\n");
    expect(project.read("out/told-20310506.txt")).toBe("20310506\n");
  });

  test("it is joined for twelve hours after its last build, and then another is opened", async () => {
    expect(firstLine(await at("2031-05-07T12:04:00Z", "image"))).toMatch(
      /^release 20310506 \(opened 23:41 UTC/,
    );
    const noon = await toldAt("2031-05-07T12:06:00Z", "image", "fixed", "label", "told");
    expect(noon.about("release")).toMatchObject({ datecode: "20310507", joined: false, explicit: false });
    // Unchanged artifacts get new names; only what uses the date, and what was never built, is built.
    expect(noon.which("restored")).toEqual(["image"]);
    expect(noon.which("built")).toEqual(["fixed", "label", "told"]);
    expect(project.read("out/image-20310506.txt")).toBe(project.read("out/image-20310507.txt"));
  });

  test("with the next day's release yesterday's artifacts are linked and nothing is built but what uses the date", async () => {
    const next = await toldAt("2031-05-08T10:00:00Z", "image", "fixed", "label", "told");
    expect(next.about("release")).toMatchObject({ datecode: "20310508", joined: false });
    expect(next.which("restored")).toEqual(["image"]);
    expect(next.which("up-to-date")).toEqual(["fixed"]);
    expect(next.which("built")).toEqual(["label", "told"]);
    expect(JSON.stringify(next.about("started", "label")?.reason)).toBe(
      JSON.stringify({
        kind: "build",
        reason: {
          kind: "changed",
          changes: [{ component: "date", before: "20310507", after: "20310508" }],
          packages: [],
        },
      }),
    );
    expect(project.read("out/label.txt")).toBe("vol-20310508\n");
    expect(await toldAt("2031-05-08T10:01:00Z", "image", "fixed", "label", "told")).toMatchObject({
      status: 0,
    });
    expect((await at("2031-05-08T10:02:00Z", "image", "label")).stderr).toMatch(/\nnothing to do\n$/);
  });

  test("a clock that jumps back joins what is there and builds nothing again", async () => {
    const back = await at("2031-05-07T20:00:00Z", "image", "label");
    expect(back.stderr).toBe("release 20310508 (opened 10:00 UTC on 2031-05-08)\nnothing to do\n");
  });

  test("a run that is at work when the day ends keeps its date", async () => {
    // The clock is a file, and the first action puts it on.
    const clock = project.path("clock");
    project.write("clock", "@2031-06-06 23:59:00\n");
    const preload = execFileSync("faketime", ["2031-06-06", "printenv", "LD_PRELOAD"], {
      encoding: "utf8",
    }).trim();
    const faked = { FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", DONT_FAKE_MONOTONIC: "1" };
    const told = await project.events(
      { env: { CLOCK: clock, LD_PRELOAD: preload, ...faked, TZ: "UTC" } },
      "slow",
      "after",
    );
    const started = ["slow", "after"].map((target) =>
      new Date(told.about("started", target)?.at ?? 0).toISOString(),
    );
    expect(started).toEqual([
      expect.stringMatching(/^2031-06-06T23:59/),
      expect.stringMatching(/^2031-06-07T00:30/),
    ]);
    expect(project.read("out/after-20310606.txt")).toBe("20310606 20310606\n");
  });
});

describe("a release named on the command line", () => {
  beforeEach(() => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "src.txt": "x\n" });
  });
  afterEach(() => project.remove());

  test("by --release, DATECODE=, a dated id or a file name is the same release, and only for that run", async () => {
    const ways = [
      ["--release", "20300101", "image"],
      ["DATECODE=20300101", "image"],
      ["image-20300101"],
      ["image-20300101.txt"],
      ["DATECODE=20300101", "--release", "20300101", "image-20300101.txt"],
    ];
    const said: (string | undefined)[] = [];
    for (const words of ways) said.push(firstLine(await at(NIGHT, ...words)));
    expect(said).toEqual([
      "release 20300101 (opened now)",
      ...ways.slice(1).map(() => "release 20300101 (opened 00:05 UTC)"),
    ]);
    expect(project.names("out")).toEqual(["image-20300101.txt"]);
    expect((await at(NIGHT, "--release", "20300101", "image-all-print")).stdout).toBe("image-20300101.txt\n");
    expect((await at(NIGHT, "image-all-print")).stdout).toBe("image-20310507.txt\n");
    expect(firstLine(await at(NIGHT, "image"))).toBe("release 20310507 (opened now)");
    expect(releases()).toEqual(["20300101.json", "20310507.json"]);
  });

  test("a respin has a name of its own", async () => {
    await at(NIGHT, "image-20300101.2");
    expect(project.names("out")).toEqual(["image-20300101.2.txt"]);
  });

  test("-print with no release open uses today's date in UTC and creates nothing", async () => {
    const printed = await Promise.all(
      ZONES.flatMap((TZ) =>
        [EVENING, NIGHT].map((moment) =>
          project.call({ under: atTime(moment), env: { TZ } }, "image-all-print", "told-all-print"),
        ),
      ),
    );
    const day = (date: string): string => `image-${date}.txt\ntold-${date}.txt\n`;
    expect(printed.map(({ stdout }) => stdout)).toEqual(
      ZONES.flatMap(() => [day("20310506"), day("20310507")]),
    );
    expect(project.names(".")).toEqual(["Imagefile.ts", "src.txt"]);
  });
});

describe("a tool that calls date itself", () => {
  const LATE = `$(faketime "2031-05-07 00:01:00 UTC" date -u +%Y%m%d)`;
  let built: Told;
  beforeAll(async () => {
    const tool = (name: string, more = ""): string =>
      `export const ${name} = run({ inputs: {}, cmd: \`echo ${name} > "${name}-${LATE}.txt"\`, out: "${name}-{date}.txt"${more} });\n`;
    project = makeProject({
      "Imagefile.ts": [
        tool("wrong"),
        tool("taken", ', collect: "taken-{date}.txt"'),
        tool("starred", ', collect: "star*-{date}.txt"'),
        tool("none", ', collect: "nothing-{date}.txt"'),
        `export const two = run({ inputs: {}, cmd: 'echo > a-20010101.x; echo > b-20010101.x', out: "two.x", collect: "*-{date}.x" });`,
        `export const both = run({ inputs: {}, cmd: 'echo out > "$OUT"; echo > both-20010101.x', out: "both-{date}.x", collect: "both-{date}.x" });`,
        `export const beside = run({ inputs: {}, cmd: 'echo > "$(dirname "$OUT")/beside-${LATE}.txt"', out: "beside-{date}.txt" });`,
      ].join("\n"),
    });
    built = await toldAt(EVENING, "-k", "wrong", "taken", "starred", "none", "two", "both", "beside");
  });
  afterAll(() => project.remove());

  test("is an error that names both names", async () => {
    expect(built.status).toBe(1);
    for (const name of ["wrong", "beside"]) {
      expect(built.about("failed", name)?.failure).toEqual({
        kind: "wrong-date",
        expected: `${name}-20310506.txt`,
        found: `${name}-20310507.txt`,
      });
    }
    const { stderr } = await at(EVENING, "wrong");
    expect(stderr).toContain(
      "failed wrong: output has another date: expected wrong-20310506.txt, found wrong-20310507.txt",
    );
  });

  test("with collect is taken, under the release's date", () => {
    expect(project.names("out")).toEqual(["both-20310506.x", "starred-20310506.txt", "taken-20310506.txt"]);
    expect(project.read("out/taken-20310506.txt")).toBe("taken\n");
    expect(project.read("out/both-20310506.x")).toBe("out\n");
  });

  test("with collect that matches none or several is refused, with their names", () => {
    const refused = (target: string): unknown => built.about("failed", target)?.failure;
    expect(refused("none")).toEqual({
      kind: "guard",
      output: "OUT",
      message: "no file matches nothing-{date}.txt",
    });
    expect(refused("two")).toEqual({
      kind: "guard",
      output: "OUT",
      message: "more than one file matches *-{date}.x: a-20010101.x, b-20010101.x",
    });
  });
});

describe("losing state", () => {
  beforeEach(() => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "src.txt": "x\n" });
  });
  afterEach(() => project.remove());
  const loseDatabase = (): void => {
    for (const suffix of ["", "-wal", "-shm"])
      rmSync(project.path(`.imagemake/index.db${suffix}`), { force: true });
  };

  test("without its database the open release is joined all the same, and what was built is built again", async () => {
    await at(EVENING, "image");
    loseDatabase();
    const again = await toldAt(NIGHT, "image");
    expect(again.about("release")).toMatchObject({ datecode: "20310506", joined: true });
    expect(again.which("built")).toEqual(["image"]);
    expect(project.names("out")).toEqual(["image-20310506.txt"]);
    expect((await at(NIGHT, "image")).stderr).toMatch(/nothing to do\n$/);
  });

  test("without all of .imagemake an implicit release is gone, and nothing else", async () => {
    await at(EVENING, "image");
    rmSync(project.path(".imagemake"), { recursive: true });
    const again = await toldAt(NIGHT, "image");
    expect(again.about("release")).toMatchObject({ datecode: "20310507", joined: false });
    expect(project.names("out")).toEqual(["image-20310506.txt", "image-20310507.txt"]);
  });

  test("without all of .imagemake an explicit release is joined, with the same names", async () => {
    await at(EVENING, "release", "start");
    await at(EVENING, "image");
    rmSync(project.path(".imagemake"), { recursive: true });
    const again = await toldAt("2031-05-09T00:05:00Z", "image");
    expect(again.about("release")).toMatchObject({ datecode: "20310506", joined: true, explicit: true });
    expect(again.which("built")).toEqual(["image"]);
    expect(project.names("out")).toEqual(["image-20310506.txt"]);
    expect((await at("2031-05-10T00:05:00Z", "image")).stderr).toBe(
      "release 20310506 (opened 23:41 UTC 4 days ago)\nnothing to do\n",
    );
  });
});
