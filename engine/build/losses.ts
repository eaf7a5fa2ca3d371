// What is lost on the way into an action's outputs, known before it runs: sentences for people, and with the guard `lossless`
// failures (engine/execute/guards.ts).
import { digestOf } from "../../cache/store.js";
import type { Decider } from "../decide.js";
import type { Action } from "../model.js";
import type { Notice } from "../notice.js";
import { ok, type Result } from "../problem.js";
import { droppedAttributes } from "../sources/dropped.js";
import { lossesOf, lossText } from "../tree/losses.js";
import { readManifest } from "../tree/manifest.js";

/**
 * What the formats of its outputs do not hold of the trees that it reads, and a tree not of the sources that go into it,
 * a sentence each.
 */
export async function lossesIn(decider: Decider, action: Action): Promise<Result<readonly Notice[]>> {
  const said: Notice[] = [];
  for (const input of action.inputs) {
    if (input.kind !== "source" || input.source.kind !== "files" || input.source.tree?.kind !== "tree")
      continue;
    const resolved = await decider.context.sources.resolve(input.source, input.name);
    if (!resolved.ok) return resolved;
    if (resolved.value.kind !== "files") continue;
    const losses = await droppedAttributes(resolved.value.files, input.source.tree);
    if (!losses.ok) return losses;
    if (losses.value.length > 0) said.push(lossText("an overlay", losses.value));
  }
  for (const holding of action.holds) {
    const input = action.inputs.find(({ name }) => name === holding.input);
    const id = input?.kind === "artifact" ? decider.artifactOf(input.target) : undefined;
    if (id === undefined || !id.startsWith("t:")) continue;
    const manifest = readManifest(decider.context.project.manifests, digestOf(id));
    if (!manifest.ok) return manifest;
    const losses = lossesOf(manifest.value, holding);
    if (losses.length > 0) said.push(lossText(holding.format, losses));
  }
  return ok(said);
}
