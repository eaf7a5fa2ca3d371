// The benchmarks, one after the other, and whether the bars are reached. Results go to stdout, talk to stderr.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fullBar, idleBars, imageBars, scheduleBar, watchBar, type Bar } from "./bars.js";
import { full, type FullResult } from "./full.js";
import { idle, type IdleResult } from "./idle.js";
import { images, type ImagesResult } from "./images.js";
import { BenchError } from "./measure.js";
import { parse, USAGE, type Options } from "./options.js";
import { missing } from "./programs.js";
import { recordedActions, replay, type Replay } from "./scheduler.js";
import { barTable, fullTable, idleTable, imagesTable, replayTable, watchTable } from "./table.js";
import { watch, type WatchResult } from "./watch.js";

/** Where the schedule has its bar; the other numbers of slots are shown beside it. */
const BAR_SLOTS = 8;
const SHOWN_SLOTS = [2, 4, BAR_SLOTS, 16, 32];

/** Everything that was measured. */
interface Results {
  readonly machine: { readonly cores: number; readonly node: string };
  readonly idle: readonly IdleResult[];
  readonly full: FullResult | null;
  readonly images: ImagesResult | null;
  readonly watch: WatchResult | null;
  readonly scheduler: readonly Replay[];
  readonly bars: readonly Bar[];
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function measure(options: Options, dir: string): Promise<Results> {
  const scheduler = options.parts.includes("scheduler")
    ? SHOWN_SLOTS.map((slots) => replay(recordedActions(), slots))
    : [];
  const idles = options.parts.includes("idle")
    ? options.sizes.map((leaves) => {
        const place = join(dir, `idle-${leaves}`);
        const result = idle(leaves, options.rounds, options.jobs, place, say);
        rmSync(place, { recursive: true });
        return result;
      })
    : [];
  const fromNothing = options.parts.includes("full")
    ? full(options.full, options.fullRounds, options.jobs, join(dir, "full"), say)
    : null;
  const watched = options.parts.includes("watch")
    ? await watch(options.watch, options.watchRounds, join(dir, "watch"), say)
    : null;
  const edits = options.parts.includes("images")
    ? images(options.imageRounds, join(dir, "images"), say)
    : null;
  const bars = [
    ...idles.flatMap((result) => idleBars(result.leaves, result.medians)),
    ...(fromNothing === null ? [] : [fullBar(fromNothing.leaves, fromNothing.imagemake, fromNothing.wireit)]),
    ...(edits === null ? [] : imageBars(edits)),
    ...(watched === null ? [] : [watchBar(watched)]),
    ...scheduler
      .filter(({ slots }) => slots === BAR_SLOTS)
      .map((result) => scheduleBar(result.actions, result.slots, result.makespan, result.bound)),
  ];
  const machine = { cores: availableParallelism(), node: process.version };
  return { machine, idle: idles, full: fromNothing, images: edits, watch: watched, scheduler, bars };
}

function text(results: Results): string {
  const { cores, node } = results.machine;
  const parts = [
    `${cores} cores, node ${node}\n`,
    ...results.idle.map(idleTable),
    ...(results.full === null ? [] : [fullTable(results.full)]),
    ...(results.images === null ? [] : [imagesTable(results.images)]),
    ...(results.watch === null ? [] : [watchTable(results.watch)]),
    ...(results.scheduler.length === 0 ? [] : [replayTable(results.scheduler)]),
    ...(results.bars.length === 0 ? [] : [`bars\n${barTable(results.bars)}`]),
  ];
  return parts.join("\n");
}

/** Returns the exit status. */
async function main(argv: readonly string[]): Promise<number> {
  const options = parse(argv);
  if (typeof options === "string") {
    say(`${options}\n\n${USAGE}`);
    return 2;
  }
  const absent = options.parts.some((part) => part === "idle" || part === "full") ? missing() : [];
  if (absent.length > 0) {
    say(`missing: ${absent.join(", ")}`);
    return 3;
  }
  const dir = mkdtempSync(join(tmpdir(), "imagemake-bench-"));
  try {
    const results = await measure(options, dir);
    process.stdout.write(options.json ? `${JSON.stringify(results, null, 2)}\n` : text(results));
    return results.bars.every((bar) => bar.pass) ? 0 : 1;
  } catch (thrown) {
    if (!(thrown instanceof BenchError)) throw thrown;
    say(thrown.message);
    return 3;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

process.exitCode = await main(process.argv.slice(2));
