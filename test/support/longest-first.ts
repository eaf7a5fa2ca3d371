// Starts the suites that take longest first, so that no core waits for one that began last. Durations are recorded in
// test/durations.json (ratios are what counts) by `node dist/test/support/longest-first.js RESULTS`, of a run with --json --outputFile=RESULTS.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

// Its types are those of a CommonJS module, and what node imports is not.
const { default: Sequencer } = createRequire(import.meta.url)(
  "@jest/test-sequencer",
) as typeof import("@jest/test-sequencer");

/** Seconds by the name of a suite. */
type Durations = Readonly<Record<string, number>>;

const FILE = new URL("../../../test/durations.json", import.meta.url);

const suiteOf = (path: string): string => basename(path).replace(/\.test\.[jt]s$/, "");

/** Jest's order of suites; one whose duration is not known comes first. */
export default class LongestFirst extends Sequencer {
  readonly #durations = JSON.parse(readFileSync(FILE, "utf8")) as Durations;

  override sort<T extends { readonly path: string }>(tests: T[]): T[] {
    const duration = ({ path }: T): number => this.#durations[suiteOf(path)] ?? Infinity;
    return [...tests].sort((a, b) => (duration(a) === duration(b) ? 0 : duration(b) - duration(a)));
  }
}

/** What jest says of a run, as far as it is read here; times in milliseconds. */
interface Results {
  readonly testResults: readonly {
    readonly name: string;
    readonly startTime: number;
    readonly endTime: number;
  }[];
}

/** Durations of a run, in seconds. */
function record(results: Results): Durations {
  const entries = results.testResults.map(
    ({ name, startTime, endTime }) => [suiteOf(name), Math.round((endTime - startTime) / 1000)] as const,
  );
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const [, script = "", file] = process.argv;
if (file !== undefined && import.meta.url === pathToFileURL(script).href) {
  const results = JSON.parse(readFileSync(file, "utf8")) as Results;
  writeFileSync(FILE, `${JSON.stringify(record(results), null, 2)}\n`);
}
