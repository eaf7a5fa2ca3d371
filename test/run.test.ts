// The general rule and what an action sees, through the real command line: the form of DESIGN section 9.
import { chmodSync, lstatSync, mkdtempSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject, type Told } from "./support/cli.js";

jest.setTimeout(60_000);

const EXAMPLE = `
export const greeting = run({
  inputs: { SRC: files("src/*.txt"), NAMES: list("names.txt") },
  cmd: \`cat $SRC > "$OUT"\`,
  out: "greeting-{date}.txt",
  env: { LANG: "C" }, timeout: 600, guards: { minSize: 1 },
});
export const upper = run({ inputs: { IN: greeting }, cmd: \`tr a-z A-Z < "$IN" > "$OUT"\`, out: "upper.txt" });
export const many = each(["a", "b"], name => run({ inputs: {}, cmd: \`echo \${name} > "$OUT"\`, out: \`many-\${name}.txt\` }));
`;

describe("the example of the general rule", () => {
  let project: TestProject;
  let first: Told;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": EXAMPLE,
      "src/a.txt": "hello\n",
      "src/b.txt": "world\n",
      "names.txt": "zoe\nann\n",
    });
    first = await project.events({}, "greeting", "upper", "many");
  });
  afterAll(() => project.remove());

  test("builds every target once, under its name", () => {
    const date = first.about("release")?.datecode ?? "";
    expect(first.status).toBe(0);
    expect(first.which("built")).toEqual(["greeting", "many-a", "many-b", "upper"]);
    expect(project.names("out")).toEqual([`greeting-${date}.txt`, "many-a.txt", "many-b.txt", "upper.txt"]);
    expect(project.read(`out/greeting-${date}.txt`)).toBe("hello\nworld\n");
    expect(project.read("out/upper.txt")).toBe("HELLO\nWORLD\n");
    expect(project.read("out/many-b.txt")).toBe("b\n");
  });

  test("leaves read-only files, no stage and one log a build", () => {
    expect(project.names("out").map((name) => lstatSync(project.path("out", name)).mode)).toEqual([
      0o100444, 0o100444, 0o100444, 0o100444,
    ]);
    expect(project.names(".imagemake/stage")).toEqual([]);
    expect(project.names(".imagemake/logs")).toHaveLength(4);
  });

  test("a second run has nothing to do, and a comment in a list is no change", async () => {
    project.write("names.txt", "# who\nann   zoe\n\n");
    const again = await project.run("greeting", "upper", "many");
    expect(again.status).toBe(0);
    expect(again.stderr).toMatch(/^release \d{8} \(opened .*\)\nnothing to do\n$/);
    expect(again.stdout).toBe("");
  });

  test("a result that comes out the same stops everything after it", async () => {
    project.write("names.txt", "ann\nbob\nzoe\n");
    const { status, which } = await project.events({}, "upper");
    expect(status).toBe(0);
    expect(which("built")).toEqual(["greeting"]);
    expect(which("up-to-date")).toEqual(["upper"]);
  });

  test("an edit rebuilds what reads it, and nothing else", async () => {
    project.write("src/b.txt", "moon\n");
    const { which } = await project.events({}, "upper", "many");
    expect(which("built")).toEqual(["greeting", "upper"]);
    expect(project.read("out/upper.txt")).toBe("HELLO\nMOON\n");
  });

  test("the x bit of a source counts", async () => {
    chmodSync(project.path("src/a.txt"), 0o755);
    const { which, about } = await project.events({}, "greeting");
    expect(which("built")).toEqual(["greeting"]);
    expect(JSON.stringify(about("started", "greeting")?.reason)).toContain("input SRC src/a.txt");
  });

  test("-B builds what is wanted whatever is known, with all that it needs", async () => {
    const { which } = await project.events({}, "-B", "upper");
    expect(which("built")).toEqual(["greeting", "upper"]);
  });
});

/** What the commands below find out about themselves, one file a target. */
const WITNESSES = (outside: string): string => `
const out = (name: string) => ({ out: \`\${name}.txt\` });
export const art = run({ inputs: {}, cmd: 'echo art > "$OUT"', out: "art_{date}.tar.gz" });
export const dir = run({ inputs: {}, cmd: 'mkdir "$OUT/sub"; echo in > "$OUT/sub/file"', tree: true });
export const two = run({ inputs: {}, cmd: 'echo 1 > "$ONE"; echo 2 > "$TWO"', outs: { ONE: "one-{date}.txt", TWO: "two.txt" } });

export const inputs = run({
  inputs: {
    ONE: files("src/a.txt"), GLOB: files("src/**/*.txt"), FROM: files("*.txt", { from: "src/deep" }), NONE: files("none/*", { optional: true }),
    HOST: files(${JSON.stringify(join(outside, "host.txt"))}), NAMES: list("lists/names"), RAW: files("lists/*"),
    SET: env("IM_SET"), UNSET: env("IM_UNSET", { optional: true }), PROBE: probe("echo probed"), ART: art, DIR: dir, TWO: two.TWO,
  },
  cmd: 'for i in ONE GLOB FROM NONE HOST NAMES RAW SET UNSET PROBE ART DIR TWO; do eval "echo \\\\"$i=\\\\$$i\\\\""; done > "$OUT"; ' +
    'cat "$NAMES" "$RAW" "$PROBE" "$ART" "$DIR/sub/file" "$TWO" "$HOST" >> "$OUT"',
  ...out("inputs"),
});
export const words = run({
  inputs: { ONE: files("src/a.txt"), DIR: dir },
  cmd: ["sh", "-c", 'printf "<%s>\\n" "$@" > "$0"', "$OUT", "$ONE", "$DIR/sub/x", "x$OTHER", "\${OTHER}", "*", "{date}"],
  ...out("words"),
});
export const environment = run({ inputs: { ONE: files("src/a.txt") }, env: { LANG: "C", D: "at {date}" }, cmd: ["cp", "/proc/self/environ", "$OUT"], ...out("environment") });
export const undated = run({ inputs: {}, cmd: ["cp", "/proc/self/environ", "$OUT"], ...out("undated") });
export const told = run({ inputs: {}, date: true, cmd: 'echo "$DATECODE {date}" > "$OUT"', out: "told-{date}.txt" });
export const place = run({
  inputs: { ONE: files("src/a.txt") },
  cmd: '{ pwd; ls -A; ls src; readlink /proc/self/fd/0; readlink /proc/self/ns/net; ls /sys/class/net /dev/shm; echo "$$"; } > "$OUT" 2>&1',
  ...out("place"),
});
export const online = run({ inputs: {}, network: true, cmd: 'readlink /proc/self/ns/net > "$OUT"', ...out("online") });
export const exec = run({ inputs: { TOOL: files("tool.sh") }, cmd: '"./$TOOL" > "$OUT"; chmod +x "$OUT"', out: "exec" });
export const narrow = run({ inputs: { ONE: files("src/a.txt") }, cmd: 'cat src/b.txt > "$OUT"', ...out("narrow") });
`;

describe("what a command is given", () => {
  const outside = mkdtempSync(join(tmpdir(), "imagemake-outside-"));
  let project: TestProject;
  let built: Told;
  const lines = (name: string): string[] => project.read(`out/${name}.txt`).trimEnd().split("\n");
  beforeAll(async () => {
    writeFileSync(join(outside, "host.txt"), "host\n");
    project = makeProject({
      "Imagefile.ts": WITNESSES(outside),
      "src/a.txt": "a\n",
      "src/b.txt": "b\n",
      "src/deep/c.txt": "c\n",
      "lists/names": "vim # editor\n\n# nothing\nnano  less\nvim\n",
      "tool.sh": "#!/bin/sh\necho ran\n",
    });
    chmodSync(project.path("tool.sh"), 0o755);
    const names = "inputs words environment undated told place online exec narrow".split(" ");
    built = await project.events({ env: { IM_SET: "yes", LEAK: "leaked" } }, "-k", ...names);
  });
  afterAll(() => {
    project.remove();
    rmSync(outside, { recursive: true });
  });

  test("each input is a variable that holds its path in the stage, or its value", () => {
    expect(lines("inputs")).toEqual([
      "ONE=src/a.txt",
      "GLOB=src/a.txt",
      "src/b.txt",
      "src/deep/c.txt",
      "FROM=src/deep/c.txt",
      "NONE=",
      `HOST=host${outside}/host.txt`,
      "NAMES=in/NAMES/names",
      "RAW=lists/names",
      "SET=yes",
      "UNSET=",
      "PROBE=in/PROBE/probe",
      "ART=in/ART/art.tar.gz",
      "DIR=in/DIR",
      "TWO=in/TWO/two.txt",
      ...["less", "nano", "vim"],
      ...["vim # editor", "", "# nothing", "nano  less", "vim"],
      ...["probed", "art", "in", "2", "host"],
    ]);
  });

  test("an array is filled in where an element is $NAME or begins $NAME/, and nowhere else", () => {
    const date = built.about("release")?.datecode ?? "";
    expect(lines("words")).toEqual(
      ["src/a.txt", "in/DIR/sub/x", "x$OTHER", "${OTHER}", "*", date].map((word) => `<${word}>`),
    );
  });

  test("the environment is complete and holds nothing else", () => {
    const date = built.about("release")?.datecode ?? "";
    const variables = (name: string): Record<string, string> =>
      Object.fromEntries(
        project
          .read(`out/${name}.txt`)
          .split("\0")
          .filter((text) => text !== "")
          .map((text) => [text.split("=")[0] ?? "", text.slice(text.indexOf("=") + 1)]),
      );
    const base = {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/imagemake/.home",
      TMPDIR: "/imagemake/.tmp",
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
      SOURCE_DATE_EPOCH: "1577836800",
      GIT_CEILING_DIRECTORIES: "/",
    };
    expect(variables("undated")).toEqual({ ...base, OUT: ".out/undated.txt" });
    expect(variables("environment")).toEqual({
      ...base,
      ...{ OUT: ".out/environment.txt", ONE: "src/a.txt", LANG: "C", D: `at ${date}`, DATECODE: date },
    });
  });

  test("the log of a command that printed nothing says so", async () => {
    const { stdout, stderr } = await project.good("log", "undated");
    expect([stdout, stderr]).toEqual(["", "imagemake: undated printed nothing\n"]);
  });

  test("the date comes only to those that declare it", () => {
    const date = built.about("release")?.datecode ?? "";
    expect(project.read(`out/told-${date}.txt`)).toBe(`${date} ${date}\n`);
  });

  test("the directory holds the declared inputs and nothing else; standard input is empty; there is no network", () => {
    const said = lines("place");
    expect(said[0]).toBe("/imagemake");
    expect(said.slice(1, 6)).toEqual([".home", ".out", ".tmp", "src", "a.txt"]);
    expect(said[6]).toBe("/dev/null");
    expect(said[7]).not.toBe(readlinkSync("/proc/self/ns/net"));
    expect(Number(said.at(-1))).toBeLessThan(10);
    expect(lines("online")).toEqual([readlinkSync("/proc/self/ns/net")]);
  });

  test("an undeclared input is missing", () => {
    const failed = built.about("failed", "narrow");
    expect(built.status).toBe(1);
    expect(failed?.failure).toEqual({ kind: "exit", status: 1 });
    expect(failed?.tail.join("\n")).toContain("src/b.txt: No such file");
  });

  test("an executable result is linked as one", () => {
    expect(project.read("out/exec")).toBe("ran\n");
    expect(statSync(project.path("out/exec")).mode & 0o777).toBe(0o555);
  });

  test("outs makes several files, of which only the wanted need be named", () => {
    const date = built.about("release")?.datecode ?? "";
    expect(project.read(`out/one-${date}.txt`)).toBe("1\n");
    expect(built.which("built")).toContain("two-ONE");
  });
});

describe("an input of very many files", () => {
  const COUNT = 4000;
  let project: TestProject;
  beforeAll(() => {
    const name = "a-name-that-is-forty-characters-long-";
    project = makeProject({
      "Imagefile.ts": `
const SRC = files("many/*");
export const paths = run({ inputs: { SRC }, cmd: 'wc -l < .inputs/SRC > "$OUT"; ls many | wc -l >> "$OUT"', out: "paths.txt" });
export const variable = run({ inputs: { SRC }, cmd: 'cat $SRC > "$OUT"', out: "variable.txt" });
export const word = run({ inputs: { SRC }, cmd: ["sh", "-c", ": > $0", "$OUT", "$SRC"], out: "word.txt" });
`,
      ...Object.fromEntries(Array.from({ length: COUNT }, (_, at) => [`many/${name}${at}`, ""])),
    });
  });
  afterAll(() => project.remove());

  test("has its paths in a file, since no variable can hold them, and says so where one is used", async () => {
    const told = await project.events({}, "-k", "paths", "variable", "word");
    expect(project.read("out/paths.txt")).toBe(`${COUNT}\n${COUNT}\n`);
    const [variable, word] = [told.about("failed", "variable"), told.about("failed", "word")];
    expect(variable?.tail[0]).toMatch(
      /^imagemake: \$SRC is not set: .* they are in \.inputs\/SRC, one a line$/,
    );
    expect(variable?.failure).toEqual({ kind: "exit", status: 1 });
    expect(word?.failure).toMatchObject({
      kind: "problem",
      problem: { exit: 2, message: "word: $SRC is more than one word of a command can hold" },
    });
  });
});
