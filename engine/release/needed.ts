// What the releases of all lines need of the store, and which implicit releases are over. It reads release files
// and deletes none.
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { LinkRow } from "../../cache/index.js";
import { ofLine, releasesIn } from "../../cache/layout.js";
import type { Needed } from "../../cache/mark.js";
import { isDatecode } from "../names.js";
import { ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import type { Release } from "./record.js";
import { JOIN_MS, readReleases, releaseFile } from "./release.js";

/** One line beside others in the same state directory, and its releases, oldest first. */
export interface Line {
  readonly project: Project;
  readonly releases: readonly Release[];
}

/** Every line that has a release, with the project's own. A release file that cannot be read is a problem. */
export function readLines(project: Project): Result<Line[]> {
  const lines: Line[] = [];
  const roots = { implicit: releasesIn(project), explicit: join(project.dir, "releases") };
  for (const line of new Set(["", project.line, ...Object.values(roots).flatMap(linesIn)])) {
    const place = { ...ofLine(project, line), line, releases: join(roots.explicit, line) };
    const releases = readReleases(place);
    if (!releases.ok) return releases;
    lines.push({ project: place, releases: releases.value });
  }
  return ok(lines);
}

/** Directories with release files; others (collected releases) are not lines. */
function linesIn(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(root, entry.name)).some(isReleaseFile))
    .map((entry) => entry.name);
}

const isReleaseFile = (name: string): boolean => name.endsWith(".json") && isDatecode(name.slice(0, -5));

/** The implicit release of a line that was built in last. */
const currentOf = (line: Line): Release | undefined =>
  line.releases
    .filter((release) => !release.explicit)
    .sort((a, b) => (a.lastBuild < b.lastBuild ? -1 : 1))
    .at(-1);

/** An implicit release whose time is up. */
export interface Over {
  readonly line: string;
  readonly datecode: string;
  readonly file: string;
}

/**
 * Implicit releases that nobody will join by himself any more, and of whose outputs nothing is left: not the
 * newest of their line, not built in for twelve hours, and no linked file bears their date.
 */
export function releasesOver(
  lines: readonly Line[],
  links: readonly LinkRow[],
  exists: (path: string) => boolean,
  now: number,
): Over[] {
  const linked = new Set(
    links.filter((link) => exists(link.path)).map((link) => idOf(link.line, link.release)),
  );
  return lines.flatMap((line) => {
    const current = currentOf(line);
    return line.releases
      .filter(
        (release) =>
          !release.explicit &&
          release !== current &&
          now - Date.parse(release.lastBuild) >= JOIN_MS &&
          !linked.has(idOf(line.project.line, release.datecode)),
      )
      .map((release) => ({
        line: line.project.line,
        datecode: release.datecode,
        file: releaseFile(line.project, release),
      }));
  });
}

/**
 * Promoted and withdrawn releases of a line that are neither the current one nor among the newest `keep`: they keep nothing
 * any more. What is open, collected or signed always does.
 */
function settledBefore({ releases }: Line, keep: number): ReadonlySet<Release> {
  const settled = releases.filter(({ state }) => state === "promoted" || state === "withdrawn");
  const current = settled.findLast(({ state }) => state === "promoted");
  return new Set(
    settled.slice(0, Math.max(0, settled.length - keep)).filter((release) => release !== current),
  );
}

/** Of what could stay, what does. */
export interface Keeping {
  /** So many promoted or withdrawn releases of each line, and the current one; all unless said. */
  readonly releases?: number;
  /** Last builds of targets since then, in milliseconds since 1970; all unless said. */
  readonly since?: number;
}

/**
 * Links of explicit releases that were not abandoned and of the current implicit one of each line, the artifacts
 * that a release not abandoned counts as its own, and everything pinned by any release that is not over.
 */
export function neededBy(lines: readonly Line[], over: readonly Over[], keeping: Keeping = {}): Needed {
  const gone = new Set(over.map(({ line, datecode }) => idOf(line, datecode)));
  const linking = new Set<string>();
  const live = new Set<string>();
  const artifacts = new Set<string>();
  const [closures, packages, snapshots] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const line of lines) {
    const current = currentOf(line);
    const settled = keeping.releases === undefined ? new Set() : settledBefore(line, keeping.releases);
    for (const release of line.releases) {
      const id = idOf(line.project.line, release.datecode);
      if (gone.has(id) || settled.has(release)) continue;
      if (release.explicit ? release.state !== "abandoned" : release === current) {
        linking.add(id);
        live.add(line.project.line);
      }
      if (release.state !== "abandoned")
        for (const { executable, digest } of Object.values(release.artifacts))
          artifacts.add(`${executable ? "x" : "f"}:${digest}`);
      for (const { digest } of Object.values(release.snapshots)) snapshots.add(digest);
      for (const closure of Object.values(release.closures)) {
        closures.add(closure.digest);
        for (const pkg of closure.packages) packages.add(pkg.sha256);
      }
    }
  }
  const link = (row: LinkRow): boolean =>
    isDated(row) ? linking.has(idOf(row.line, row.release)) : live.has(row.line);
  return { link, artifacts, closures, packages, snapshots, since: keeping.since ?? 0 };
}

/**
 * Whether the file's name says which release it belongs to. A name without a date is shared by all releases of its
 * line, and its row keeps the first that linked it.
 */
export const isDated = ({ path, release }: LinkRow): boolean => basename(path).includes(release);

const idOf = (line: string, datecode: string): string => `${line} ${datecode}`;
