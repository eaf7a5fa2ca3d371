// `imagemake show TARGET`: everything known of a target: its action as data, its packages, its last build.
import { grouped } from "../../cache/grouped.js";
import { withDate } from "../../engine/names.js";
import { type ImageManifest, manifestText } from "../../engine/contents/record.js";
import { describerOf, storedManifest } from "../../engine/contents/stored.js";
import type { Action } from "../../engine/model.js";
import type { Package } from "../../engine/packages/driver.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { judge, look, onlyAction, type Looking } from "../look.js";
import { output } from "../output.js";
import { formatBytes, formatDuration } from "../render/numbers.js";
import { describeDecision } from "../render/reason.js";
import { utcMinute } from "../render/when.js";
import type { Call } from "../call.js";

/** What went into the target as it was published last, whether or not it is out of date by now. */
async function manifestOf({ session, targets }: Looking, action: Action): Promise<ImageManifest> {
  const { decider, index, options } = session;
  const made = decider.history.published(action);
  const name = relationsOf(options.graph).target(targets[0])?.output ?? "";
  const artifact = made === undefined ? undefined : index.outputsOf(made.id)[name];
  const stored = artifact === undefined ? null : storedManifest(options.project, artifact, made?.key);
  const manifest =
    artifact === undefined
      ? null
      : (stored ?? unwrap(await describerOf(decider, options.drivers).describe(artifact, made)));
  return (
    manifest ??
    stop(Exit.failed, `nothing that is known here was built of ${action.id}`, `imagemake ${action.id}`)
  );
}

/** Shows the action; with --json all of it, the recipe's text included. */
export async function command(call: Call<"show">): Promise<number> {
  const looking = await look(call, call.names);
  const { session, opened } = looking;
  const action = onlyAction(looking);
  const judgement = (await judge(session)).get(action.id);
  const closure = unwrap(await session.pins.closure(action));
  const last = session.index.lastBuild(opened.project.line, action.id);
  const outputs = last?.status === "built" ? session.index.outputsOf(last.id) : {};
  if (call.options.manifest === true) {
    output.write(manifestText(await manifestOf(looking, action)));
    return Exit.done;
  }
  if (call.options.json === true) {
    const { decision, key, facts } = judgement ?? { decision: null, key: null, facts: null };
    const data = {
      action,
      decision,
      key,
      components: session.decider.componentsIn(action, { facts, key }),
      packages: closure?.packages ?? null,
      last: last ?? null,
      outputs,
    };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return Exit.done;
  }
  const lines = [`${action.id} (rule ${action.rule}, ${action.at})`];
  const say = (name: string, value: string): void => void lines.push(`  ${name.padEnd(9)} ${value}`);
  if (judgement !== undefined) say("state", describeDecision(judgement.decision));
  for (const output of action.outputs) {
    const name =
      output.kind === "file"
        ? withDate(output.pattern, session.decider.context.datecode)
        : `(${output.kind})`;
    const id = outputs[output.name];
    const size = id === undefined ? undefined : session.index.artifact(id)?.size;
    say("output", size === undefined ? name : `${name}, ${formatBytes(size)}, ${id ?? ""}`);
  }
  for (const input of action.inputs) {
    const from = input.kind === "artifact" ? input.target : JSON.stringify(input.source);
    if (input.name === action.within) say("within", from);
    else say("input", `$${input.name}: ${from}`);
  }
  if (action.packages !== null) {
    const { driver, arch, on } = action.packages;
    const count = closure?.packages.length;
    say(
      "packages",
      `${count ?? "not resolved:"} ${driver} packages for ${arch}${on === null ? "" : ` on ${on}`}` +
        origins(closure?.packages ?? []),
    );
  }
  const { command: what } = action;
  say(
    "command",
    what.kind === "shell" ? what.text : what.kind === "argv" ? what.argv.join(" ") : `recipe ${what.name}`,
  );
  if (action.tools.length > 0) say("tools", action.tools.map((tool) => tool.name).join(" "));
  const needs = [
    action.root ? "root" : "",
    action.network ? "network" : "",
    action.interactive ? "a terminal" : "",
  ];
  if (needs.some((need) => need !== "")) say("needs", needs.filter((need) => need !== "").join(", "));
  if (last !== undefined) {
    const when = utcMinute(new Date(last.started).toISOString());
    say("last", `${last.status} ${when} in ${formatDuration(last.duration)}, release ${last.release}`);
  }
  output.write(lines.map((line) => `${line}\n`).join(""));
  return Exit.done;
}

/** How many come from each of several repositories. */
function origins(packages: readonly Package[]): string {
  const by = grouped(packages, ({ origin }) => origin ?? "");
  const named = [...by].filter(([name]) => name !== "").sort(([a], [b]) => (a < b ? -1 : 1));
  return named.length === 0 ? "" : ` (${named.map(([name, its]) => `${its.length} ${name}`).join(", ")})`;
}
