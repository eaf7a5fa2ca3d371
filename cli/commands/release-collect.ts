// `imagemake release collect [DIR]`: the release's artifacts, by what the graph says, in one directory with their
// checksums.
import { dirname, resolve } from "node:path";
import { hashBytes } from "../../cache/hash.js";
import { describeItems, writeReleaseManifests } from "../../engine/contents/stored.js";
import type { Graph, TargetId } from "../../engine/model.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { requireOtherNames } from "../../engine/release/check.js";
import { collectInto, type Unwhole, wantedFiles } from "../../engine/release/collect.js";
import { isLimited, kept, linkIn, ownPlace, real, requireOwner } from "../../engine/release/place.js";
import type { Release, ReleasedArtifact } from "../../engine/release/record.js";
import { saveRelease } from "../../engine/release/release.js";
import { dropping, offRosterLine, rosterOf, unpassed } from "../../engine/release/roster.js";
import { changeState, from, requireState } from "../../engine/release/states.js";
import { isWithin } from "../../engine/sources/globs.js";
import { meant, tell, tellLine } from "../life.js";
import { judge, look } from "../look.js";
import { drivers } from "../open.js";
import { describeDecision } from "../render/reason.js";
import type { Call } from "../call.js";
import { projectOfCall, whileLocked } from "../state.js";

/** Refuses, naming each target that is not what this release wants of it. */
export async function command(call: Call<"release collect">): Promise<number> {
  const project = projectOfCall(call);
  const work = async (): Promise<number> => {
    const release = unwrap(requireState(unwrap(meant(project, call, from("collect"))), from("collect")));
    const options = { ...call.options, release: release.datecode };
    const rosterIn = (graph: Graph): readonly TargetId[] => release.roster ?? rosterOf(graph);
    // What is on no roster is none of the release's business, and the checks that judge it are.
    const looking = await look({ ...call, options }, [], (graph) => [
      ...rosterIn(graph),
      ...graph.project.release.gate,
    ]);
    const { graph } = looking.opened;
    const roster = rosterIn(graph);
    const { session } = looking;
    const { items, verdicts, wrong } = wantedFiles(session, await judge(session), roster, release);
    requireWhole(release, wrong);
    const off = offRosterLine(release, graph);
    if (off !== null) tellLine(call, `warning: ${off}`);
    const { gate, into, sums } = graph.project.release;
    unwrap(
      requireOtherNames(
        items.map(({ artifact }) => artifact.name),
        sums.file,
      ),
    );
    const open = unpassed(gate, (check) => verdicts[check] !== undefined, release.waived);
    if (open.length > 0)
      tellLine(
        call,
        `warning: no pass of the gate for what is collected: ${open.join(", ")}; release sign refuses without: ` +
          `imagemake release reopen, then imagemake ${open.join(" ")}, and collect again`,
      );
    if (call.names[0] !== undefined) unwrap(requireOwner(project, "choose where a release is collected"));
    const dir =
      call.names[0] === undefined
        ? ownPlace(project, into, release.datecode)
        : resolve(call.names[0], release.datecode);
    if (isWithin(real(project.state), real(dirname(dir))))
      stop(
        Exit.usage,
        `${dir} lies in the state directory, which may be deleted at any time`,
        "name another directory",
      );
    if (call.options.dryRun === true) {
      process.stderr.write(`would collect ${items.length} files into ${dir}\n`);
      return Exit.done;
    }
    const link = linkIn(project, dir);
    if (link !== null)
      stop(Exit.usage, `${link} is a symbolic link`, "put a directory there, or name another");
    // What the file says of files that are to be replaced is believed of one's own alone.
    const isSame = release.collected !== null && resolve(project.dir, release.collected.dir) === dir;
    const before = isSame && !isLimited(project) ? Object.values(release.artifacts) : [];
    const collected = { dir, sums: sums.file, form: sums.form };
    const { described, problems } = await describeItems(session.decider, drivers, items);
    for (const { message } of problems) tellLine(call, `warning: there is no manifest of a file: ${message}`);
    unwrap(await collectInto(project, session.decider.context.store, collected, items, before));
    unwrap(writeReleaseManifests(project, release, described));
    const artifacts = Object.fromEntries(
      items.map(({ target, artifact }) => [target, withManifest(artifact, described.get(target)?.text)]),
    );
    const more = {
      explicit: true,
      roster,
      artifacts,
      verdicts,
      signature: null,
      collected: kept(project, collected),
    };
    const changed = changeState(release, "collect", Date.now(), more);
    saveRelease(project, changed);
    tell(call, project, changed);
    return Exit.done;
  };
  // Saying what would be done makes no state directory.
  return call.options.dryRun === true ? work() : whileLocked(call, project, work);
}

const withManifest = (artifact: ReleasedArtifact, text: string | undefined): ReleasedArtifact =>
  text === undefined ? artifact : { ...artifact, manifest: hashBytes(text) };

function requireWhole({ datecode }: Release, wrong: readonly Unwhole[]): void {
  if (wrong.length === 0) return;
  const gone = wrong.find(({ why }) => why === "gone");
  stop(
    Exit.failed,
    `release ${datecode} is not complete: ${wrong.map(inWords).join("; ")}`,
    gone === undefined
      ? "imagemake builds what is out of date"
      : `${dropping(gone.target)} takes it off the roster`,
  );
}

function inWords({ target, why }: Unwhole): string {
  if (why === "gone") return `${target}: no longer in the Imagefile`;
  return `${target}: ${why === "rejected" ? why : describeDecision(why)}`;
}
