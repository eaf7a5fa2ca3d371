// Layers: what is put on a tree, one action and one overlay layer for each package list and each step, so that an edit
// rebuilds from its step on.
import { declareOne, type Handle } from "../engine/declare.js";
import type { Guards, Wanted } from "../engine/model.js";
import { limits, losslessOf, type Limits } from "./schema.js";
import { installLayer } from "./steps/install.js";
import { layerOf, type Layer } from "./steps/step.js";
import type { Step } from "./types.js";

/** What the last layer gets beside its content. */
export interface LastLayer extends Limits {
  readonly guards: Guards;
  /** `tree` where a packing action takes the plain id. */
  readonly suffix?: string;
}

/** Puts `packages`, then each step, on `from`. Without either there is one empty layer. */
export function layered(
  rule: string,
  from: Handle,
  packages: readonly Wanted[] | undefined,
  steps: readonly Step[],
  last: LastLayer,
): Handle {
  const layers = steps.map(layerOf);
  if (packages !== undefined && packages.length > 0) layers.unshift(installLayer(packages, false));
  if (layers.length === 0) layers.push(nothing);
  const { lineage } = from;
  let tree = from;
  for (const [i, layer] of layers.entries()) {
    const isLast = i === layers.length - 1;
    const part = layer(tree, rule);
    tree = declareOne(
      {
        ...part,
        inputs: { BASE: tree, ...part.inputs },
        outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
        root: true,
        ...(lineage === undefined ? {} : { arch: lineage.arch }),
        guards: isLast ? last.guards : losslessOf(last.guards),
        ...(isLast && last.suffix !== undefined ? { suffix: last.suffix } : {}),
        ...limits(last),
      },
      lineage,
    );
  }
  return tree;
}

const nothing: Layer = (_, rule) => ({ rule, command: { kind: "shell", text: ":" }, inputs: {} });
