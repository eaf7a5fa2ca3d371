// Times `imagemake watch`: from a save to the end of the rebuild of one action, beside a graph of others.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { layered, writeProject } from "./graph.js";
import { BenchError, median, mustRun, runOnce, settle } from "./measure.js";
import { IMAGEMAKE } from "./programs.js";

/** Milliseconds. */
export interface WatchResult {
  readonly targets: number;
  readonly rounds: number;
  /** From the save to the end of the rebuild. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** What the command of the action takes by itself. */
  readonly action: number;
}

/** An action that nothing else reads. */
const LONE = `export const lone = run({ inputs: { S: files("src/lone") }, cmd: \`cat "$S" > "$OUT"\`, out: "lone" });\n`;

/** Longer than the 3 s within which a digest is not reused. */
const SETTLE_MS = 3500;

/** Saves the input of one action `rounds` times while all is watched. `dir` is new and stays the caller's. */
export async function watch(
  leaves: number,
  rounds: number,
  dir: string,
  say: (text: string) => void,
): Promise<WatchResult> {
  writeProject(dir, "imagemake", leaves);
  appendFileSync(join(dir, "Imagefile.ts"), LONE);
  const save = (text: string): void => writeFileSync(join(dir, "src", "lone"), text);
  save("lone\n");
  say(`building ${leaves} leaves`);
  mustRun({ name: "imagemake", argv: [...IMAGEMAKE, "-s", "root", "lone"], cwd: dir });
  settle(SETTLE_MS);
  say(`watching, ${rounds} saves`);
  const [node, ...words] = IMAGEMAKE;
  const child = spawn(node, [...words, "watch", "--progress", "json", "root", "lone"], {
    cwd: dir,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** Reads on until it watches again; when the build before that was done. */
  const watching = async (): Promise<number> => {
    let done = Number.NaN;
    for (;;) {
      const next: IteratorResult<string, undefined> = await lines.next();
      if (next.done === true) throw new BenchError("imagemake watch has ended");
      const { value } = next;
      if (value.startsWith('{"type":"done"')) done = performance.now();
      if (value.startsWith('{"type":"watching"')) return done;
    }
  };
  const times: number[] = [];
  try {
    await watching();
    // The first warms up what only a build loads, and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      const begin = performance.now();
      save(`round ${round}\n`);
      const took = (await watching()) - begin;
      if (round > 0) times.push(took);
    }
  } finally {
    child.kill();
    await once(child, "close");
  }
  const alone = {
    name: "the action",
    argv: ["bash", "-c", 'cat "$1" > "$2"', "-", "src/lone", "lone"],
    cwd: dir,
  };
  const action = median(times.map(() => runOnce(alone).ms));
  const targets = layered(leaves).length + 1;
  return { targets, rounds, median: median(times), min: Math.min(...times), max: Math.max(...times), action };
}
