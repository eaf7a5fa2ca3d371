// `imagemake release tick STEP`: one of the person's steps is done; by its number, its text, or a beginning of it.
import { Exit, fail, ok, unwrap, type Result } from "../../engine/problem.js";
import { openImagefile } from "../open.js";
import { moveRelease } from "../life.js";
import type { ReleaseState } from "../../engine/release/record.js";
import { formatWhen } from "../render/when.js";
import type { Call } from "../call.js";

export async function command(call: Call<"release tick">): Promise<number> {
  const { graph } = unwrap(await openImagefile(call.options, call.args, false));
  const step = unwrap(stepMeant(graph.project.release.steps, call.names.join(" ").trim()));
  let before: string | undefined;
  const status = await moveRelease(
    call,
    TICKED_IN,
    () => `tick off: ${step}`,
    (release) => {
      before = release.ticked[step];
      return before === undefined
        ? { ...release, ticked: { ...release.ticked, [step]: new Date().toISOString() } }
        : release;
    },
  );
  if (call.options.dryRun !== true && call.options.quiet !== true && call.options.json !== true) {
    const when = before === undefined ? "" : ` already, ${formatWhen(Date.parse(before), Date.now())}`;
    process.stderr.write(`ticked off${when}: ${step}\n`);
  }
  return status;
}

/** A release that was given up or withdrawn has no steps to come. */
const TICKED_IN: readonly ReleaseState[] = ["open", "collected", "signed", "promoted"];

/** The one step that is meant; never the first of several. */
function stepMeant(steps: readonly string[], word: string): Result<string> {
  const all = steps.map((one, at) => `${at + 1} ${one}`).join("; ");
  if (steps.length === 0)
    return fail(Exit.usage, "the Imagefile has no steps to tick off", "release.steps lists them");
  const numbered = /^\d+$/.test(word) ? steps[Number(word) - 1] : undefined;
  const exact = steps.find((one) => one === word);
  if (exact !== undefined) return ok(exact);
  // `2` is also the beginning of `2 people look`.
  const begun = word === "" ? [] : steps.filter((one) => one === numbered || one.startsWith(word));
  const [only] = begun;
  if (only === undefined)
    return fail(Exit.usage, `there is no step ${word === "" ? "without a name" : word}`, all);
  return begun.length === 1
    ? ok(only)
    : fail(
        Exit.usage,
        `${word} could be ${begun.join(" or ")}`,
        numbered === undefined ? "write more of it, or its number" : "write more of it",
      );
}
