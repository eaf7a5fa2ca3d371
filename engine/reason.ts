// Every reason for which a target is built, restored or left alone, or fails: enumerated here, as schemas from which the
// types and docs/events.md follow. Renderers turn it into words (cli/render/reason.ts); nothing else decides on it. Only
// types of it are imported where builds run, so that zod is not loaded there.
import { z } from "zod";
import type { Problem } from "./problem.js";

const text = z.string();
const texts = z.array(text).readonly();
const orNothing = text.nullable();

/** As cache/problem.ts has it. */
export const problemSchema: z.ZodType<Problem> = z
  .object({
    exit: z
      .literal([1, 2, 3])
      .describe(
        "the exit status that it leads to: 1 a target failed, 2 wrong usage or a broken Imagefile, 3 the machine",
      ),
    message: text.describe("one sentence; begins with `file:line:` where there is one"),
    hint: text.exactOptional().describe("what helps"),
    ofHost: z.literal(true).exactOptional().describe("it is this machine that lacks something"),
    at: text.exactOptional().describe("the place in the Imagefile that is wrong"),
  })
  .readonly()
  .meta({ id: "Problem", description: "What stands in the way, and what helps." });

const changeSchema = z
  .object({
    component: text.describe("`input SRC src/a.txt`, `env LANG`, `command`, `package vim`, …"),
    before: orNothing.describe("null where it was not there"),
    after: orNothing.describe("null where it is not there"),
  })
  .readonly()
  .meta({ id: "Change", description: "A component of the key that differs from what is published." });
/** A component of the key that differs from what is published. */
export type Change = z.infer<typeof changeSchema>;

const packageChangeSchema = z
  .object({
    name: text,
    before: orNothing,
    after: orNothing,
    from: text.exactOptional().describe("which of several repositories it comes from, lost ones came from"),
  })
  .readonly()
  .meta({
    id: "PackageChange",
    description:
      "A package gained, lost, in another version, or built again in the same one (`before` is `after`).",
  });
/** A package gained, lost, in another version, or built again in the same one (`before` and `after` are equal). */
export type PackageChange = z.infer<typeof packageChangeSchema>;

const differences = {
  changes: z.array(changeSchema).readonly(),
  packages: z.array(packageChangeSchema).readonly(),
};
const differencesSchema = z
  .object(differences)
  .readonly()
  .meta({ id: "Differences", description: "What differs between two builds." });
/** What differs between two builds. */
export type Differences = z.infer<typeof differencesSchema>;

/** One of the kinds of a union. */
const kind = <K extends string, S extends z.ZodRawShape>(name: K, shape: S, description = "") =>
  z
    .object({ kind: z.literal(name), ...shape })
    .readonly()
    .describe(description);

/** Why an action did not succeed. */
export const failureSchema = z
  .discriminatedUnion("kind", [
    kind("exit", { status: z.int() }, "its command ended with this status"),
    kind("signal", { signal: text }, "its command was ended by this signal"),
    kind("timeout", { seconds: z.number() }, "it took longer than it may"),
    kind("interrupted", {}, "imagemake was told to stop, or an input of it changed while `watch` ran it"),
    kind(
      "output-missing",
      {
        output: text,
        expected: text,
        made: z
          .array(text)
          .readonly()
          .exactOptional()
          .describe("files that it made in its directory instead"),
      },
      "it succeeded without making what it promised",
    ),
    kind("wrong-date", { expected: text, found: text }, "its output has another date in its name"),
    kind("guard", { output: text, message: text }, "its output does not meet a condition"),
    kind("problem", { problem: problemSchema }, "it could not be run"),
  ])
  .meta({ id: "Failure", description: "Why an action did not succeed." });
/** Why an action did not succeed. */
export type Failure = z.infer<typeof failureSchema>;

const buildReasonSchema = z
  .discriminatedUnion("kind", [
    kind("never-built", {}, "it was never built"),
    kind("changed", differences, "these parts of it are not as they were"),
    kind("inserted", { rule: text, now: text }, "a step was put in: what had its name is `now` another"),
    kind("input-pending", { targets: texts }, "these inputs of it are built first"),
    kind("not-resolved", {}, "its packages are not resolved yet"),
    kind("unchecked", {}, "its packages were not verified as their repository's configuration asks for now"),
    kind(
      "unresolvable",
      { problem: problemSchema },
      "what it asks for cannot be had, or its repository cannot be reached",
    ),
    kind(
      "failed-before",
      {
        failure: failureSchema.nullable(),
        at: text.describe("ISO time"),
        log: orNothing,
        since: differencesSchema
          .nullable()
          .describe("what differs from what is published; null where nothing is"),
      },
      "nothing has changed since it failed",
    ),
    kind("artifact-lost", { target: text }, "what was made is damaged or gone"),
    kind(
      "rejected",
      { target: text, because: text },
      "a person's failing verdict on what the key stands for",
    ),
    kind(
      "adopted-otherwise",
      { target: text, because: text },
      "what a person brought for it was brought for other sources, or under other rules for keys",
    ),
    kind("forced", {}, "--always-make"),
  ])
  .meta({ id: "BuildReason", description: "Why an action has to run." });
/** Why an action has to run. */
export type BuildReason = z.infer<typeof buildReasonSchema>;

const restoreReasonSchema = z
  .discriminatedUnion("kind", [
    kind("missing", { path: text }, "the file in `out/` is not there"),
    kind("edited", { path: text }, "the file in `out/` is not what was made"),
    kind("new-name", { path: text }, "its name is another: a new release, say"),
    kind(
      "shared",
      { cache: text, machine: text, at: text.describe("when it was made, ISO") },
      "another machine made it, and it is taken from this cache",
    ),
    kind(
      "key-known",
      { from: text, changes: z.array(changeSchema).readonly() },
      "it was built before, as it is now",
    ),
  ])
  .meta({ id: "RestoreReason", description: "Why a link has to be made although nothing has to run." });
/** Why a link has to be made although nothing has to run. */
export type RestoreReason = z.infer<typeof restoreReasonSchema>;

/** What is to be done for one action. */
export const decisionSchema = z
  .discriminatedUnion("kind", [
    kind("up-to-date", {}, "nothing"),
    kind("restore", { reason: restoreReasonSchema }, "what was built before is linked"),
    kind("build", { reason: buildReasonSchema }, "it is built"),
  ])
  .meta({ id: "Decision", description: "What is to be done for one action." });
/** What is to be done for one action. */
export type Decision = z.infer<typeof decisionSchema>;
