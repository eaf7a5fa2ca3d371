// The one stream of events that leaves the engine: one declaration, from which the types and docs/events.md follow.
// Terminal, plain log, JSON lines and trace are renderers of it; nothing else prints. Only types of it are imported where
// builds run, so that zod is not loaded there.
import { z } from "zod";
import { decisionSchema, failureSchema, problemSchema } from "./reason.js";

/**
 * The version of the stream. It grows when an event or a field is taken away or means something else; new ones may come
 * without that.
 */
export const EVENTS_VERSION = 1;

const text = z.string();
const texts = z.array(text).readonly();
const count = z.int().nonnegative();
const target = text.describe("the id of an action, as `imagemake list` has it");
const rule = text.describe("its rule: actions of one rule are alike, as far as time goes");
const at = z.number().describe("when, in milliseconds since 1970");
const duration = z.number().describe("milliseconds");
const expected = z
  .number()
  .nullable()
  .describe("how long it is expected to take, in milliseconds; null where that is not known");
const sizes = z.array(z.number()).readonly().describe("of each of them, in bytes");
const build = text.describe("the id of the build: the name of its log");

const event = <T extends string, S extends z.ZodRawShape>(type: T, description: string, shape: S) =>
  z
    .object({ type: z.literal(type), ...shape, at })
    .readonly()
    .describe(description);

const release = event("release", "The release that is built in.", {
  datecode: text,
  opened: z.number().describe("when it was opened, in milliseconds since 1970"),
  joined: z.boolean().describe("false where this run opened it"),
  explicit: z.boolean().describe("`release start` made it"),
});
const plan = event("plan", "What is to be done, in the order in which actions read each other.", {
  decisions: z.array(z.object({ target, rule, decision: decisionSchema, expected }).readonly()).readonly(),
});
const phase = event("phase", "Packages are asked for, before anything is built.", {
  phase: z.enum(["snapshot", "resolve", "fetch"]),
  detail: text,
});
const started = event("started", "An action begins.", {
  target,
  rule,
  build,
  reason: decisionSchema,
  expected,
  log: text.describe("path of the file that what it says goes to"),
});
const upToDate = event("up-to-date", "Nothing was to be done for an action.", { target });
const restored = event("restored", "What an action made before was linked.", {
  target,
  outputs: texts.describe("paths"),
  sizes,
  reason: decisionSchema,
});
const built = event("built", "An action has succeeded.", {
  target,
  build,
  outputs: texts.describe("paths of the files in `out/`"),
  sizes,
  digests: texts.describe(
    "what was made, with `f:` or `x:` before a file's SHA-256 and `t:` before a tree's",
  ),
  duration,
});
const failed = event("failed", "An action has not succeeded.", {
  target,
  build: build.nullable().describe("null where it did not begin"),
  failure: failureSchema,
  log: text.nullable().describe("path of its log"),
  tail: texts.describe("the last lines of its log"),
  command: text.nullable().describe("what was run"),
  kept: z.literal(true).exactOptional().describe("its stage is kept for `imagemake shell`"),
  duration,
});
const skipped = event("skipped", "An action was not tried.", {
  target,
  because: text.describe("the action that failed or was skipped, or why else"),
});
const notice = event("notice", "Something that a person should know.", {
  level: z.enum(["info", "warning"]),
  message: text,
  all: text.exactOptional().describe("the same with every name, where the message leaves some out"),
});
const waiting = event("waiting", "Another imagemake holds the lock.", { holder: text });
const done = event("done", "The build has ended, and so many actions ended how.", {
  built: count,
  restored: count,
  taken: count
    .exactOptional()
    .describe("of those restored, how many came from a shared cache; not there without one"),
  upToDate: count,
  failed: count,
  skipped: count,
  isolated: z.boolean().describe("false with --no-isolation"),
  duration,
});
const changed = event("changed", "`watch`: these inputs changed.", {
  paths: texts.describe("relative to the Imagefile's directory"),
  stopped: texts.describe("actions that ran on one of them, and are stopped and begun anew"),
});
const rebuilt = event("rebuilt", "`watch`, after `done`: what a change came to.", {
  paths: texts,
  built: texts,
  restored: texts,
  failed: texts,
  duration: duration.describe("milliseconds since the change was noticed"),
});
const blocked = event("blocked", "`watch`: nothing can be built until something changes.", {
  problem: problemSchema,
});
const watching = event("watching", "`watch`: nothing happens until an input changes.", {
  inputs: count.describe("how many files are watched"),
});
const guest = event(
  "guest",
  "`watch --boot`: the guest was started, stopped to be started anew, or has ended by itself.",
  {
    target,
    state: z.enum(["started", "stopped", "ended"]),
    status: z.int().nullable().describe("of a guest that has ended"),
  },
);

/** What the engine and `watch` say while they work; `target` is an action's id. */
export const eventSchema = z
  .discriminatedUnion("type", [
    release,
    plan,
    phase,
    started,
    upToDate,
    restored,
    built,
    failed,
    skipped,
    notice,
    waiting,
    done,
    changed,
    rebuilt,
    blocked,
    watching,
    guest,
  ])
  .meta({ id: "Event" });
/** What the engine and `watch` say while they work. `target` is an action's id. */
export type BuildEvent = z.infer<typeof eventSchema>;

/** What a stream of lines begins with. */
export const beginSchema = event("begin", "The first line of each run in a stream of lines.", {
  version: z.literal(EVENTS_VERSION).describe("of what the lines are; see above"),
  imagemake: text.describe("its version"),
});
/** What a stream of lines begins with. */
export type Begin = z.infer<typeof beginSchema>;

/** Takes events; must not throw. */
export type Emit = (event: BuildEvent) => void;
