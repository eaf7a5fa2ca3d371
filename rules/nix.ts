// nix: a nix store with packages in it, built single-user: a tree that is the content of /nix. The work is done by
// recipes/nix.sh.
import { posix } from "node:path";
import { z } from "zod";
import { declareOne, sourceOf, wrongOption, type PackageSpec, type SourceHandle } from "../engine/declare.js";
import type { Source as EngineSource } from "../engine/model.js";
import { isAddress, isRemote, parseReference } from "./drivers/nix/reference.js";
import { listInputs } from "./distribution.js";
import { option, render } from "./options.js";
import { rule, type GivenTo } from "./declaration.js";
import { directoryOf, isOutside, staged, watched } from "./patterns.js";
import { recipe } from "./recipes.js";
import { common, filesSource, guardsOf, limits, packageNames } from "./schema.js";
import { asTree, type TreeTarget } from "./types.js";

/** Machines that nix builds for, without the `-linux`. */
const ARCHS = ["x86_64", "aarch64"] as const;

/** What is installed. */
export const nixPackages = {
  nixpkgs: option(
    z.union([z.string().min(1), filesSource]),
    `"github:NixOS/nixpkgs/<branch or revision>", a .tar.gz by its URL, a directory, or files(…)`,
    "The expressions. A branch or a tarball is pinned for the release, like a package repository, and its packages " +
      "come from nix's binary cache; a directory with a `default.nix`, beside the Imagefile or elsewhere, is an input " +
      "like any other, and then there is no network.",
  ),
  packages: option(
    packageNames,
    `package names in an array, or list("file")`,
    "Attributes to install: `hello`, `python3Packages.requests`.",
  ),
  unfree: option(z.boolean().optional(), "true or false", "Packages that are not free may be installed."),
};

export const nix = rule(
  "rule.nix",
  "A nix store with these packages in its default profile; its root is what belongs at /nix.",
  {
    ...nixPackages,
    arch: option(
      z.enum(ARCHS).optional(),
      `one of ${ARCHS.join(", ")}`,
      "What it is built for; x86_64 unless said.",
    ),
    ...common,
  },
  (o): TreeTarget => {
    if (o.packages.length === 0) wrongOption("nix", "packages: expected at least one, found none");
    const arch = o.arch ?? "x86_64";
    const from = expressions(o.nixpkgs, arch);
    const names = o.packages.flatMap((name) => (typeof name === "string" ? [name] : []));
    for (const name of names) {
      if (!/^[A-Za-z_][\w'.-]*$/.test(name))
        wrongOption("nix", `packages: expected an attribute, found ${render(name)}`);
    }
    return asTree(
      declareOne({
        rule: "nix",
        command: recipe("nix.sh", ["lib.sh", "nix.sh"]),
        env: {
          SYSTEM: `${arch}-linux`,
          PACKAGES: [...new Set(names)].sort().join(" "),
          ...(o.unfree === true ? { NIXPKGS_ALLOW_UNFREE: "1" } : {}),
          ...from.env,
        },
        inputs: { ...from.inputs, ...listInputs(o.packages) },
        outputs: [{ name: "OUT", kind: "tree", base: null }],
        ...(from.packages === null ? {} : { packages: from.packages }),
        network: from.network,
        tools: [
          { name: "nix-env", package: "nix-bin" },
          { name: "nix-store", package: "nix-bin" },
          { name: "sqlite3", package: "sqlite3" },
        ],
        root: true,
        resources: { memory: 1024 ** 3 },
        guards: guardsOf(o.guards),
        ...limits(o),
      }),
    );
  },
);

/** Options of `nix`. */
export type NixOptions = GivenTo<typeof nix>;

/** Where the expressions are: in the stage, or in a tarball that the release pins. */
interface Expressions {
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, EngineSource>>;
  readonly packages: PackageSpec | null;
  readonly network: boolean;
}

/** Where the stage has expressions from outside the project. */
const STAGED = "nixpkgs";

function expressions(given: string | SourceHandle, arch: string): Expressions {
  if (typeof given !== "string") return fromFiles(sourceOf(given));
  const reference = parseReference(given);
  if (reference !== null) {
    const packages = { driver: "nix", repo: { nixpkgs: given }, arch, want: [], options: {}, on: null };
    const network = isRemote(reference);
    return { env: network ? { SUBSTITUTE: "yes" } : {}, inputs: {}, packages, network };
  }
  if (isAddress(given)) {
    const forms = "github:OWNER/REPOSITORY/BRANCH-OR-REVISION, a .tar.gz by its URL, or a directory";
    wrongOption("nix", `nixpkgs: expected ${forms}, found ${render(given)}`);
  }
  const dir = posix.normalize(given).replace(/(?<=.)\/+$/, "");
  return isOutside(dir) || dir === "."
    ? inStage({ kind: "files", patterns: ["."], from: dir, stage: STAGED }, STAGED)
    : inStage({ kind: "files", patterns: [dir] }, dir);
}

function fromFiles(source: EngineSource): Expressions {
  if (source.kind !== "files") throw new Error("expressions are files()");
  if (source.from !== undefined) return inStage({ ...source, stage: STAGED }, STAGED);
  const at = directoryOf(source.patterns);
  if (isOutside(at)) return inStage(staged(source, STAGED), STAGED);
  return inStage(source, at === "" ? "." : at);
}

const inStage = (files: EngineSource, at: string): Expressions => ({
  env: { EXPRESSION: at },
  inputs: { NIXPKGS: watched(files) },
  packages: null,
  network: false,
});
