// step.overlay: files from beside the Imagefile or from elsewhere, or another tree, into a tree. It reads none of them.
import { posix } from "node:path";
import { z } from "zod";
import { isHandle, sourceOf, wrongOption, type Handle, type SourceHandle } from "../../engine/declare.js";
import type { Source as EngineSource } from "../../engine/model.js";
import { option, render } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { directoryName, directoryOf, isOutside, staged, treePattern } from "../patterns.js";
import { recipe } from "../recipes.js";
import { asTreeHandle, filesSource, imagePath, treeLike } from "../schema.js";
import type { Step } from "../types.js";
import { modesOption, ownerOption, placing } from "./placing.js";
import { makeStep, type Part } from "./step.js";

const declared = declaration(
  "step.overlay",
  "Copies files into the tree.",
  {
    files: option(
      z.union([z.string().min(1), filesSource, treeLike]),
      "a directory, files(…), or a tree",
      "What is copied into the tree: a directory's contents, or files from their glob's directory on; of several globs, from the " +
        "directory that all are in. Of a tree (what `make install` made in a `run` with `tree: true`) all that is in it, with " +
        "modes, owners, times, links and attributes; directories that are there already stay as they are.",
    ),
    to: option(
      imagePath.optional(),
      "a path inside the tree",
      "The directory they are put in; the root unless said.",
    ),
    owner: ownerOption,
    modes: modesOption,
  },
  ["files"],
);

export const overlay = callable(
  declared,
  (dir: Given<typeof declared>["files"], o: Others<typeof declared, "files"> = {}): Step => {
    const given = declared.check({ files: dir, ...o });
    const { files: source, to = "" } = given;
    if (isHandle(source)) return makeStep(() => overlayTree(asTreeHandle(source), to, placing(given, null)));
    const { files, strip } = overlayFiles(source);
    const said = typeof given.modes === "object" ? Object.keys(given.modes) : [];
    const tree = {
      ...({ kind: "tree", base: strip, to, modes: inStage(said, strip, to) } as const),
      ...(given.modes === "keep"
        ? { keep: true as const }
        : { matching: said.flatMap((one) => treePattern(one) ?? []) }),
    };
    return makeStep(() => ({
      rule: "step.overlay",
      command: recipe("overlay.mjs", ["overlay.mjs"], PLACING),
      env: { STRIP: strip, TO: to, PLAN: placing(given, "0:0") },
      inputs: { FILES: { ...files, tree } },
    }));
  },
);

const PLACING = ["place.mjs", "tree.mjs", "access.mjs"];

/** The layer that has all of another tree in the directory `to`. */
export const overlayTree = (tree: Handle, to: string, plan: string): Part => ({
  rule: "step.overlay",
  command: recipe("overlay-tree.mjs", ["overlay-tree.mjs"], PLACING),
  env: { TO: to, PLAN: plan },
  inputs: { TREE: tree },
});

/** Paths of the tree as paths of the stage; those are left out that the overlay does not reach. */
const inStage = (paths: readonly string[], strip: string, to = ""): readonly string[] =>
  paths
    .map((path) => posix.relative(posix.join("/", to), posix.join("/", path)))
    .filter((path) => !path.startsWith(".."))
    .map((path) => posix.join(strip, path));

/** Where the stage has an overlay from outside the project. */
const STAGED = "overlay";

/** The files, and the leading directory of each path that is not part of its place in the tree. */
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
  const own = from === undefined ? staged(files, STAGED) : { ...files, stage: STAGED };
  if (own.stage === undefined || (from !== undefined && patterns.some(isOutside))) {
    wrongOption("step.overlay", `expected files of one directory, found ${render(patterns)}`);
  }
  return { files: own, strip: STAGED };
}
