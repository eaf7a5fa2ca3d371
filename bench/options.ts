// The benchmark's own command line. It runs nothing.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";

/** The parts that can be run alone. */
const PARTS = ["idle", "full", "scheduler", "watch", "images"] as const;
/** What is run where nothing is said: images need to be root, and a mirror. */
const USUAL: readonly Part[] = ["idle", "full", "scheduler", "watch"];

/** One part. */
type Part = (typeof PARTS)[number];

/** What to run. */
export interface Options {
  /** Numbers of leaves for the runs with nothing to do. */
  readonly sizes: readonly number[];
  /** Timed runs of each program. */
  readonly rounds: number;
  /** Leaves of the graph built from nothing. */
  readonly full: number;
  /** Timed builds from nothing of each program. */
  readonly fullRounds: number;
  /** Timed edits of an image. */
  readonly imageRounds: number;
  /** Leaves of the graph that is watched, and timed saves. */
  readonly watch: number;
  readonly watchRounds: number;
  readonly jobs: number;
  readonly parts: readonly Part[];
  readonly json: boolean;
}

/** How to call it. */
export const USAGE = `npm run bench -- [options]
  --sizes 107,1000,10000   leaves of the graphs that have nothing to do
  --rounds 7               timed runs of each program
  --full 1000              leaves of the graph built from nothing
  --full-rounds 3          timed builds of each program
  --jobs N                 actions at once (default: cores)
  --watch 1000             leaves of the graph that is watched
  --watch-rounds 15        timed saves
  --image-rounds 5         edits of an image, at most 7
  --only PART,…            of ${PARTS.join(", ")}; images only where it is said, as root
  --json                   results as JSON on stdout
Exit status: 0 all bars reached, 1 one missed, 2 wrong usage, 3 a program is missing or did something wrong.
`;

/** The options, or what is wrong with them. */
export function parse(argv: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        sizes: { type: "string", default: "107,1000,10000" },
        rounds: { type: "string", default: "7" },
        full: { type: "string", default: "1000" },
        "full-rounds": { type: "string", default: "3" },
        "image-rounds": { type: "string", default: "5" },
        watch: { type: "string", default: "1000" },
        "watch-rounds": { type: "string", default: "15" },
        jobs: { type: "string", default: `${availableParallelism()}` },
        only: { type: "string", default: USUAL.join(",") },
        json: { type: "boolean", default: false },
      },
    });
    return {
      sizes: values.sizes.split(",").map((size) => positive("--sizes", size)),
      rounds: positive("--rounds", values.rounds),
      full: positive("--full", values.full),
      fullRounds: positive("--full-rounds", values["full-rounds"]),
      imageRounds: positive("--image-rounds", values["image-rounds"]),
      watch: positive("--watch", values.watch),
      watchRounds: positive("--watch-rounds", values["watch-rounds"]),
      jobs: positive("--jobs", values.jobs),
      parts: values.only.split(",").map(part),
      json: values.json,
    };
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

function positive(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${option}: ${text} is not a positive whole number`);
  return Number(text);
}

function part(text: string): Part {
  const found = PARTS.find((each) => each === text);
  if (found === undefined) throw new Error(`--only: ${text} is none of ${PARTS.join(", ")}`);
  return found;
}
