// A signal at each named step of a build (cache/steps.ts), one after the other: to the engine, to its process group, to
// the command of an action. Afterwards nothing half-made is in out/, nothing is mounted, nothing runs; the next run makes
// what one makes that was never killed, the one after it has nothing to do, and `cache gc` leaves the same files. What
// is tried of all the ways is chosen by a seed: IMAGEMAKE_SEED=SEED npm test -- killed, or SEED/STEP,… for some steps alone.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { afterAll, expect, jest, test } from "@jest/globals";
import { codeOf } from "../cache/io.js";
import { STEPS, type Step } from "../cache/steps.js";
import { expectSettled, noneLeft, processesIn } from "./support/faults.js";
import { HELD, pathsOf, removeShared, SCENARIOS } from "./support/killed.js";
import type { KilledProject, Scenario } from "./support/killed.js";
import { mountsOf, until } from "./support/sandbox.js";
import { startAt, stepsOf, taken, type Point, type StepsEnd, type StepsRun } from "./support/steps.js";

const EXPENSIVE = process.env["IMAGEMAKE_EXPENSIVE"] !== undefined;
jest.setTimeout(EXPENSIVE ? 3 * 3600_000 : 900_000);
afterAll(removeShared);

/** CI tries the same each time: what it finds is of the change that it is run on. */
const [SEED = "", ONLY] = (
  process.env["IMAGEMAKE_SEED"] ?? (EXPENSIVE ? randomBytes(4).toString("hex") : "20261129")
).split("/");

/** One of them, by the seed. */
function pick<T>(all: readonly T[], ...of: readonly unknown[]): T {
  const digest = createHash("sha256")
    .update(JSON.stringify([SEED, ...of]))
    .digest();
  const found = all[digest.readUInt32LE() % all.length];
  if (found === undefined) throw new Error("there is none");
  return found;
}

/** What is sent. */
const SIGNALS = ["SIGKILL", "SIGTERM", "SIGINT", "SIGINT twice"] as const;
/** To whom: the engine alone, its process group, the command of an action and what it started. */
const WHOM = ["engine", "group", "action"] as const;

/** One kill. */
interface Kill {
  readonly point: Point;
  readonly signal: (typeof SIGNALS)[number];
  readonly whom: (typeof WHOM)[number];
  /** The action that runs then, and waits. */
  readonly held: (typeof HELD)[number] | null;
}

const TWICE = ["SIGINT", "SIGINT"] as const;

const nameOf = (signal: Kill["signal"]): NodeJS.Signals => (signal === "SIGINT twice" ? "SIGINT" : signal);

/** A scenario, with what a run of it reaches. */
interface Reaching {
  readonly scenario: Scenario;
  readonly points: readonly Point[];
  /** What is right, by content. */
  readonly right: readonly Right[];
}

/** Outputs, and all paths after `cache gc`. */
interface Right {
  readonly outputs: Readonly<Record<string, string>>;
  readonly paths: readonly string[];
}

/** Builds a scenario that is never killed, twice all its contents: what is right, and what the last run reaches. */
async function neverKilled(scenario: Scenario): Promise<Reaching> {
  const project = await scenario.make();
  try {
    const right: Right[] = [];
    let end: StepsEnd | null = null;
    for (let time = 0; time < 2 * scenario.contents; time += 1) {
      const content = time % scenario.contents;
      scenario.lay(project, content);
      if (time > 0) await scenario.before?.(project, scenario.words);
      // One action after the other: so occurrences of steps are of the same actions each time.
      end = await stepsOf(project, "-j1", ...scenario.words);
      expect({ status: end.status, stderr: end.stderr }).toMatchObject({ status: 0 });
      await expectSettled(project, ...scenario.words);
      await project.good("cache", "gc");
      right[content] = { outputs: project.outputs(), paths: pathsOf(project) };
    }
    return { scenario, points: end?.steps ?? [], right };
  } finally {
    project.remove();
  }
}

const isProbe = ({ of = "" }: Point): boolean => /\/probe-[^/]*$/.test(of);

/** A project of a scenario that is killed again and again. */
class Victim {
  #project: KilledProject | null = null;
  #content = 0;

  constructor(readonly reaching: Reaching) {}

  /** Kills it and looks what has become of it. */
  async suffer(kill: Kill): Promise<void> {
    const { scenario, right } = this.reaching;
    const project = (this.#project ??= await this.#begin());
    const old = right[this.#content];
    this.#content = (this.#content + 1) % scenario.contents;
    const now = right[this.#content];
    if (old === undefined || now === undefined) throw new Error("it is not known what is right");
    scenario.lay(project, this.#content);
    await scenario.before?.(project, scenario.words);
    project.hold(...(kill.held === null ? [] : [kill.held]));
    const end = await this.#kill(project, kill);
    project.hold();
    expectEnd(kill, end);
    await noneLeft(project);
    expect(mountsOf(project.dir)).toEqual([]);
    for (const [name, digest] of Object.entries(project.outputs()))
      expect([`${name} ${old.outputs[name]}`, `${name} ${now.outputs[name]}`]).toContain(`${name} ${digest}`);
    if (kill.held !== null) await expectLog(project, kill.held);
    await project.good(...scenario.words);
    expect(project.outputs()).toEqual(now.outputs);
    await expectSettled(project, ...scenario.words);
    await project.good("cache", "gc");
    expect(pathsOf(project)).toEqual(now.paths);
    scenario.after?.(project);
  }

  async #begin(): Promise<KilledProject> {
    const project = await this.reaching.scenario.make();
    this.#content = 0;
    this.reaching.scenario.lay(project, 0);
    await project.good(...this.reaching.scenario.words);
    return project;
  }

  async #kill(project: KilledProject, kill: Kill): Promise<StepsEnd> {
    const run = startAt(project, kill.point, "-j1", ...this.reaching.scenario.words);
    try {
      await this.#send(project, kill, run);
      run.go();
    } catch (error) {
      run.child.kill("SIGKILL");
      await run.ended();
      throw error;
    }
    return run.ended();
  }

  async #send(project: KilledProject, { signal, whom, held }: Kill, run: StepsRun): Promise<void> {
    const waited = project.waited();
    await run.stopped();
    if (held !== null) await until(`${held} runs`, () => project.waited() > waited);
    const pid = run.child.pid ?? 0;
    const to = whom === "action" ? commandsIn(project) : [whom === "group" ? -pid : pid];
    for (const [time, name] of (signal === "SIGINT twice" ? TWICE : [signal]).entries()) {
      // Two that are not taken yet are one.
      if (time > 0) await taken(pid);
      for (const one of to) sendTo(one, name);
    }
    await taken(pid);
  }

  /** Forgets the project: after a failure nothing can be said of it. */
  remove(): void {
    this.#project?.remove();
    this.#project = null;
  }
}

/** One that has gone with the one before it is sent nothing. */
function sendTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (codeOf(error) !== "ESRCH") throw error;
  }
}

/** The command that an action runs, and what that started. */
const commandsIn = (project: KilledProject): number[] =>
  processesIn(project.dir)
    .filter((pid) => environmentOf(pid).includes("HOME=/imagemake/"))
    .map(Number);

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    // It is gone.
    return "";
  }
}

/** What an action said can be read, though it did not come to its end. */
async function expectLog(project: KilledProject, action: string): Promise<void> {
  const { status } = await project.run("log", action);
  expect(status).toBe(0);
}

/** How a run has to end that was sent this. */
function expectEnd({ signal, whom }: Kill, end: StepsEnd): void {
  const { status, signal: by, stderr, steps, before } = end;
  if (whom === "action") {
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("failed ") });
    return;
  }
  if (signal === "SIGKILL") {
    expect(by).toBe("SIGKILL");
    return;
  }
  const reachedBefore = new Set(steps.slice(0, before).map(({ step }) => step));
  const after = steps.slice(before);
  const listens = reachedBefore.has("lock taken") && !reachedBefore.has("lock released");
  const asked = signal === "SIGTERM" ? 143 : 130;
  // Before and after the build it is what it is for any program.
  if (!listens && by === nameOf(signal)) return;
  // Too late: all was done.
  if (status === 0 && !after.some((point) => point.step === "started" && !isProbe(point))) return;
  expect({ status, by, stderr }).toEqual({ status: asked, by: null, stderr: expect.any(String) });
}

/** All ways to kill the engine but the first, by which it is killed at every step. */
const OTHERS = (["engine", "group"] as const)
  .flatMap((whom) => SIGNALS.map((signal) => ({ whom, signal })))
  .slice(1);

const occurrencesOf = ({ points }: Reaching, step: Step): Point[] =>
  points.filter((point) => point.step === step && !isProbe(point));

/** One occurrence of a step; of those of files one for each directory: who clears them differs. */
function eachKind(points: readonly Point[]): Point[] {
  const kinds = new Map<string, Point[]>();
  for (const point of points) {
    const kind = point.step.startsWith("file ") ? basename(dirname(point.of ?? "")) : "";
    kinds.set(kind, [...(kinds.get(kind) ?? []), point]);
  }
  return [...kinds].map(([kind, all]) => pick(all, all[0]?.step, kind));
}

/** What is tried in a scenario; `steps` are those that no earlier one reached. */
function killsOf(reaching: Reaching, steps: readonly Step[]): Kill[] {
  const kills: Kill[] = [];
  for (const step of steps) {
    const points = occurrencesOf(reaching, step);
    for (const point of EXPENSIVE ? points : eachKind(points))
      kills.push({ point, whom: "engine", signal: "SIGKILL", held: null });
    for (const other of EXPENSIVE ? OTHERS : [])
      kills.push({ point: pick(points, step, other), ...other, held: null });
  }
  if (!steps.includes("started")) return kills;
  // Every other way once at least.
  for (const other of EXPENSIVE ? [] : OTHERS)
    kills.push({ point: pick(occurrencesOf(reaching, pick(steps, other)), other), ...other, held: null });
  return [...kills, ...whileRunning(reaching)];
}

/** While a command runs, and has children, and half an output. */
function whileRunning({ points }: Reaching): Kill[] {
  const begun = points.filter(({ step }) => step === "claimed").map(({ of }) => of);
  const probes = points.filter((point) => point.step === "started" && isProbe(point)).length;
  const ways = [
    { whom: "engine", signal: "SIGKILL" } as const,
    ...OTHERS,
    ...SIGNALS.slice(0, 3).map((signal) => ({ whom: "action", signal }) as const),
  ];
  const to = (held: Kill["held"], way: (typeof ways)[number]): Kill => ({
    point: { step: "started", nth: probes + begun.indexOf(held ?? "") + 1 },
    ...way,
    held,
  });
  if (EXPENSIVE) return HELD.flatMap((held) => ways.map((way) => to(held, way)));
  // In CI two signals for each of whom, and an action for each of these.
  return WHOM.flatMap((whom) => {
    const all = ways.filter((way) => way.whom === whom);
    const first = pick(all, whom);
    const second = pick(
      all.filter(({ signal }) => signal !== first.signal),
      whom,
    );
    return [first, second].map((way) => to(pick(HELD, whom, way), way));
  });
}

/** Tries them two at a time, a project each. Returns what went wrong. */
async function tryAll(reaching: Reaching, kills: readonly Kill[]): Promise<string[]> {
  const wrong: string[] = [];
  const left = [...kills];
  const lane = async (): Promise<void> => {
    const victim = new Victim(reaching);
    for (let kill = left.shift(); kill !== undefined && wrong.length < 10; kill = left.shift()) {
      try {
        await victim.suffer(kill);
      } catch (error) {
        const { point, signal, whom, held } = kill;
        const when = `${point.step} ${point.nth} (${point.of ?? ""}${held === null ? "" : `, ${held} runs`})`;
        const said = `${signal} to the ${whom} ${reaching.scenario.name}, at ${when}:\n${String(error)}`;
        wrong.push(said);
        // All of them take an hour; Jest keeps what goes to the console to the end.
        if (EXPENSIVE) process.stderr.write(`${said}\n\n`);
        victim.remove();
      }
    }
    victim.remove();
  };
  await Promise.all(kills.length > 3 ? [lane(), lane()] : [lane()]);
  return wrong;
}

test("killed at any step, a build leaves nothing half-made, and the next run makes what one makes that was never killed", async () => {
  const all = Object.keys(STEPS) as Step[];
  const wanted = ONLY?.split(",");
  if (wanted !== undefined) expect(all).toEqual(expect.arrayContaining(wanted));
  const open = new Set(wanted === undefined ? all : all.filter((step) => wanted.includes(step)));
  const tried: Kill[] = [];
  const wrong: string[] = [];
  for (const scenario of SCENARIOS) {
    if (open.size === 0) break;
    const reaching = await neverKilled(scenario);
    const steps = [...open].filter(
      (step) =>
        occurrencesOf(reaching, step).length > 0 &&
        (scenario.alone?.includes(step) ?? !SCENARIOS.some(({ alone }) => alone?.includes(step))),
    );
    for (const step of steps) open.delete(step);
    const kills = killsOf(reaching, steps);
    wrong.push(...(await tryAll(reaching, kills)));
    tried.push(...kills);
  }
  const [points, steps] = [
    new Set(tried.map(({ point }) => `${point.step} ${point.nth}`)),
    new Set(tried.map(({ point }) => point.step)),
  ];
  console.log(`tried ${steps.size} steps at ${points.size} places, ${tried.length} kills (seed ${SEED})`);
  expect({ seed: SEED, wrong: wrong.join("\n\n"), notReached: [...open] }).toEqual({
    seed: SEED,
    wrong: "",
    notReached: [],
  });
});
