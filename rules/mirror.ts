// mirror: a subset of RPM repositories as a tree that is a repository again. All of it is fetched into the store, and
// kept there as long as the release: whatever is installed from the same repositories later needs no network.
import { z } from "zod";
import { declareOne, wrongOption } from "../engine/declare.js";
import { dnfRequest, isDnfRepo, type DnfRepo } from "./dnf.js";
import { forArch } from "./drivers/dnf/repository.js";
import { callable, declaration, type Given } from "./declaration.js";
import { option } from "./options.js";
import { packing, splitGuards, treeOrFile } from "./pack.js";
import { recipe } from "./recipes.js";
import { arrayOf, common, guardsOf, limits, takes } from "./schema.js";
import { distributionOf, type Arch } from "./distributions.js";
import type { Built, Out, Repo } from "./types.js";

/** What nobody installs: symbols for debuggers, and what programs are built with. */
const NEVER = [
  "*-debuginfo",
  "*-debuginfo-*",
  "*-debugsource",
  "*-debug",
  "*-debug-*",
  "*-devel",
  "*-devel-*",
  "*-devel_*",
] as const;

const declared = declaration("rule.mirror", "A local copy of repositories.", {
  repo: option(
    takes<Repo<"dnf">>()(z.custom<DnfRepo>(isDnfRepo)),
    "dnf(…)",
    "The repositories: those of a configuration, or all below a directory with `dnf({ url })`.",
  ),
  arch: option(
    takes<Arch["dnf"]>()(z.string()),
    "x86_64 or aarch64",
    "What `$basearch` stands for in the repositories' addresses. All that they have is taken, whatever architecture it is for.",
  ),
  without: option(
    arrayOf(z.string().regex(/^\S+$/)).optional(),
    "names in an array",
    "Packages that are left out beside those of sources, for debuggers and for development; `*` stands for part of a name.",
  ),
  ...packing,
  ...common,
});

export const mirror = callable(
  declared,
  <O extends string | undefined = undefined>(given: Given<typeof declared> & Out<O>): Built<O> => {
    const o = declared.check(given);
    const { archs } = distributionOf("dnf");
    if (!archs.includes(o.arch))
      wrongOption("mirror", `arch: expected one of ${archs.join(", ")}, found ${o.arch}`);
    const guards = splitGuards(guardsOf(o.guards));
    const tree = declareOne({
      rule: "mirror",
      command: recipe("mirror.sh", ["repository.sh", "mirror.sh"]),
      env: { REPOSITORIES: o.repo.sections.map(({ path }) => forArch(path, o.arch)).join("\n") },
      inputs: {},
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      packages: {
        driver: "dnf",
        repo: dnfRequest(o.repo),
        arch: o.arch,
        want: [],
        options: { mirror: [...NEVER, ...(o.without ?? [])] },
        on: null,
      },
      tools: [CREATEREPO, MODIFYREPO, ...COMPRESSORS],
      root: true,
      guards: guards.tree,
      ...(o.out === undefined ? {} : { suffix: "tree" }),
      ...limits(o),
    });
    return treeOrFile<O>("mirror", tree, o, guards.file);
  },
);

const MODIFYREPO = { name: "modifyrepo_c", package: "createrepo-c" } as const;
/** What repositories have beside packages is compressed in many ways. */
const COMPRESSORS = [
  { name: "xz", package: "xz-utils" },
  { name: "bzip2", package: "bzip2" },
  { name: "zstd", package: "zstd" },
] as const;

/** Indexes repositories. */
export const CREATEREPO = { name: "createrepo_c", package: "createrepo-c" } as const;
