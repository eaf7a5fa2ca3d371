// `imagemake doctor [TARGET…]`: what this machine lacks for the Imagefile, or for the named targets.
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { Index } from "../../cache/index.js";
import { checkInputs } from "../../engine/build/inputs.js";
import { leftBehind } from "../../engine/execute/local/stale.js";
import type { Action } from "../../engine/model.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { relationsOf } from "../../engine/relations.js";
import { requireOwner } from "../../engine/release/place.js";
import { Facts } from "../../engine/sources/stamp.js";
import { Sources } from "../../engine/sources/resolve.js";
import { findingLine, fine, lacking, poor, type Finding } from "../doctor/finding.js";
import { guests, kernel, machine } from "../doctor/machine.js";
import { programs } from "../doctor/programs.js";
import { drivers, openImagefile } from "../open.js";
import { output } from "../output.js";
import { counted } from "../render/numbers.js";
import { select } from "../select.js";
import type { Call } from "../call.js";
import { projectOfCall } from "../state.js";

/** Exit 3 when something is lacking, 2 when the Imagefile is broken; without an Imagefile the general things. */
export async function command(call: Call<"doctor">): Promise<number> {
  const project = projectOfCall(call);
  if (!existsSync(project.dir)) return stop(Exit.usage, `there is no directory ${project.dir}`);
  const { finding, actions, exit } = await imagefile(call, project);
  const findings = [
    finding,
    ...(await machine(project, actions)),
    ...(await programs(actions, drivers)),
    ...kernel(actions),
    ...guests(actions),
    ...(await remoteCache(call, project)),
    ...leftBehind(project).map(({ message }) => poor(message, "then the next build deletes it")),
  ];
  print(call, findings);
  if (exit !== Exit.done) return exit;
  return findings.some(({ state }) => state === "lacking") ? Exit.environment : Exit.done;
}

/** The remote cache, where it is asked for: a look at it goes over the network. */
async function remoteCache({ options, settings }: Call<"doctor">, project: Project): Promise<Finding[]> {
  if (options.remote !== true) return [];
  unwrap(requireOwner(project, "name a cache", "root's credentials would go there"));
  const { remoteCache: url } = options;
  if (url === undefined)
    return stop(
      Exit.usage,
      "no remote cache is named",
      "--remote-cache URL, or remote.cache in imagemake.toml",
    );
  const { accessOf } = await import("../remote.js");
  const upload = settings?.all.find(({ name }) => name === "remote.upload")?.value === true;
  return (await import("../doctor/remote.js")).remote(unwrap(accessOf(url, settings)), upload);
}

/** What the Imagefile, or the named targets, want done. */
async function imagefile(
  call: Call<"doctor">,
  project: Project,
): Promise<{ readonly finding: Finding; readonly actions: readonly Action[]; readonly exit: number }> {
  const name = basename(project.imagefile);
  if (!existsSync(project.imagefile)) {
    if (call.names.length > 0)
      return stop(Exit.usage, `there is no ${project.imagefile}`, "imagemake init writes one");
    return { finding: fine(`no ${name} here; imagemake init writes one`), actions: [], exit: Exit.done };
  }
  const opened = await openImagefile(call.options, call.args, false);
  if (!opened.ok) {
    const { message, hint, exit } = opened.problem;
    return { finding: lacking(message, hint ?? `mend ${name}`), actions: [], exit };
  }
  const { graph } = opened.value;
  const targets =
    call.names.length > 0
      ? unwrap(select(graph, call.names)).targets
      : graph.targets.filter((target) => target.exported).map(({ id }) => id);
  const actions = relationsOf(graph).closure(targets);
  const sources = new Sources(project, Index.look(project.index), new Facts(), true);
  const there = await checkInputs(actions, { dir: project.dir, sources, drivers });
  const finding = there.ok
    ? fine(`${name}: ${counted(targets.length, "target")}`)
    : lacking(there.problem.message, there.problem.hint?.replaceAll("\n", "; ") ?? `mend ${name}`);
  return { finding, actions, exit: there.ok ? 0 : there.problem.exit };
}

function print(call: Call<"doctor">, findings: readonly Finding[]): void {
  if (call.options.json === true) {
    output.write(`${JSON.stringify(findings, null, 2)}\n`);
    return;
  }
  const shown = findings.filter(({ state }) => call.options.quiet !== true || state !== "ok");
  const all = call.options.verbose === true;
  output.write(shown.map((finding) => `${findingLine(finding, all)}\n`).join(""));
  const install = "apt-get install ";
  const packages = findings.flatMap(({ state, fix }) =>
    state !== "ok" && fix?.startsWith(install) === true ? [fix.slice(install.length)] : [],
  );
  if (new Set(packages).size > 1)
    process.stderr.write(`all at once: ${install}${[...new Set(packages)].sort().join(" ")}\n`);
}
