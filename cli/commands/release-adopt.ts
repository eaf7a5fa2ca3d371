// `imagemake release adopt TARGET FILE --because TEXT`: a file from elsewhere for a target of this release.
import { resolve } from "node:path";
import type { Session } from "../../engine/build/session.js";
import { adopt, judgeAdoption, type Adoption } from "../../engine/release/adopt.js";
import { requireOwner } from "../../engine/release/place.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { joined, sessionOf, tellLine } from "../life.js";
import { openImagefile } from "../open.js";
import { output } from "../output.js";
import type { Call } from "../call.js";
import { oneDate, select } from "../select.js";
import { whileLocked } from "../state.js";

/** With -n only judges it. */
export async function command(call: Call<"release adopt">): Promise<number> {
  const { options } = call;
  const preview = options.dryRun === true;
  const [name = "", file = "", ...more] = call.names;
  if (file === "" || more.length > 0) return stop(Exit.usage, "name one target and one file");
  const because =
    call.options.because ??
    stop(Exit.usage, "an adoption is recorded with its reason", "--because TEXT gives it");
  const opened = unwrap(await openImagefile(options, call.args, !preview));
  unwrap(requireOwner(opened.project, "adopt files"));
  const selection = unwrap(select(opened.graph, [name]));
  const [target = "", ...others] = selection.targets;
  if (others.length > 0)
    return stop(Exit.usage, `name one target, not ${others.length + 1}`, selection.targets.join(" "));
  const datecode = unwrap(oneDate(selection.datecode, opened.datecode));
  const adoption: Adoption = { target, file: resolve(file), because };
  const open = (): Session => {
    const session = sessionOf(call, opened, datecode, [target], preview);
    joined(session.selected, datecode);
    return session;
  };
  const entry = preview
    ? unwrap(await judgeAdoption(open(), adoption)).entry
    : await whileLocked(call, opened.project, async () => unwrap(await adopt(open(), adoption)));
  if (options.json === true) output.write(`${JSON.stringify({ target, ...entry }, null, 2)}\n`);
  else tellLine(call, `${preview ? "would adopt" : "adopted"} ${file} as ${entry.name}`);
  return Exit.done;
}
