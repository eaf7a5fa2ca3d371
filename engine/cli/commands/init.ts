// `imagemake init`.
import { stop } from "../../problem.js";
import type { Call } from "../run.js";

/** Comes in a moment. */
export function command(_call: Call): Promise<number> {
  return stop(2, "init is not there yet");
}
