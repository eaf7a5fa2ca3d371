// Shows a recorded (`--events FILE`) or synthetic build on this terminal, with a clock of its own:
//   node dist/test/support/replay-events.js NAME|FILE [--speed N] [--hold SECONDS] [--plain] [--verbose]
// `--hold` stops the clock at that second of the build and waits for Ctrl-C, so that the screen can be looked at.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { BuildEvent } from "../../engine/events.js";
import { createPlain } from "../../cli/render/plain.js";
import { createTty } from "../../cli/render/tty.js";
import { builds } from "./synthetic-builds.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    speed: { type: "string", default: "1" },
    hold: { type: "string" },
    plain: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

const name = positionals[0] ?? "example";
const events = builds[name]?.() ?? recorded(name);
const begin = events[0]?.at ?? 0;
let now = begin;

const options = {
  stderr: process.stderr,
  verbosity: values.verbose ? ("verbose" as const) : ("normal" as const),
  cwd: "/project",
};
const renderer = values.plain ? createPlain(options) : createTty({ ...options, clock: () => now });

const TICK = 50;
let interrupted = false;
process.on("SIGINT", () => {
  if (interrupted) finish();
  interrupted = true;
});

const timer = setInterval(() => {
  const until = values.hold === undefined ? Infinity : begin + Number(values.hold) * 1000;
  now = Math.min(now + TICK * Number(values.speed), until);
  for (let next = events[0]; next !== undefined && next.at <= now; next = events[0]) {
    renderer.event(next);
    events.shift();
  }
  if (events.length === 0) finish();
}, TICK);

function finish(): void {
  clearInterval(timer);
  renderer.close();
  process.exit();
}

function recorded(file: string): BuildEvent[] {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as BuildEvent); // Written by us.
}
