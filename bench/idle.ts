// Times the run with nothing to do: the same graph built by each program in a directory of its own, then all
// run in turn. A run that did something, or a program that no longer notices a change, is an error, not a time.
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { layered, writeProject } from "./graph.js";
import {
  BenchError,
  inTurn,
  median,
  mustRun,
  peakMemory,
  settle,
  type Program,
  type Run,
} from "./measure.js";
import { bareMake, imagemake, make, ninja, nodeStart, type Builder } from "./programs.js";
import type { Medians } from "./bars.js";

/** One program's figures: milliseconds, and peak memory in KiB (null where it could not be taken). */
interface IdleRow {
  readonly program: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly memory: number | null;
}

/** The figures of one size of the graph. */
export interface IdleResult {
  readonly leaves: number;
  readonly targets: number;
  readonly rounds: number;
  readonly rows: readonly IdleRow[];
  readonly medians: Medians;
}

/** Longer than the 3 s within which a digest is not reused. */
const SETTLE_MS = 3500;

interface Contestant {
  readonly builder: Builder;
  readonly dir: string;
  readonly again: Program;
}

/** Builds once with each program, then times `rounds` runs of each in turn. `dir` is new and stays the caller's. */
export function idle(
  leaves: number,
  rounds: number,
  jobs: number,
  dir: string,
  say: (text: string) => void,
): IdleResult {
  mkdirSync(dir, { recursive: true });
  const built = [imagemake, make, ninja].map((builder) => {
    const project = join(dir, builder.form);
    writeProject(project, builder.form, leaves);
    say(`building ${leaves} leaves with ${builder.form}`);
    mustRun(builder.build(project, jobs));
    return contestant(builder, project);
  });
  const contestants = [...built, contestant(bareMake, join(dir, "make"))];
  settle(SETTLE_MS);
  // Digests taken of files that were still young are taken again here, outside the measurement.
  for (const each of contestants) mustRun(each.again);

  say(`timing ${rounds} rounds with nothing to do`);
  const before = contestants.map((each) => fingerprint(each));
  const programs = [...contestants.map((each) => each.again), nodeStart(dir)];
  const times = inTurn(programs, rounds, (program, run) => {
    verify(contestants, program, run);
  });
  const memory = new Map(programs.map((program) => [program.name, peakMemory(program)]));
  for (const [i, each] of contestants.entries()) unchanged(each, before[i] ?? "", fingerprint(each));
  for (const each of built) noticesChange(each);

  const rows = programs.map(({ name }) => row(name, times.get(name) ?? [], memory.get(name) ?? null));
  const of = (name: string): number => rows.find((each) => each.program === name)?.median ?? Number.NaN;
  const medians = { imagemake: of("imagemake"), make: of("make"), ninja: of("ninja"), node: of("node") };
  return { leaves, targets: layered(leaves).length, rounds, rows, medians };
}

const contestant = (builder: Builder, dir: string): Contestant => ({
  builder,
  dir,
  again: builder.again(dir),
});

const row = (program: string, times: readonly number[], memory: number | null): IdleRow => ({
  program,
  median: median(times),
  min: Math.min(...times),
  max: Math.max(...times),
  memory,
});

function verify(contestants: readonly Contestant[], program: Program, run: Run): void {
  const judge = contestants.find((each) => each.again.name === program.name);
  if (judge !== undefined && !judge.builder.didNothing(run)) {
    throw new BenchError(
      `${program.name} was to have nothing to do, but said:\n${run.output.slice(0, 2000)}`,
    );
  }
}

/** Stamps of all outputs, and of what the program writes when it builds. */
function fingerprint({ builder, dir }: Contestant): string {
  const outputs = readdirSync(join(dir, "out")).map((name) => `out/${name}`);
  return [...outputs, ...builder.traces]
    .map((path) => {
      const stats = statSync(join(dir, path), { bigint: true, throwIfNoEntry: false });
      return stats === undefined ? `${path} -` : `${path} ${stats.ino} ${stats.size} ${stats.mtimeNs}`;
    })
    .join("\n");
}

function unchanged({ again }: Contestant, before: string, after: string): void {
  if (before === after) return;
  const old = new Set(before.split("\n"));
  const changed = after.split("\n").filter((line) => !old.has(line));
  throw new BenchError(`${again.name} had nothing to do and changed ${changed.slice(0, 5).join(", ")}`);
}

/** A program that looks at nothing would be the fastest: each must see a source whose bytes changed. */
function noticesChange({ builder, dir, again }: Contestant): void {
  if (builder.stale(dir))
    throw new BenchError(`${again.name} calls something out of date after doing nothing`);
  writeFileSync(join(dir, "src", "s0"), "LEAF 0\n");
  if (!builder.stale(dir)) throw new BenchError(`${again.name} does not notice an edited source`);
}
