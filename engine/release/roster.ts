// What a release is of: its targets, those that the Imagefile has besides, and the checks that judge it.
import type { Graph, TargetId } from "../model.js";
import type { Release } from "./record.js";

/** What a release without a roster is about, and one that is started without targets: the project's, else every exported file. */
export function rosterOf({ project, targets }: Graph): readonly TargetId[] {
  if (project.release.of.length > 0) return project.release.of;
  return targets.filter(({ exported, kind }) => exported && kind === "file").map(({ id }) => id);
}

/** What takes a target off the roster that the Imagefile no longer has. */
export const dropping = (target: TargetId): string => `imagemake release drop ${target} --because TEXT`;

/** What the Imagefile's releases are of since this one was started, and its roster has not. */
export const offRoster = ({ roster, atStart }: Release, graph: Graph): readonly TargetId[] =>
  atStart === null
    ? []
    : rosterOf(graph).filter((id) => !atStart.includes(id) && roster?.includes(id) !== true);

/** The same in words; null where there is nothing of the kind. */
export function offRosterLine(release: Release, graph: Graph): string | null {
  const off = offRoster(release, graph);
  const [was, it] = off.length === 1 ? ["was", "it"] : ["were", "them"];
  return off.length === 0
    ? null
    : `${off.join(", ")} ${was} added after release ${release.datecode} was started, and its roster is fixed from then on: ` +
        `it goes without ${it}; \`imagemake release start\` opens another with ${it}`;
}

/** The checks of the gate that have not passed and that nobody let through: `release sign` refuses while there are any. */
export const unpassed = (
  gate: readonly TargetId[],
  hasPassed: (check: TargetId) => boolean,
  waived: Release["waived"],
): readonly TargetId[] =>
  gate.filter((check) => !hasPassed(check) && !waived.some(({ target }) => target === check));

/** Targets that this run is about: the roster's, as far as VAR= leaves them, and the checks that judge them. */
export function rosterHere(graph: Graph, release: Release): TargetId[] {
  const chosen = new Set(graph.groups.flatMap(({ members }) => members));
  const { of, gate } = graph.project.release;
  return [...new Set([...(release.roster ?? of), ...gate])].filter((id) => chosen.has(id));
}
