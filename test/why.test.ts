// Every reason for which something is built or linked, brought about as a user would, and its words in dry runs
// and in `why`; and that `why` explains the last build where there is nothing to do.
import { chmodSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { BuildReason, Decision, RestoreReason } from "../engine/reason.js";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

const IMAGEFILE = `
import { run, rule, apt, files, list, env, probe } from "imagemake";
const copy = (name: string, out = name) => run({ inputs: { SRC: files(name) }, cmd: 'cat $SRC > "$OUT"', out });
export const source = copy("source.txt");
export const reader = run({ inputs: { IN: source }, cmd: 'cp "$IN" "$OUT"', out: "reader.txt" });
export const glob = copy("glob/*.txt", "glob.txt");
export const names = run({ inputs: { NAMES: list("names.list") }, cmd: 'cp "$NAMES" "$OUT"', out: "names.txt" });
export const setting = run({ inputs: { SET: env("IM_SET", { optional: true }) }, cmd: 'echo "$SET" > "$OUT"', out: "setting.txt" });
export const probed = run({ inputs: { P: probe("cat probe.txt") }, cmd: 'cp "$P" "$OUT"', out: "probed.txt" });
export const command = run({ inputs: {}, cmd: 'echo one > "$OUT"', out: "command.txt", env: { LANG: "C" } });
export const xbit = copy("xbit.txt");
export const fails = run({ inputs: {}, cmd: "exit 1", out: "fails.txt" });
export const fresh = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "fresh.txt" });
export const lost = copy("lost.txt");
export const missing = copy("missing.txt");
export const edited = copy("edited.txt");
export const inPlace = copy("in-place.txt");
export const linked = copy("linked.txt");
export const back = copy("back.txt");
export const image = copy("image.txt", "image-{date}.txt");
// Nobody has asked this repository yet.
export const base = rule.rootfs({ repo: apt({ url: "http://repo.invalid/debian", suite: "bookworm" }), arch: "amd64", packages: ["base-files"] });
`;

const FILES = ["source", "probe", "xbit", "lost", "missing", "edited", "in-place", "linked", "back", "image"];
const TARGETS =
  "source reader glob names setting probed command xbit lost missing edited in-place linked back image".split(
    " ",
  );

let project: TestProject;
let decisions: Readonly<Record<string, Decision>>;
let words: Readonly<Record<string, string>>;

beforeAll(async () => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "glob/a.txt": "a\n",
    "glob/b.txt": "b\n",
    "names.list": "vim\nnano\n",
    ...Object.fromEntries(FILES.map((name) => [`${name}.txt`, `${name}\n`])),
  });
  await project.call({ env: { IM_SET: "off" } }, "-k", ...TARGETS, "fails");
  project.write("back.txt", "forth\n");
  await project.good("back");
  changeEverything();
  const options = { env: { IM_SET: "on" } };
  const all = [...TARGETS, "fails", "fresh", "base"];
  const [text, json] = await Promise.all([
    project.call(options, "-n", ...all),
    project.call(options, "-n", "--json", ...all),
  ]);
  const rows = JSON.parse(json.stdout) as ({ target: string } & Decision)[];
  decisions = Object.fromEntries(rows.map(({ target, ...decision }) => [target, decision]));
  words = Object.fromEntries(
    text.stdout.split("\n").map((line) => [line.split(":")[0] ?? "", line.replace(/^[^:]*: /, "")]),
  );
});
afterAll(() => project.remove());

/** The file in the store that holds these bytes. */
function inStore(content: string): string {
  const files = project
    .names(".imagemake/store/files")
    .flatMap((dir) =>
      project.names(`.imagemake/store/files/${dir}`).map((name) => `.imagemake/store/files/${dir}/${name}`),
    );
  return project.path(files.find((name) => project.read(name) === content) ?? "nothing has that content");
}

function changeEverything(): void {
  project.write("source.txt", "another\n");
  rmSync(project.path("glob/b.txt"));
  project.write("glob/c.txt", "c\n");
  project.write("names.list", "nano\nvim\nless\n");
  project.write("probe.txt", "another\n");
  project.write(
    "Imagefile.ts",
    IMAGEFILE.replace("echo one >", "echo two >").replace('LANG: "C"', 'LANG: "de", TERM: "dumb"'),
  );
  chmodSync(project.path("xbit.txt"), 0o755);
  rmSync(inStore("lost\n"));
  rmSync(project.path("out/missing.txt"));
  rmSync(project.path("out/edited.txt"));
  writeFileSync(project.path("out/edited.txt"), "edited\n");
  chmodSync(project.path("out/in-place.txt"), 0o644);
  writeFileSync(project.path("out/in-place.txt"), "IN-place\n");
  rmSync(project.path("out/linked.txt"));
  symlinkSync("../linked.txt", project.path("out/linked.txt"));
  project.write("back.txt", "back\n");
}

describe("an action is built because", () => {
  const cases: Record<BuildReason["kind"], readonly (readonly [string, RegExp | string])[]> = {
    "never-built": [["fresh", "never built"]],
    changed: [
      ["source", "input SRC source.txt changed"],
      ["glob", "input SRC glob/b.txt removed; input SRC glob/c.txt added"],
      ["names", "input NAMES in/NAMES/names.list changed"],
      ["setting", "input SET changed"],
      ["probed", "input P in/P/probe changed"],
      [
        "command",
        `command changed: "echo one > \\"$OUT\\"" → "echo two > \\"$OUT\\""; environment LANG changed; environment TERM added`,
      ],
      ["xbit", "input SRC xbit.txt became executable"],
    ],
    "input-pending": [["reader", "input source is out of date"]],
    "not-resolved": [["base", "packages not resolved"]],
    "failed-before": [["fails", "failed last time: exit status 1"]],
    // Need steps and a repository: test/packages-lists.test.ts.
    inserted: [],
    unresolvable: [],
    unchecked: [], // packages-policy.test.ts
    "artifact-lost": [["lost", "artifact of lost is gone from the store"]],
    // Needs -B; below.
    rejected: [],
    "adopted-otherwise": [], // release-adopt.test.ts
    forced: [],
  };
  const rows = Object.entries(cases).flatMap(([kind, ones]) =>
    ones.map(([target, text]) => [target, kind, text] as const),
  );

  test.each(rows)("%s: %s", (target, kind, text) => {
    expect(decisions[target]).toMatchObject({ kind: "build", reason: { kind } });
    expect(words[target]).toMatch(text);
    if (typeof text === "string") expect(words[target]).toBe(text);
  });

  test("command: forced by -B", async () => {
    expect((await project.run("-n", "-B", "missing")).stdout).toBe("missing: forced\n");
    expect((await project.run("why", "-B", "missing")).stdout).toBe("missing: forced\n");
  });
});

describe("a link is made because", () => {
  const cases: Record<RestoreReason["kind"], readonly (readonly [string, string | RegExp])[]> = {
    missing: [["missing", /\/out\/missing\.txt is missing$/]],
    edited: [
      ["edited", /\/out\/edited\.txt was edited$/],
      ["linked", /\/out\/linked\.txt was edited$/],
    ],
    "key-known": [["back", /^input SRC back\.txt changed; built before \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)$/]],
    // Needs another release; below.
    "new-name": [],
    shared: [], // shared-cache.test.ts
  };
  const rows = Object.entries(cases).flatMap(([kind, ones]) =>
    ones.map(([target, text]) => [target, kind, text] as const),
  );

  test.each(rows)("%s: %s", (target, kind, text) => {
    expect(decisions[target]).toMatchObject({ kind: "restore", reason: { kind } });
    expect(words[target]).toMatch(text);
  });

  test("image: new name, in another release", async () => {
    const { stdout } = await project.run("why", "image", "--release", "20310203");
    expect(stdout).toMatch(/^image: new name .*\/out\/image-20310203\.txt\n$/);
  });

  test("an edit in place that went into the store is no link to make", () => {
    // Where out/ holds reflinks the store is whole, and the link is made again.
    const hardLink = statSync(project.path("out/in-place.txt")).nlink > 1;
    expect(decisions["in-place"]?.kind).toBe(hardLink ? "build" : "restore");
    if (hardLink) expect(words["in-place"]).toBe("artifact of in-place is gone from the store");
  });
});

describe("why", () => {
  test("explains in full, with everything beneath that has to be built first", async () => {
    const [reader, command] = await Promise.all([
      project.run("why", "reader"),
      project.run("why", "command"),
    ]);
    expect(reader.stdout).toBe("reader: input source is out of date\nsource: input SRC source.txt changed\n");
    expect(command.stdout).toBe(
      [
        `command: command changed: "echo one > \\"$OUT\\"" → "echo two > \\"$OUT\\""`,
        `  environment LANG changed`,
        `  environment TERM added\n`,
      ].join("\n"),
    );
  });

  test("explains the last build once there is nothing to do", async () => {
    await project.call({ env: { IM_SET: "on" } }, ...TARGETS);
    await project.good("-B", "missing");
    await project.good("fresh");
    const past = async (target: string): Promise<string[]> => {
      const { stdout } = await project.call({ env: { IM_SET: "on" } }, "why", target);
      const [head, when, ...lines] = stdout.trimEnd().split("\n");
      expect(head).toBe(`${target}: up to date`);
      expect(when).toMatch(/^ {2}last built \d{4}-\d\d-\d\d \d\d:\d\d UTC in release \d{8}:$/);
      return lines.map((line) => line.trim());
    };
    const [source, reader, setting, missing, lost, fresh] = await Promise.all(
      ["source", "reader", "setting", "missing", "lost", "fresh"].map(past),
    );
    expect(source).toEqual(["input SRC source.txt changed"]);
    expect(reader).toEqual(["input IN in/IN/source.txt changed"]);
    expect(setting).toEqual(["input SET changed"]);
    const again = ["nothing had changed: it was forced, or its artifact was gone or rejected"];
    expect([missing, lost]).toEqual([again, again]);
    expect(fresh).toEqual(["because it had never been built"]);
  });

  test("of a failed target has its status, its log's end and where that is", async () => {
    project.write("Imagefile.ts", IMAGEFILE.replace('cmd: "exit 1"', 'cmd: "echo no such disk; exit 7"'));
    expect((await project.run("fails")).status).toBe(1);
    const { stdout } = await project.run("why", "fails");
    const [head, ...lines] = stdout.trimEnd().split("\n");
    expect(head).toBe("fails: failed last time: exit status 7");
    expect(lines).toEqual([
      expect.stringMatching(/^ {2}tried \d{4}-\d\d-\d\d \d\d:\d\d UTC$/),
      "  | no such disk",
      expect.stringMatching(/^ {2}log: \.imagemake\/logs\/[\w-]+\.log \(imagemake log fails\)$/),
    ]);
    expect(project.read(/log: (\S+)/.exec(lines.at(-1) ?? "")?.[1] ?? "")).toBe("no such disk\n");
    project.write("Imagefile.ts", IMAGEFILE.replace('cmd: "exit 1"', 'cmd: "exit 8"'));
    const edited = (await project.run("why", "fails")).stdout;
    expect(edited).toMatch(/^fails: command changed: .*"exit 8"/);
    expect(edited).toContain(" UTC, failed: exit status 7\n  | no such disk\n");
  });

  test("is about one target that exists", async () => {
    const [many, none] = await Promise.all([project.run("why", "source*"), project.run("why", "sourse")]);
    expect(many.status).toBe(0);
    expect(none.stderr).toBe("imagemake: unknown target sourse\n  did you mean source?\n");
    const group = await project.run("-f", "Imagefile.ts", "why", "[lm]*");
    expect(group.stderr).toMatch(/^imagemake: name one target, not \d/);
    expect(group.status).toBe(2);
  });
});

describe("why compares with what is published, not with what ran last", () => {
  let again: TestProject;
  beforeAll(async () => {
    again = makeProject({
      "Imagefile.ts": `
export const file = run({ inputs: { F: files("f"), G: files("g") }, cmd: 'cat "$F" "$G" > "$OUT"', out: "file" });
export const dated = run({ inputs: { F: files("f"), G: files("g") }, cmd: 'cat "$F" "$G" > "$OUT"', out: "dated-{date}" });
export const tree = run({ inputs: { F: files("f"), G: files("g") }, cmd: 'cat "$F" "$G" > "$OUT/all"', tree: true });
`,
      f: "1\n",
      g: "1\n",
    });
    const targets = ["file", "dated", "tree"];
    await again.good(...targets);
    again.write("f", "2\n");
    await again.good(...targets);
    again.write("f", "1\n");
    await again.good(...targets);
  });
  afterAll(() => again.remove());

  const TARGETS = ["file", "dated", "tree"] as const;

  test.each(TARGETS)("%s: after a revert it tells why what is there was built", async (target) => {
    const { stdout } = await again.good("why", target);
    expect(stdout).toMatch(/: up to date\n {2}last built .*:\n {4}because it had never been built\n$/);
  });

  test("after a revert and another edit it names that edit alone", async () => {
    again.write("g", "2\n");
    for (const target of TARGETS)
      expect((await again.good("why", target)).stdout).toBe(`${target}: input G g changed\n`);
    await again.good(...TARGETS);
    for (const target of TARGETS)
      expect((await again.good("why", target)).stdout).toMatch(/:\n {4}input G g changed\n$/);
  });

  test("a failed attempt in between does not count", async () => {
    again.write("g", "3\n");
    again.write("f", "broken\n");
    const imagefile = again.read("Imagefile.ts");
    again.write(
      "Imagefile.ts",
      imagefile.replace(/cmd: '/g, `cmd: 'if grep -q broken "$F"; then exit 1; fi; `),
    );
    expect((await again.run("-k", ...TARGETS)).status).toBe(1);
    again.write("Imagefile.ts", imagefile);
    again.write("f", "1\n");
    for (const target of TARGETS) {
      const [first, second] = (await again.good("why", target)).stdout.split("\n");
      expect(first).toBe(`${target}: input G g changed`);
      expect(second).toMatch(/^ {2}the last attempt, .* UTC, failed: exit status 1$/);
    }
  });
});

describe("of several steps of one kind", () => {
  const STEPS = `step.write("/one", "1"), step.write("/two", "2"), step.write("/three", "3")`;
  let steps: TestProject;
  const imagefile = (list: string): string => `import { rule, run, step } from "imagemake";
const base = run({ inputs: {}, tree: true, cmd: 'mkdir "$OUT/etc"' });
export const p = rule.platformfs({ from: base, steps: [${list}], out: "p.tar" });
`;
  beforeAll(async () => {
    steps = makeProject({ "Imagefile.ts": imagefile(STEPS) });
    await steps.good("p");
  });
  afterAll(() => steps.remove());

  /** The first line that says more than which input is out of date. */
  const reason = async (list: string): Promise<readonly string[]> => {
    steps.write("Imagefile.ts", imagefile(list));
    const { stdout } = await steps.good("why", "p");
    return stdout.split("\n").filter((line) => line !== "" && !line.includes("is out of date"));
  };

  test("one that is put in is not compared with a neighbour that is still there", async () => {
    expect(
      await reason(STEPS.replace('step.write("/two"', 'step.write("/new", "0"), step.write("/two"')),
    ).toEqual(["p/base-2: a new step.write; what had its name is p/base-3"]);
  });

  test("one that is edited beside it is compared with what it was", async () => {
    expect(await reason(`${STEPS.replace('"2"', '"2b"')}, step.write("/new", "0")`)).toEqual([
      "p/base-2: environment CONTENT changed",
    ]);
  });
});
