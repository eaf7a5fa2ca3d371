// `imagemake release tick STEP`: one of the person's steps is done; by its number or its text.
import { stop, unwrap } from "../../problem.js";
import { openImagefile } from "../open.js";
import { moveRelease } from "../life.js";
import type { Call } from "../run.js";

export async function command(call: Call): Promise<number> {
  const { graph } = unwrap(await openImagefile(call.options, call.args, false));
  const { steps } = graph.project.release;
  const word = call.names.join(" ");
  const step = steps[Number(word) - 1] ?? steps.find((one) => one.includes(word));
  if (step === undefined)
    return stop(2, `there is no step ${word}`, steps.map((one, at) => `${at + 1} ${one}`).join("; "));
  return moveRelease(
    call,
    null,
    () => `tick off: ${step}`,
    (release) => ({
      ...release,
      ticked: { ...release.ticked, [step]: new Date().toISOString() },
    }),
  );
}
