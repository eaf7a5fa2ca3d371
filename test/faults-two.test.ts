// Two at once: builds of the same and of different targets, gc during a build, and those who only look. Whoever has
// to waits and says for whom; nothing is built twice; nobody waits who need not.
import { rmSync } from "node:fs";
import { type ChildProcess } from "node:child_process";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { finish, makeProject, type TestProject } from "./support/cli.js";
import { expectBuilds, expectSettled, makePuppet, noneLeft } from "./support/faults.js";
import { until } from "./support/sandbox.js";

jest.setTimeout(120_000);

const [a, b] = [makePuppet(), makePuppet()];
afterAll(() => {
  for (const one of [a, b]) one.close();
});

const IMAGEFILE = `
const one = (name: string, wait: string) =>
  run({ inputs: { SRC: files("src/*") }, cmd: \`if [ -s src/wait ]; then \${wait} fi; cat $SRC > "$OUT"\`, out: \`\${name}-{date}.txt\` });
export const a = one("a", '${a.cmd}');
export const b = one("b", '${b.cmd}');
export const ready = run({ inputs: {}, cmd: 'echo ready > "$OUT"', out: "ready.txt" });
`;

/** What a command has said so far. */
function listen(child: ChildProcess): () => string {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  return () => said;
}

describe("while a build runs", () => {
  let project: TestProject;
  let [building, runs]: [ChildProcess | undefined, number] = [undefined, 0];
  const date = (): string => project.names(".imagemake/releases")[0]?.slice(0, 8) ?? "";

  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "src/1": "0\n", "src/wait": "" });
    await project.good("ready", "a");
  });
  afterAll(() => project.remove());

  let builds = 0;
  /** Starts a build of \`a\` that waits. */
  const start = async (): Promise<ChildProcess> => {
    project.write("src/1", `${(builds += 1)}\n`);
    project.write("src/wait", "wait\n");
    runs = a.runs();
    building = project.start({}, "a");
    await a.started(runs + 1, building);
    return building;
  };
  /** Lets it end, and insists that it built once. */
  const end = async (): Promise<void> => {
    if (building === undefined) throw new Error("nothing was started");
    const ended = finish(building);
    a.release();
    expect((await ended).status).toBe(0);
    expect(a.runs()).toBe(runs + 1);
  };
  /** Starts another command and waits until it says for whom it waits. */
  const waiting = async (first: ChildProcess, ...words: string[]): Promise<ChildProcess> => {
    const second = project.start({}, ...words);
    const said = listen(second);
    await until("the second says for whom it waits", () => said().includes("waiting for"));
    expect(said()).toContain(`waiting for imagemake (process ${first.pid ?? 0})`);
    expect(second.exitCode).toBeNull();
    return second;
  };

  test("another of the same target waits, says for whom, and has nothing left to build", async () => {
    const second = await waiting(await start(), "a");
    const ended = finish(second);
    await end();
    expect((await ended).status).toBe(0);
    expect(a.runs()).toBe(runs + 1);
    await expectSettled(project, "a");
  });

  test("another of more targets waits, and builds only the others, in the same release", async () => {
    const second = await waiting(await start(), "a", "b");
    const ended = finish(second);
    await end();
    b.release();
    expect((await ended).status).toBe(0);
    expect([a.runs(), b.runs()]).toEqual([runs + 1, 1]);
    expect(project.names("out")).toEqual([`a-${date()}.txt`, `b-${date()}.txt`, "ready.txt"]);
    expect(project.names(".imagemake/releases")).toEqual([`${date()}.json`]);
    await expectSettled(project, "a", "b");
  });

  test("several wait in turn", async () => {
    const first = await start();
    const others = await Promise.all([
      waiting(first, "a"),
      waiting(first, "-B", "ready"),
      waiting(first, "ready", "a"),
    ]);
    const all = others.map((other) => finish(other));
    await end();
    for (const ended of await Promise.all(all)) expect(ended.status).toBe(0);
    expect(a.runs()).toBe(runs + 1);
    await expectSettled(project, "ready", "a");
  });

  test("with --no-wait another fails at once", async () => {
    const first = await start();
    for (const words of [["a"], ["-B", "ready"], ["cache", "gc"], ["clean"]]) {
      const { status, stderr } = await project.run("--no-wait", ...words);
      expect({ words, status }).toEqual({ words, status: 3 });
      expect(stderr).toContain(`imagemake (process ${first.pid ?? 0}) is running here`);
    }
    await end();
    await expectSettled(project, "a");
  });

  test("those who only look do not wait, nor does a run with nothing to do; nothing is changed by them", async () => {
    await start();
    const looking: readonly (readonly [readonly string[], number])[] = [
      [["-n", "a"], 0],
      [["-q", "a"], 1],
      [["-q", "ready"], 0],
      [["why", "a"], 0],
      [["list"], 0],
      [["show", "a"], 0],
      [["log", "a"], 0],
      [["a-all-print"], 0],
      [["cache", "stats"], 0],
      [["cache", "gc", "-n"], 0],
      [["release", "status"], 0],
      [["ready"], 0],
      [["-v", "ready"], 0],
    ];
    for (const [words, status] of looking) {
      const ended = await project.run("--no-wait", ...words);
      expect({ words, ...ended }).toMatchObject({ words, status });
    }
    await end();
    await expectSettled(project, "a");
  });

  test("gc waits, and takes nothing away from the build", async () => {
    const second = await waiting(await start(), "cache", "gc");
    const ended = finish(second);
    await end();
    expect((await ended).status).toBe(0);
    await expectSettled(project, "a");
    expect(project.read(`out/a-${date()}.txt`)).toBe(`${builds}\nwait\n`);
  });

  test("whoever waits can be interrupted, and goes on when the first is killed", async () => {
    const first = await start();
    const [second, third] = [await waiting(first, "a"), await waiting(first, "a")];
    second.kill("SIGINT");
    expect((await finish(second)).status).toBe(130);
    const ended = finish(third);
    first.kill("SIGKILL");
    // Not before: the action of the first may still take the word that it can go on.
    await a.started(runs + 2, third);
    a.release();
    expect((await ended).status).toBe(0);
    expect(a.runs()).toBe(runs + 2);
    await noneLeft(project);
    await expectSettled(project, "a");
  });
});

describe("two at once", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts": `
export const many = each(["1", "2", "3", "4", "5", "6"], (name) =>
  run({ inputs: { SRC: files("src/*") }, cmd: \`${a.note}; cat $SRC > "$OUT"; echo \${name} >> "$OUT"\`, out: \`\${name}.txt\` }));
`,
      "src/1": "0\n",
    });
  });
  afterAll(() => project.remove());

  test("from the very first build on, build every target once", async () => {
    for (const round of [1, 2]) {
      project.write("src/1", `${round}\n`);
      const before = a.runs();
      const ended = await Promise.all([
        project.run("many-1", "many-2", "many-3", "many-4"),
        project.run("many-3", "many-4", "many-5", "many-6"),
        project.run("many"),
      ]);
      expect(ended.map(({ status, stderr }) => ({ status, fault: stderr.includes("fault") }))).toEqual(
        Array(3).fill({ status: 0, fault: false }),
      );
      expect(a.runs()).toBe(before + 6);
      expect(project.read("out/4.txt")).toBe(`${round}\n4\n`);
    }
    await expectSettled(project, "many");
  });
});

describe("two targets that claim one output name", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({ "src/1": "0\n" });
  });
  afterAll(() => project.remove());

  test.each([
    ["as written", "one.txt", "one.txt"],
    ["with one date", "one-{date}.txt", "one-{date}.txt"],
  ])("%s are refused before anything is built", async (_, first, second) => {
    const target = (name: string, out: string): string =>
      `export const ${name} = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "${out}" });`;
    project.write("Imagefile.ts", [target("first", first), target("second", second)].join("\n"));
    const { status, stderr } = await project.run("first");
    expect(status).toBe(2);
    expect(stderr).toMatch(/first and second have the same output name, one/);
    expect(project.names("out")).toEqual([]);
  });

  test("and one that takes a name over from another that is gone is built", async () => {
    const target = (name: string): string =>
      `export const ${name} = run({ inputs: {}, cmd: 'echo ${name} > "$OUT"', out: "one.txt" });`;
    project.write("Imagefile.ts", target("first"));
    await expectBuilds(project, ["first"], "first");
    project.write("Imagefile.ts", target("second"));
    await expectBuilds(project, ["second"], "second");
    expect(project.read("out/one.txt")).toBe("second\n");
    project.write("Imagefile.ts", target("first"));
    await expectBuilds(project, [], "first");
    expect(project.read("out/one.txt")).toBe("first\n");
    rmSync(project.path("out"), { recursive: true });
  });
});
