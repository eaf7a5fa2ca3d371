// The signing of an installer ISO: a program of the user's gets the directory with the ISO's contents as its only argument,
// and leaves a signature, the key, and the key's name. What it left is checked in recipes/installer-sign.sh.
import { z } from "zod";
import { declareOne, sourceOf, type Handle, type SourceHandle } from "../../engine/declare.js";
import type { Source as EngineSource, Tool } from "../../engine/model.js";
import { option, typed } from "../options.js";
import { contentsOf } from "../patterns.js";
import { recipe } from "../recipes.js";
import { environment, filesSource, timeout } from "../schema.js";

const signing = z.strictObject({
  script: option(
    filesSource,
    "files(…)",
    "The program: one executable file. It gets the directory as its only argument.",
  ),
  with: option(filesSource.optional(), "files(…)", "What else it reads, beside it in the project."),
  interactive: option(
    z.boolean().optional(),
    "true or false",
    "It talks to a person: it gets the terminal, alone.",
  ),
  network: option(z.boolean().optional(), "true or false", "It talks to a server."),
  env: environment,
  timeout,
});

/** Who signs, and what that takes. */
export type Signing = z.input<typeof signing>;

export const signOption = option(
  typed(z.union([filesSource.transform((script) => ({ script })), signing]), "files(…), or { script, … }"),
  "files(…), or { script, with, interactive, network, env, timeout }",
  "Who signs the repository in the image. The program must leave `repodata/repomd.xml.asc` (detached, in ASCII, SHA-256 or " +
    "better), `RPM-GPG-KEY-…` at the root, and its name as `key1` of `[keys]` in `.treeinfo`. What it left is verified with " +
    "gpg before anything is made of it. Without it the installer is told not to look for a signature.",
).optional();

type Given = NonNullable<z.output<typeof signOption>>;
/** The same with all that was left out. */
type Whole = z.output<typeof signing>;

/** Seconds; a person may have to find a token. */
const LIMIT = { alone: 600, interactive: 3600 } as const;

const GPG: Tool = { name: "gpg", package: "gpg" };

/** `contents` with what the program leaves in it. */
export function signed(contents: Handle, given: Given): Handle {
  const { script, with: more, interactive = false, network = false, env, timeout: limit }: Whole = given;
  return declareOne({
    rule: "installer-sign",
    command: recipe("installer-sign.sh", ["lib.sh", "installer-sign.sh"]),
    env: { ...env },
    inputs: { BASE: contents, SCRIPT: engine(script), ...(more === undefined ? {} : { WITH: engine(more) }) },
    outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
    tools: [GPG],
    root: true,
    interactive,
    network,
    timeout: limit ?? (interactive ? LIMIT.interactive : LIMIT.alone),
    resources: { named: interactive ? ["terminal"] : [] },
  });
}

const engine = (handle: SourceHandle): EngineSource => contentsOf(sourceOf(handle));
