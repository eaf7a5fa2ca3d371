// `imagemake help [COMMAND…]`: what there is, or what a command is for.
import { Exit, unwrap } from "../../engine/problem.js";
import type { Handler } from "../call.js";
import { commandOf, makeProgram } from "../program.js";

export const command: Handler<"help"> = ({ names }) => {
  const program = makeProgram(() => Promise.resolve());
  unwrap(commandOf(program, names)).outputHelp();
  return Promise.resolve(Exit.done);
};
