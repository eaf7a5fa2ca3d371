// step.hook: a script of the user's on a tree, with every file that it sources as an input. What it may rely on while it
// runs is in recipes/hook.sh, its helpers are in recipes/hooklib.sh.
import { statSync } from "node:fs";
import { posix, resolve } from "node:path";
import { z } from "zod";
import { callSite, type Handle, type Lineage, type SourceHandle } from "../../engine/declare.js";
import { imagefileDirectory } from "../../engine/evaluate/place.js";
import type { Source as EngineSource, Tool, Wanted } from "../../engine/model.js";
import { Exit, ProblemError } from "../../engine/problem.js";
import { cpuOf, emulation } from "../distributions.js";
import { option } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { isOutside } from "../patterns.js";
import { recipe } from "../recipes.js";
import { request } from "../distribution.js";
import { engineInputs } from "../run.js";
import { anyInput, environment, packageNames, variables } from "../schema.js";
import type { Step, Vars } from "../types.js";
import { sourcedBy } from "./sourced.js";
import { makeStep, type Part } from "./step.js";

/** What the step itself tells the script, or its recipe. */
const OWN = "SCRIPT SOURCED BASE ARCH HOOKCPU HOOKLIB HOOKROOT HOOKSTATE ONLINE REPO".split(" ");
const notOwn = (given: object | undefined): boolean =>
  Object.keys(given ?? {}).every((name) => !OWN.includes(name));
const taken = `${OWN.join(", ")} are the step's own variables; take another name`;

const declared = declaration(
  "step.hook",
  "Runs a script of the project's on the tree.",
  {
    script: option(
      z.string().regex(/^[^\0\n]*[^\0\n/]$/),
      "a file",
      "The script, called with one argument: the root directory. `{arch}` in its name becomes the tree's architecture. The " +
        "files that it sources are found and declared.",
    ),
    network: option(
      z.boolean().optional(),
      "true or false",
      "The script may use the network; what it takes from there is in no key.",
    ),
    packages: option(
      packageNames.optional(),
      `package names in an array, or list("file")`,
      "Packages with all they need, from the release's snapshot, for the script to install without network: " +
        "`prepare_apt_source` without arguments makes them apt's source.",
    ),
    recommends: option(
      z.boolean().optional(),
      "true or false",
      "Whether recommended packages are among them.",
    ),
    inputs: option(
      variables(anyInput).refine(notOwn, taken).optional(),
      "{ NAME: target or source }",
      "What else the script reads, as in `run`.",
    ),
    env: option(environment.refine(notOwn, taken), "{ NAME: text }", "Variables for the script."),
  },
  ["script"],
);

export const hook = callable(
  declared,
  (script: Given<typeof declared>["script"], o: Others<typeof declared, "script"> = {}): Step => {
    const given = declared.check({ script, ...o });
    const place = callSite();
    const stop = (message: string, hint?: string): never => {
      throw new ProblemError({
        exit: Exit.usage,
        message: `${place}: step.hook: ${message}`,
        ...(hint === undefined ? {} : { hint }),
      });
    };
    return makeStep((tree) => {
      const { lineage } = tree;
      const arch = lineage?.arch ?? null;
      if (arch === null && given.script.includes("{arch}")) {
        stop(`${given.script}: the tree beneath was not made by rootfs, so its architecture is not known`);
      }
      return {
        rule: "step.hook",
        command: recipe(
          "hook.sh",
          ["lib.sh", "emulate.sh", "unique.sh", "tree.sh", "traces.sh", "hook.sh"],
          ["hooklib.sh"],
        ),
        network: given.network ?? false,
        tools: emulator(lineage),
        ...packagesOf(given.packages, given.recommends ?? false, tree, stop),
        ...scriptOf(given.script.replaceAll("{arch}", arch ?? ""), lineage, given, stop),
      };
    });
  },
);

type Stop = (message: string, hint?: string) => never;
interface Told {
  readonly inputs?: Readonly<Record<string, Handle | SourceHandle>> | undefined;
  readonly env?: Vars | undefined;
  readonly network?: boolean | undefined;
}

/** The script and what it sources as inputs, and the variables it finds. */
function scriptOf(
  script: string,
  lineage: Lineage | undefined,
  told: Told,
  stop: Stop,
): Pick<Part, "env" | "inputs"> {
  const arch = lineage?.arch ?? null;
  const cpu = lineage === undefined ? null : cpuOf(lineage.driver, lineage.arch);
  const path = posix.normalize(script);
  const outside = isOutside(path);
  const dir = imagefileDirectory();
  const base = outside ? resolve(dir, posix.dirname(path)) : dir;
  const name = outside ? posix.basename(path) : path;
  if (statSync(resolve(base, name), { throwIfNoEntry: false })?.isFile() !== true) {
    stop(`there is no script ${script}`, `looked for ${resolve(base, name)}`);
  }
  const sourced = sourcedBy({ base, script: name, arch, runsInBase: !outside });
  if (sourced.kind === "wrong") return stop(sourced.message, sourced.hint);
  // A place outside of the project is in no key.
  const files = (patterns: readonly string[]): EngineSource =>
    outside ? { kind: "files", patterns, from: base, stage: STAGED } : { kind: "files", patterns };
  return {
    env: { ...told.env, ARCH: arch ?? "", HOOKCPU: cpu ?? "", ONLINE: told.network === true ? "yes" : "" },
    inputs: {
      ...engineInputs(told.inputs ?? {}, true),
      SCRIPT: files([name]),
      ...(sourced.files.length === 0 ? {} : { SOURCED: files(sourced.files) }),
    },
  };
}

/** Where the stage has a script from outside the project. */
const STAGED = "hook";

function packagesOf(
  want: readonly Wanted[] | undefined,
  recommends: boolean,
  tree: Handle,
  stop: Stop,
): Partial<Pick<Part, "packages">> {
  if (want === undefined) return {};
  if (tree.lineage === undefined) {
    return stop("packages: the tree beneath was not made by rootfs, so no repository is known for it");
  }
  return { packages: request(tree.lineage, tree, want, { recommends }) };
}

/** The tree's own programs may run in a hook. */
function emulator(lineage: Lineage | undefined): readonly Tool[] {
  return lineage === undefined ? [] : emulation(lineage.driver, lineage.arch);
}
