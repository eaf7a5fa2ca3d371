// Signals, terminals, and children that outlive their action: the exit status, nothing left running, a terminal as it
// was, and a next run that builds what was stopped.
import { chmodSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync } from "node:fs";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { Stopper } from "../engine/execute/local/stop.js";
import { finish, makeProject, MAIN, type Ended, type TestProject } from "./support/cli.js";
import { expectBuilds, expectSettled, makePuppet, noneLeft, processesIn } from "./support/faults.js";
import { until } from "./support/sandbox.js";
import { inTerminal } from "./support/fake-terminal.js";

jest.setTimeout(120_000);

const puppet = makePuppet();
const cp = makePuppet();
/** Counts the TERMs that were ignored. */
const termed = makePuppet();
afterAll(() => {
  for (const one of [puppet, cp, termed]) one.close();
});

const IMAGEFILE = `
const wait = (trap: string) => \`if [ -s src/wait ]; then \${trap}; echo half > "$OUT"; ${puppet.cmd} fi; cat $SRC > "$OUT"\`;
const a = (name: string, trap = ":") => run({ inputs: { SRC: files("src/*") }, cmd: wait(trap), out: name + ".txt" });
export const plain = a("plain");
export const polite = a("polite", "echo waits; trap 'echo stopped >&2; exit 0' TERM");
export const stubborn = a("stubborn", "trap '${termed.note}' TERM");
export const after = run({ inputs: { IN: polite }, cmd: 'cp "$IN" "$OUT"', out: "after.txt" });
export const other = run({ inputs: { SRC: files("src/*") }, cmd: '[ ! -s src/wait ] || sleep 600; cat $SRC > "$OUT"', out: "other.txt" });
export const disk = run({ inputs: { SRC: files("src/*") }, cmd: 'cat $SRC > "$OUT"', out: "disk.img" });
export const litter = run({ inputs: {}, cmd: 'sleep 600 & setsid sleep 600 & (sleep 600; echo late) & echo done > "$OUT"', out: "litter.txt" });
`;

let project: TestProject;
let builds = 0;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, "src/1": "0\n", "src/wait": "wait" });
});
afterAll(() => project.remove());

/** Starts a build and waits until one action waits. */
async function startWaiting(...words: string[]): Promise<ChildProcess> {
  project.write("src/1", `${(builds += 1)}\n`);
  project.write("src/wait", "wait\n");
  const runs = puppet.runs();
  const building = project.start({}, ...words);
  await puppet.started(runs + 1, building);
  return building;
}

/** Sends a signal until it is over; several that come close together are one. */
async function press(building: ChildProcess, signal: NodeJS.Signals): Promise<Ended> {
  const ended = finish(building);
  await until("it has ended", () => {
    if (building.exitCode === null) building.kill(signal);
    return building.exitCode !== null;
  });
  return ended;
}

/** After an interruption: nothing runs, nothing was made; one run without waiting makes it, another has nothing to do. */
async function expectStopped(names: readonly string[]): Promise<void> {
  await noneLeft(project);
  expect(project.names(".imagemake/stage")).toEqual([]);
  project.write("src/wait", "");
  await expectBuilds(project, [...names].sort(), ...names);
  for (const name of names) rmSync(project.path(`out/${name}.txt`));
}

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 143],
] as const)("%s stops everything in order: exit status %d", async (signal, status) => {
  const building = await startWaiting("-j2", "-k", "plain", "other");
  building.kill(signal);
  const ended = await finish(building);
  expect(ended.status).toBe(status);
  expect(ended.stderr).toContain("interrupted");
  expect(project.names("out")).toEqual([]);
  await expectStopped(["plain", "other"]);
});

test("an action that was sent TERM has not succeeded, even if it says so, and nothing after it starts", async () => {
  const building = await startWaiting("after");
  building.kill("SIGTERM");
  const { status, stderr } = await finish(building);
  expect(status).toBe(143);
  expect(stderr).not.toContain("built polite");
  expect(stderr).not.toContain("start after");
  expect(project.names("out")).toEqual([]);
  await expectStopped(["polite", "after"]);
});

test("the log of an action can be read while it runs, after it was stopped, and after a kill", async () => {
  project.write("src/wait", "");
  await project.good("polite");
  const building = await startWaiting("polite");
  const log = async (): Promise<Ended> => project.run("log", "polite");
  const data = async (): Promise<unknown> =>
    JSON.parse((await project.good("log", "polite", "--json")).stdout);
  expect(await log()).toEqual({
    status: 0,
    stdout: "waits\n",
    stderr: expect.stringMatching(
      /^imagemake: polite is running since [^\n]*: this is its log so far \(-f goes on\)\n$/,
    ),
  });
  expect(await data()).toMatchObject({ action: "polite", status: "running" });
  building.kill("SIGINT");
  await finish(building);
  expect(await log()).toEqual({
    status: 0,
    stdout: "waits\nstopped\n",
    stderr: expect.stringMatching(/^imagemake: polite was stopped before its end: it was started at /),
  });
  const killed = await startWaiting("polite");
  killed.kill("SIGKILL");
  await finish(killed);
  await noneLeft(project);
  expect((await log()).stdout).toBe("waits\n");
  expect(await data()).toMatchObject({ action: "polite", status: "stopped" });
  // The end of a run is recorded: then it is the last.
  project.write("src/wait", "");
  await expectBuilds(project, ["polite"], "polite");
  expect(await log()).toEqual({ status: 0, stdout: "", stderr: "imagemake: polite printed nothing\n" });
  rmSync(project.path("out/polite.txt"));
});

test("an action that ignores TERM is killed after ten seconds", async () => {
  const building = await startWaiting("stubborn");
  const begun = Date.now();
  building.kill("SIGINT");
  expect((await finish(building)).status).toBe(130);
  expect(Date.now() - begun).toBeGreaterThan(9_900);
  await expectStopped(["stubborn"]);
});

test("Ctrl-C does not wait for what is being digested, and nothing of it is published", async () => {
  const big = makeProject({
    "Imagefile.ts": `export const big = run({ inputs: {}, cmd: 'truncate -s 40G "$OUT"; : done', out: "big.bin" });
export const read = run({ inputs: { S: files("input.bin") }, cmd: ': > "$OUT"', out: "read" });`,
  });
  try {
    // Tens of seconds of zeros, one read by an action's end and one as a source.
    big.write("input.bin", "");
    truncateSync(big.path("input.bin"), 40 * 2 ** 30);
    for (const [target, sign] of [
      ["big", "hashing"],
      ["read", "deciding"],
    ] as const) {
      const building = big.start({}, target);
      const ended = finish(building);
      const opened = (): boolean => openFilesOf(building).some((path) => /big\.bin|input\.bin/.test(path));
      await until(`it is ${sign}`, opened);
      const at = performance.now();
      building.kill("SIGINT");
      expect(await ended).toMatchObject({ status: 130 });
      expect(performance.now() - at).toBeLessThan(5000);
      expect(big.names("out")).toEqual([]);
    }
    expect((await big.run("-q", "big")).status).toBe(1);
  } finally {
    big.remove();
  }
});

/** Paths that a process has open. */
const openFilesOf = ({ pid }: ChildProcess): string[] => {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
};

test("a second Ctrl-C does not wait", async () => {
  const building = await startWaiting("stubborn");
  const [begun, stopping] = [Date.now(), termed.runs()];
  building.kill("SIGINT");
  await termed.started(stopping + 1, building);
  building.kill("SIGINT");
  expect((await finish(building)).status).toBe(130);
  expect(Date.now() - begun).toBeLessThan(9_000);
  await expectStopped(["stubborn"]);
});

test("a second Ctrl-C does not wait for a copy either", async () => {
  project.write("bin/cp", `#!/bin/sh\n${cp.cmd}`);
  chmodSync(project.path("bin/cp"), 0o755);
  const env = { PATH: `${project.path("bin")}:${process.env["PATH"] ?? ""}` };
  const building = project.start({ env }, "disk");
  await cp.started(1, building);
  expect((await press(building, "SIGTERM")).status).toBe(143);
  await noneLeft(project);
  expect(project.names("out")).toEqual([]);
  await expectBuilds(project, [], "disk");
  rmSync(project.path("out/disk.img"));
});

test("children that hold the log open hold nothing up, and end with their action", async () => {
  await expectBuilds(project, ["litter"], "litter");
  await noneLeft(project);
  const { stdout } = await project.good("log", "litter");
  expect(stdout).toBe("");
});

describe("Ctrl-Z", () => {
  let ticking: TestProject;
  beforeEach(() => {
    ticking = makeProject({
      "Imagefile.ts": `export const t = run({ inputs: { GO: env("GO") }, out: "t.txt", timeout: 120,
  cmd: 'while :; do /bin/true; done & until [ -e "$GO" ]; do echo tick; sleep 0.01; done; kill %1; echo > "$OUT"' });`,
    });
  });
  afterEach(() => ticking.remove());

  /** A process group of its own with a parent outside of it, as a shell gives one: others the kernel does not stop. */
  const JOB = '$| = 1; if (!($p = fork)) { setpgrp; exec @ARGV } print "$p\\n"; waitpid $p, 0; exit $? >> 8';

  /** Starts it, and stops it once it ticks. Returns the engine's process. */
  async function stopped(): Promise<{ readonly building: ChildProcess; readonly engine: number }> {
    const under = ["perl", "-e", JOB];
    const building = ticking.start({ under, env: { GO: ticking.path("go") } }, "-s", "t");
    const [first] = (await once(building.stdout ?? building, "data")) as [Buffer];
    const engine = Number(String(first));
    const before = ticks();
    await until("it ticks", () => ticks() > before + 2);
    process.kill(engine, "SIGTSTP");
    await until("the engine is stopped", () => stateOf(engine) === "T");
    await until(
      "the action is stopped",
      () => acting().length > 1 && acting().every((pid) => stateOf(pid) === "T"),
    );
    return { building, engine };
  }
  const ticks = (): number =>
    ticking
      .names(".imagemake/logs")
      .filter((name) => name.endsWith(".log"))
      .reduce((sum, name) => sum + ticking.read(`.imagemake/logs/${name}`).split("\n").length, 0);
  const read = (path: string): string => {
    try {
      return readFileSync(path, "latin1");
    } catch {
      return "";
    }
  };
  const stateOf = (pid: number | string): string => /\) (\w)/.exec(read(`/proc/${pid}/stat`))?.[1] ?? "";
  /** The processes of the action itself, by a variable that nobody else has. */
  const acting = (): string[] =>
    processesIn(ticking.dir).filter((pid) => read(`/proc/${pid}/environ`).includes("SOURCE_DATE_EPOCH="));

  test("stops actions with the engine, and they go on with it", async () => {
    const { building, engine } = await stopped();
    const before = ticks();
    expect(ticks()).toBe(before);
    process.kill(engine, "SIGCONT");
    await until("it ticks again", () => ticks() > before);
    // A second time.
    process.kill(engine, "SIGTSTP");
    await until("the action is stopped", () => acting().every((pid) => stateOf(pid) === "T"));
    process.kill(engine, "SIGCONT");
    ticking.write("go", "");
    expect(await finish(building)).toMatchObject({ status: 0, stderr: "" });
    expect(ticking.names("out")).toEqual(["t.txt"]);
  });

  test("time that is stopped counts neither for the timeout nor for the grace", () => {
    jest.useFakeTimers();
    try {
      const said: string[] = [];
      const say = (word: string) => () => void said.push(word);
      const stopper = new Stopper(1000, 500, {
        ask: say("ask"),
        force: say("force"),
        lastResort: say("last"),
      });
      jest.advanceTimersByTime(900);
      stopper.suspend();
      jest.advanceTimersByTime(5000);
      stopper.resume();
      jest.advanceTimersByTime(90);
      expect(said).toEqual([]);
      jest.advanceTimersByTime(20);
      expect([said, stopper.because]).toEqual([["ask"], "timeout"]);
      stopper.suspend();
      jest.advanceTimersByTime(5000);
      stopper.resume();
      expect(said).toEqual(["ask"]);
      jest.advanceTimersByTime(600);
      expect(said).toEqual(["ask", "force"]);
      stopper.done();
      stopper.resume();
      jest.advanceTimersByTime(60_000);
      expect(said).toEqual(["ask", "force"]);
    } finally {
      jest.useRealTimers();
    }
  });

  test("a stopped engine that is interrupted or killed leaves nothing behind", async () => {
    const interrupted = await stopped();
    process.kill(interrupted.engine, "SIGTERM");
    process.kill(interrupted.engine, "SIGCONT");
    expect((await finish(interrupted.building)).status).toBe(143);
    await noneLeft(ticking);
    const killed = await stopped();
    process.kill(killed.engine, "SIGKILL");
    await finish(killed.building);
    await noneLeft(ticking);
  });
});

describe("in a terminal", () => {
  /** The shell outlives Ctrl-C, and compares the terminal's settings. */
  const script = (size: string, ...words: string[]): string =>
    `trap : INT; ${size}; stty -a > before; ${process.execPath} ${MAIN} ${words.join(" ")}; ` +
    "s=$?; stty -a > after; exit $s";
  /** Nothing that was switched is left so: cursor, updates held back, colours. */
  const expectSane = ({ stdout }: Ended): void => {
    for (const [on, off] of [
      ["\x1b[?25l", "\x1b[?25h"],
      ["\x1b[?2026h", "\x1b[?2026l"],
      ["\x1b[3", "\x1b[39m"],
    ] as const)
      expect(stdout.lastIndexOf(off)).toBeGreaterThanOrEqual(stdout.lastIndexOf(on));
    expect(project.read("after")).toBe(project.read("before"));
  };

  test.each([
    ["Ctrl-C stops in order", "plain", 1, "stty rows 24 cols 80"],
    ["a second Ctrl-C stops at once", "stubborn", 2, "stty rows 24 cols 80"],
    ["Ctrl-C stops in order where the terminal does not know its size", "plain", 1, "stty rows 0 cols 0"],
  ] as const)("%s, and leaves it as it was", async (_, target, keys, size) => {
    project.write("src/1", `${(builds += 1)}\n`);
    project.write("src/wait", "wait\n");
    const runs = puppet.runs();
    const terminal = inTerminal(project.dir, script(size, target));
    await puppet.started(runs + 1, terminal);
    const stopping = termed.runs();
    terminal.stdin?.write("\x03");
    if (keys > 1) {
      await termed.started(stopping + 1, terminal);
      terminal.stdin?.write("\x03");
    }
    const ended = await finish(terminal);
    expect(ended.status).toBe(130);
    expectSane(ended);
    await expectStopped([target]);
  });

  test("an ordinary end leaves it as it was", async () => {
    project.write("src/1", `${(builds += 1)}\n`);
    const ended = await finish(inTerminal(project.dir, script("stty rows 24 cols 80", "plain")));
    expect(ended.status).toBe(0);
    expectSane(ended);
    await expectSettled(project, "plain");
  });
});

describe("a reader that goes away", () => {
  test.each([
    ["of a listing", "list", ""],
    ["of a build's events", "--progress json -B plain", ""],
    ["of what is said", "-B plain 2>&1", ""],
  ])("%s ends nothing and is no fault", async (_, words) => {
    const pipe = `set -o pipefail; ${process.execPath} ${MAIN} ${words} | true`;
    const ended = await finish(
      spawn("bash", ["-c", pipe], { cwd: project.dir, stdio: ["ignore", "pipe", "pipe"] }),
    );
    expect(ended).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});
