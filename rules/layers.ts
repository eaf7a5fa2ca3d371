// Layers: what is put on a tree, one action and one overlay layer for each package list and each step, so that
// an edit rebuilds from its step on. It does not know how a first tree comes about.
import {
  declareOne,
  wrongOption,
  type ActionSpec,
  type Handle,
  type Lineage,
  type PackageSpec,
} from "../engine/declare.js";
import type { Guards, Json, Source as EngineSource, Wanted } from "../engine/model.js";
import { recipe } from "./recipes.js";
import { stepData, type StepData } from "./steps.js";
import { systemOf } from "./systems.js";
import type { Step } from "./types.js";

/** What the last layer gets beside its content. */
export interface LastLayer {
  readonly timeout?: number | undefined;
  readonly guards: Guards;
  /** `tree` where a packing action takes the plain id. */
  readonly suffix?: string;
}

type Part = Omit<ActionSpec, "outputs" | "root" | "arch" | "suffix" | "guards" | "timeout">;

/** Puts `packages`, then each step, on `from`. Without either there is one empty layer. */
export function layered(
  rule: string,
  from: Handle,
  packages: readonly Wanted[] | undefined,
  steps: readonly Step[],
  last: LastLayer,
): Handle {
  const parts: StepData[] = steps.map(stepData);
  if (packages !== undefined && packages.length > 0) {
    parts.unshift({ kind: "install", want: packages, recommends: false });
  }
  const { lineage } = from;
  let tree = from;
  for (const [i, part] of (parts.length > 0 ? parts : [null]).entries()) {
    const isLast = i >= parts.length - 1;
    const base = { BASE: tree };
    const spec = part === null ? nothing(rule) : layerOf(rule, part, tree, lineage);
    tree = declareOne(
      {
        ...spec,
        inputs: { ...base, ...spec.inputs },
        outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
        root: true,
        ...(lineage === undefined ? {} : { arch: lineage.arch }),
        ...(isLast ? { guards: last.guards } : {}),
        ...(isLast && last.suffix !== undefined ? { suffix: last.suffix } : {}),
        ...(last.timeout === undefined ? {} : { timeout: last.timeout }),
      },
      lineage,
    );
  }
  return tree;
}

const nothing = (rule: string): Part => ({ rule, command: { kind: "shell", text: ":" }, inputs: {} });

function layerOf(rule: string, part: StepData, tree: Handle, lineage: Lineage | undefined): Part {
  switch (part.kind) {
    case "install": {
      if (lineage === undefined) {
        wrongOption(
          rule,
          "packages: the tree beneath was not made by rootfs, so no repository is known for it",
        );
      }
      return installPart(lineage, tree, part.want, part.recommends);
    }
    case "remove":
      return {
        rule: "step.remove",
        command: recipe("remove.sh", ["lib.sh", "remove.sh"]),
        env: { PATHS: part.paths.filter((path) => typeof path === "string").join("\n") },
        inputs: listInputs(part.paths),
      };
    case "overlay": {
      const modes = Object.entries(part.modes).map(([path, mode]) => `${mode} ${path}`);
      return {
        rule: "step.overlay",
        command: recipe("overlay.sh", ["lib.sh", "overlay.sh"]),
        env: { STRIP: part.strip, TO: part.to, OWNER: part.owner, MODES: modes.join("\n") },
        inputs: { FILES: part.files },
      };
    }
    case "write":
      return {
        rule: "step.write",
        command: recipe("write.sh", ["lib.sh", "write.sh"]),
        env: { TO: part.path, CONTENT: part.content, MODE: part.mode },
        inputs: {},
      };
    case "link":
      return {
        rule: "step.link",
        command: recipe("link.sh", ["lib.sh", "link.sh"]),
        env: { LINK: part.path, TO: part.to },
        inputs: {},
      };
  }
}

function installPart(lineage: Lineage, tree: Handle, want: readonly Wanted[], recommends: boolean): Part {
  const { command, env, inputs, tools } = systemOf(lineage.driver).install(lineage);
  return {
    rule: "step.install",
    command,
    // The closure says what is installed. The list itself is no input: what does not change the closure
    // must not build again.
    env,
    inputs,
    packages: request(lineage, tree, want, { recommends }),
    tools,
    resources: { memory: 512 * 1024 ** 2 },
  };
}

/** A package request for a layer on `tree`, from the repository the tree was made with. */
export function request(lineage: Lineage, tree: Handle, want: readonly Wanted[], options: Json): PackageSpec {
  const { driver, repo, arch } = lineage;
  return { driver, repo, arch, want, options, on: tree };
}

/** List files among paths, as inputs LIST0, LIST1, … */
export function listInputs(want: readonly Wanted[]): Readonly<Record<string, EngineSource>> {
  const files = want.flatMap((one) => (typeof one !== "string" && "list" in one ? [one.list] : []));
  return Object.fromEntries(files.map((file, i) => [`LIST${i}`, { kind: "list", file }]));
}
