// Times building the whole graph from nothing, imagemake against wireit: both keep outputs by the content of what they
// were made from, both on node.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { layered, writeProject } from "./graph.js";
import { BenchError, median, mustRun, type Program } from "./measure.js";
import { imagemake, wireitBuild } from "./programs.js";

/** Medians in milliseconds. */
export interface FullResult {
  readonly leaves: number;
  readonly targets: number;
  readonly jobs: number;
  readonly rounds: number;
  readonly imagemake: number;
  readonly wireit: number;
}

/** Builds in turn, each time in a new directory, `jobs` actions at once. */
export function full(
  leaves: number,
  rounds: number,
  jobs: number,
  dir: string,
  say: (text: string) => void,
): FullResult {
  mkdirSync(dir, { recursive: true });
  const contestants = [
    { form: "imagemake", program: imagemake.build },
    { form: "wireit", program: wireitBuild },
  ] as const;
  const times = { imagemake: [] as number[], wireit: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    say(`building ${leaves} leaves from nothing, round ${round + 1} of ${rounds}`);
    for (const { form, program } of contestants) {
      const project = join(dir, form);
      writeProject(project, form, leaves);
      times[form].push(timeBuild(program(project, jobs), leaves));
      rmSync(project, { recursive: true });
    }
  }
  const targets = layered(leaves).length;
  return { leaves, targets, jobs, rounds, imagemake: median(times.imagemake), wireit: median(times.wireit) };
}

/** Milliseconds of a build whose root holds every leaf. */
function timeBuild(program: Program, leaves: number): number {
  const { ms } = mustRun(program);
  const digest = createHash("sha256")
    .update(readFileSync(join(program.cwd, "out", "root")))
    .digest("hex");
  if (digest !== rootDigest(leaves)) throw new BenchError(`${program.name} built a wrong root`);
  return ms;
}

/** What the root must be: all leaves, one after the other. */
function rootDigest(leaves: number): string {
  const hash = createHash("sha256");
  for (let i = 0; i < leaves; i++) hash.update(`leaf ${i}\n`);
  return hash.digest("hex");
}
