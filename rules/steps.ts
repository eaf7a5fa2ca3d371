// Steps: single changes to a tree, as plain data. Which layer each makes is in layers.ts.
import { posix } from "node:path";
import { z } from "zod";
import { isSource, sourceOf, wrongOption, type SourceHandle } from "../engine/declare.js";
import type { Source as EngineSource, Wanted } from "../engine/model.js";
import { check, option, render, typed } from "./options.js";
import { directoryOf, isOutside, staged } from "./patterns.js";
import { imagePath, packageNames, pathNames } from "./schema.js";
import type { ListSource, Packages, Source, Step, Vars } from "./types.js";

const STEP = Symbol.for("imagemake.step");

/** What a step says. Paths are relative to the tree's root. */
export type StepData =
  | { readonly kind: "install"; readonly want: readonly Wanted[]; readonly recommends: boolean }
  | { readonly kind: "remove"; readonly paths: readonly Wanted[] }
  | {
      readonly kind: "overlay";
      readonly files: EngineSource;
      /** Leading directory of each path that is not part of its place in the tree. */
      readonly strip: string;
      /** Directory in the tree; empty for its root. */
      readonly to: string;
      readonly owner: string;
      readonly modes: Readonly<Record<string, string>>;
    }
  | { readonly kind: "write"; readonly path: string; readonly content: string; readonly mode: string }
  | { readonly kind: "link"; readonly path: string; readonly to: string };

// The brand exists only for the compiler.
const make = (data: StepData): Step => Object.freeze({ [STEP]: data }) as unknown as Step;

/** Whether a value is a step. */
export const isStep = (value: unknown): value is Step =>
  typeof value === "object" && value !== null && STEP in value;
/** What it says. */
export const stepData = (given: Step): StepData => (given as unknown as { readonly [STEP]: StepData })[STEP];

/** The option `steps` of every rule that makes a tree. */
export const stepsOption = option(
  z.array(typed(z.custom<Step>(isStep), "a step (step.install, step.overlay, …)")).optional(),
  "an array of steps",
  "Changes to the tree, in order; each is a layer, and an edit rebuilds from its step on.",
);

const octal = z.string().regex(/^[0-7]{3,4}$/);

const installSchema = z.strictObject({
  packages: option(packageNames, `package names in an array, or list("file")`, "What is installed."),
  recommends: option(
    z.boolean().optional(),
    "true or false",
    "Whether recommended packages come too; otherwise they do not.",
  ),
});
const removeSchema = z.strictObject({
  paths: option(
    pathNames,
    `paths in an array, or list("file")`,
    "What is deleted, with all below it; `*` stands for part of a name. A path that is not there is no error.",
  ),
});
const overlaySchema = z.strictObject({
  files: option(
    z.union([z.string().min(1), z.custom<SourceHandle>((v) => isSource(v) && sourceOf(v).kind === "files")]),
    "a directory, or files(…)",
    "What is copied into the tree: a directory's contents, or files from their glob's directory on.",
  ),
  to: option(
    imagePath.optional(),
    "a path inside the tree",
    "The directory they are put in; the root unless said.",
  ),
  owner: option(
    z
      .string()
      .regex(/^\d+:\d+$/)
      .optional(),
    `"user:group" in numbers`,
    "Who owns them; 0:0 unless said.",
  ),
  modes: option(
    z.record(imagePath, octal).optional(),
    `{ path: "755" }`,
    "Modes, where 755 for what is executable and 644 for the rest are not wanted.",
  ),
});
const writeSchema = z.strictObject({
  path: option(imagePath, "a path inside the tree", "The file."),
  content: option(
    // What the kernel takes as one variable is 128 KiB.
    z.string().refine((text) => Buffer.byteLength(text) < 120_000 && !text.includes("\0")),
    "text of less than 120,000 bytes",
    "What it holds. `{date}` becomes the datecode.",
  ),
  mode: option(z.number().int().min(0).max(0o7777).optional(), "a mode such as 0o644", "0o644 unless said."),
});
const linkSchema = z.strictObject({
  path: option(imagePath, "a path inside the tree", "The symbolic link."),
  to: option(z.string().min(1), "a path", "What it points to, as it stands in the link."),
});

/** The steps' schemas, for the documentation. */
export const stepSchemas = {
  install: installSchema,
  remove: removeSchema,
  overlay: overlaySchema,
  write: writeSchema,
  link: linkSchema,
};

/** Single changes to a tree, each a layer of its own. */
export const step = {
  /** Installs packages, from the release's snapshot. */
  install(packages: Packages, o: { recommends?: boolean } = {}): Step {
    const given = check("step.install", installSchema, { packages, ...o });
    return make({ kind: "install", want: given.packages, recommends: given.recommends ?? false });
  },
  /** Deletes paths. */
  remove(paths: readonly (string | ListSource)[] | ListSource): Step {
    return make({ kind: "remove", paths: check("step.remove", removeSchema, { paths }).paths });
  },
  /** Copies files into the tree. */
  overlay(dir: string | Source, o: { to?: string; owner?: `${number}:${number}`; modes?: Vars } = {}): Step {
    const given = check("step.overlay", overlaySchema, { files: dir, ...o });
    const { files, strip } = overlayFiles(given.files);
    return make({
      kind: "overlay",
      files,
      strip,
      to: given.to ?? "",
      owner: given.owner ?? "0:0",
      modes: given.modes ?? {},
    });
  },
  /** Writes a file. */
  write(path: string, content: string, o: { mode?: number } = {}): Step {
    const given = check("step.write", writeSchema, { path, content, ...o });
    const mode = (given.mode ?? 0o644).toString(8);
    return make({ kind: "write", path: given.path, content, mode });
  },
  /** Makes a symbolic link. */
  link(path: string, to: string): Step {
    const given = check("step.link", linkSchema, { path, to });
    return make({ kind: "link", path: given.path, to });
  },
} as const;

/** Where the stage has an overlay from outside the project. */
const STAGED = "overlay";

function overlayFiles(given: string | SourceHandle): { files: EngineSource; strip: string } {
  if (typeof given === "string") {
    const strip = directoryName(given);
    if (strip === "" || strip === "/") {
      wrongOption("step.overlay", `expected a directory beside the Imagefile, found ${render(given)}`);
    }
    if (isOutside(strip)) {
      const patterns = [posix.isAbsolute(strip) ? strip : "."];
      const hint = `step.overlay(${render(given)}) copies a directory from outside the project`;
      return { files: { kind: "files", patterns, from: strip, stage: STAGED, hint }, strip: STAGED };
    }
    // A directory as a pattern means every file beneath it.
    return { files: { kind: "files", patterns: [strip] }, strip };
  }
  const files = sourceOf(given);
  if (files.kind !== "files") throw new Error("an overlay's source is files()");
  if (files.stage !== undefined) return { files, strip: files.stage };
  const { patterns } = files;
  const from = files.from === undefined ? undefined : directoryName(files.from);
  const strip = from ?? directoryOf(patterns);
  if (!isOutside(strip) && !patterns.some(isOutside)) return { files, strip };
  const own = from === undefined ? staged(patterns, STAGED) : { ...files, stage: STAGED };
  if (own.stage === undefined || (from !== undefined && patterns.some(isOutside))) {
    wrongOption("step.overlay", `expected files of one directory, found ${render(patterns)}`);
  }
  return { files: own, strip: STAGED };
}

/** A directory as it is written, without what says nothing; empty for the Imagefile's own. */
const directoryName = (given: string): string => {
  const plain = posix.normalize(given).replace(/(?<=.)\/+$/, "");
  return plain === "." ? "" : plain;
};
