// `imagemake completion SHELL`: the few lines by which a shell asks imagemake for words at a press of Tab (complete.ts).
import { readFileSync } from "node:fs";
import { PACKAGE } from "../../cache/installed.js";
import { Exit, stop } from "../../engine/problem.js";
import type { Handler } from "../call.js";
import { SHELLS } from "../commands.js";
import { output } from "../output.js";

export const command: Handler<"completion"> = ({ names }) => {
  const shell = SHELLS.find((one) => one === names[0]);
  if (shell === undefined)
    stop(
      Exit.usage,
      `there is no completion for ${names[0] ?? "no shell"}`,
      `it is there for ${SHELLS.join(", ")}`,
    );
  output.write(readFileSync(new URL(`cli/completion/imagemake.${shell}`, PACKAGE), "utf8"));
  return Promise.resolve(Exit.done);
};
