// Keeps the evaluated graph, so that later runs are spared evaluating. Losing it costs time only.
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { hashBytes } from "../cache/hash.js";
import { PACKAGE, programUrl, RECIPES } from "../cache/installed.js";
import { readPlain, writeIfPossible } from "../cache/io.js";
import { reached } from "../cache/steps.js";
import { checksumHolds, ownerIn, withChecksum, writeWhole } from "../cache/write.js";
import { graphPath } from "../cache/layout.js";
import { readsChanged, restamped, type Reads } from "./evaluate/fresh.js";
import type { Graph } from "./model.js";
import type { Project } from "./project.js";
import { stampOf } from "./sources/stamp.js";

/** Files of this imagemake: when one changes, another imagemake is at work and nothing remembered counts. */
export const engineFiles = (): string[] =>
  [new URL("package.json", PACKAGE), programUrl("imagemake"), RECIPES].map((file) => fileURLToPath(file));

/** A graph, and what it was made from. */
export interface KnownGraph {
  readonly graph: Graph;
  readonly reads: Reads;
  /** The same for the same graph only. */
  readonly digest: string;
}

/** A saved graph. */
interface SavedGraph extends KnownGraph {
  readonly engine: string;
  readonly args: Readonly<Record<string, string>>;
}

const engineIdentity = (): string =>
  createHash("sha256")
    .update(
      engineFiles()
        .map((file) => `${file} ${JSON.stringify(stampOf(file))}`)
        .join("\n"),
    )
    .digest("hex");

const graphFile = (project: Project, args: Readonly<Record<string, string>>): string =>
  graphPath(project, hashBytes(JSON.stringify([project.imagefile, args])).slice(0, 16));

/** The saved graph, while nothing that evaluation read has changed. `save` keeps what was found out again. */
export function savedGraph(
  project: Project,
  args: Readonly<Record<string, string>>,
  save: boolean,
): KnownGraph | null {
  try {
    const bytes = readPlain(graphFile(project, args));
    if (bytes === null) return null;
    const text = bytes.toString("utf8");
    // What is damaged is evaluated again, and written over.
    if (checksumHolds(text) !== true) return null;
    const saved = JSON.parse(text) as SavedGraph;
    if (saved.engine !== engineIdentity() || readsChanged(saved.reads, args) !== null) return null;
    const reads = save ? restamped(saved.reads) : null;
    if (reads !== null) saveGraph(project, args, saved.graph, reads);
    return reads === null ? saved : { ...saved, reads };
  } catch {
    return null;
  }
}

/** Saves an evaluated graph; not where evaluation used what cannot be looked up again. */
export function saveGraph(
  project: Project,
  args: Readonly<Record<string, string>>,
  graph: Graph,
  reads: Reads,
): KnownGraph {
  const text = JSON.stringify(graph);
  const digest = hashBytes(text);
  if (reads.unsnapshottable.length === 0)
    writeIfPossible(() => {
      const rest = JSON.stringify({ engine: engineIdentity(), args, reads, digest });
      const whole = withChecksum(`${rest.slice(0, -1)},"graph":${text}}`);
      writeWhole(graphFile(project, args), whole, ownerIn(project.graphs));
      reached("graph kept", project.graphs);
    });
  return { graph, reads, digest };
}
