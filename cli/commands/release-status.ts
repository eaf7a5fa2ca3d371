// `imagemake release status`: where the release stands: what is built, what is missing, what it pins.
import { resolve } from "node:path";
import type { Graph, TargetId } from "../../engine/model.js";
import type { Decision } from "../../engine/reason.js";
import { relationsOf } from "../../engine/relations.js";
import type { Release } from "../../engine/release/record.js";
import { joinedByBuilds, readReleases, releaseFile, shownRelease } from "../../engine/release/release.js";
import { dropping, offRoster, offRosterLine, rosterOf, unpassed } from "../../engine/release/roster.js";
import { NEXT } from "../../engine/release/states.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { judge, look } from "../look.js";
import { output } from "../output.js";
import { describeDecision } from "../render/reason.js";
import { visible } from "../render/visible.js";
import { formatWhen, releaseLine, utcSecond } from "../render/when.js";
import type { Call } from "../call.js";
import { projectOfCall } from "../state.js";

/** Says the state of each target on the roster; exit 0 also while something is missing. */
export async function command(call: Call<"release status">): Promise<number> {
  const releases = unwrap(readReleases(projectOfCall(call)));
  const shown = shownRelease(releases, call.options.release ?? call.args["DATECODE"]);
  const named = shown === undefined ? {} : { release: shown.datecode };
  const ofRelease = (graph: Graph): readonly TargetId[] => [
    ...(shown?.roster ?? rosterOf(graph)),
    ...(shown?.state === "open" ? graph.project.release.gate : []),
  ];
  const looking = await look({ ...call, options: { ...call.options, ...named } }, [], ofRelease);
  const { session, opened } = looking;
  const { selected } = session;
  if (selected.kind === "opens") {
    if (call.options.release !== undefined)
      stop(Exit.usage, `there is no release ${selected.release.datecode}`);
    if (call.options.json === true) output.write("null\n");
    else output.write("no release is open; the next build or `imagemake release start` opens one\n");
    return Exit.done;
  }
  const { release } = selected;
  const judgements = await judge(session);
  const relations = relationsOf(opened.graph);
  const targets = release.roster ?? rosterOf(opened.graph);
  const decisionOn = (target: TargetId): Decision | null =>
    judgements.get(relations.producer(target)?.id ?? "")?.decision ?? null;
  const rows = targets.map((target) => ({ target, decision: decisionOn(target) }));
  const done = rows.filter((row) => row.decision?.kind === "up-to-date").length;
  const joined = joinedByBuilds(releases);
  const others = releases.filter(({ explicit, datecode }) => explicit && datecode !== release.datecode);
  const missing = rows.flatMap(({ target, decision }) =>
    decision === null || decision.kind === "up-to-date" ? [] : [target],
  );
  const gone = rows.flatMap(({ target, decision }) => (decision === null ? [target] : []));
  // What was collected was judged then.
  const hasPassed = (check: TargetId): boolean =>
    release.state === "open"
      ? decisionOn(check)?.kind === "up-to-date"
      : release.verdicts[check] !== undefined;
  const isJudged = release.state === "open" || release.state === "collected";
  const gate = isJudged ? unpassed(opened.graph.project.release.gate, hasPassed, release.waived) : [];
  const next = nextOf(release, { missing, gone, gate });
  const steps = opened.graph.project.release.steps.map((step) => ({
    step,
    done: release.ticked[step] ?? null,
  }));
  if (call.options.json === true) {
    const { closures, ...rest } = release;
    const counts = Object.fromEntries(
      Object.entries(closures).map(([target, closure]) => [target, closure.packages.length]),
    );
    const rosterLacks = offRoster(release, opened.graph);
    const { collected } = release;
    const at = collected === null ? null : { ...collected, dir: resolve(opened.project.dir, collected.dir) };
    const data = {
      ...rest,
      collected: at,
      packages: counts,
      targets: rows,
      rosterLacks,
      unpassed: gate,
      steps,
      next,
    };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return Exit.done;
  }
  const now = Date.now();
  const kind = release.explicit ? "explicit" : "implicit";
  const off = offRosterLine(release, opened.graph);
  const lines = [
    releaseLine({ datecode: release.datecode, opened: Date.parse(release.opened), joined: true, at: now }),
    `  ${kind}, ${release.state}, ${releaseFile(opened.project, release)}`,
    `  ${done} of ${rows.length} targets are up to date`,
    ...rows.flatMap(({ target, decision }) =>
      decision === null
        ? [`    ${target}: no longer in the Imagefile`]
        : decision.kind === "up-to-date"
          ? []
          : [`    ${target}: ${describeDecision(decision)}`],
    ),
    ...(gate.length === 0 || !release.explicit ? [] : [`  no pass of the gate: ${gate.join(", ")}`]),
    ...(off === null ? [] : [`  ${off}`]),
    ...foreignLines(release),
    ...snapshotLines(release, now),
    ...steps.map(({ step, done: at }, number) => `  [${at === null ? " " : "x"}] ${number + 1} ${step}`),
    ...(next === null || !release.explicit ? [] : [`  next: ${next}`]),
    ...(joined === undefined || joined.explicit || joined.datecode === release.datecode
      ? []
      : [`  beside it: release ${joined.datecode}, which builds join`]),
    ...others.map((other) => `  beside it: release ${other.datecode} (${other.state})`),
  ];
  output.write(lines.map((line) => `${line}\n`).join(""));
  return Exit.done;
}

/** The command that leads on; to a check that has not passed, none leads from what is collected. */
function nextOf(
  { state }: Release,
  { missing, gone, gate }: Readonly<Record<"missing" | "gone" | "gate", readonly TargetId[]>>,
): string | null {
  const wanted = [...missing, ...gate];
  if (state === "open" && wanted.length > 0) return `imagemake ${wanted.join(" ")}`;
  const [lost] = gone;
  if (state === "open" && lost !== undefined) return dropping(lost);
  return state === "collected" && gate.length > 0 ? "imagemake release reopen" : NEXT[state];
}

/** Where they are of different moments, that is said of the later ones. */
function snapshotLines({ snapshots }: Release, now: number): string[] {
  const [first] = Object.values(snapshots)
    .map(({ taken }) => taken)
    .sort();
  return Object.entries(snapshots).map(([name, { taken }]) =>
    first === undefined || taken === first
      ? `  snapshot of ${name}, taken ${formatWhen(Date.parse(taken), now)}`
      : `  snapshot of ${name}, taken ${utcSecond(taken)}, later than the first (${utcSecond(first)})`,
  );
}

/** What was not built here: how much came from where, and each file that a person brought. */
function foreignLines({ artifacts }: Release): string[] {
  const counts = new Map<string, number>();
  const adopted: string[] = [];
  for (const [target, { provenance }] of Object.entries(artifacts)) {
    if (provenance.kind === "imported") counts.set(provenance.from, (counts.get(provenance.from) ?? 0) + 1);
    if (provenance.kind === "adopted") adopted.push(`  ${target} is adopted: ${visible(provenance.because)}`);
  }
  const imported = [...counts].map(([from, count]) => `  ${count} imported from ${visible(from)}`);
  return [...imported, ...adopted];
}
