// step.overlay: files from beside the Imagefile, or from elsewhere, into a tree. It reads none of them.
import { posix } from "node:path";
import { z } from "zod";
import { sourceOf, wrongOption, type SourceHandle } from "../../engine/declare.js";
import type { Source as EngineSource } from "../../engine/model.js";
import { option, render } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { directoryName, directoryOf, isOutside, staged } from "../patterns.js";
import { recipe } from "../recipes.js";
import { filesSource, imagePath, takes } from "../schema.js";
import type { Step } from "../types.js";
import { makeStep, octal } from "./step.js";

const declared = declaration(
  "step.overlay",
  "Copies files into the tree.",
  {
    files: option(
      z.union([z.string().min(1), filesSource]),
      "a directory, or files(…)",
      "What is copied into the tree: a directory's contents, or files from their glob's directory on; of several globs, from the " +
        "directory that all are in.",
    ),
    to: option(
      imagePath.optional(),
      "a path inside the tree",
      "The directory they are put in; the root unless said.",
    ),
    owner: option(
      takes<`${number}:${number}`>()(z.string().regex(/^\d+:\d+$/)).optional(),
      `"user:group" in numbers`,
      "Who owns them; 0:0 unless said, or who owns what they replace where only some may read that.",
    ),
    modes: option(
      z.record(imagePath, octal).optional(),
      `{ path: "755" }`,
      "Modes, where 755 for what is executable and 644 for the rest are not wanted. What replaces a file that only some may read (`etc/shadow`) has its mode unless said.",
    ),
  },
  ["files"],
);

export const overlay = callable(
  declared,
  (dir: Given<typeof declared>["files"], o: Others<typeof declared, "files"> = {}): Step => {
    const given = declared.check({ files: dir, ...o });
    const { files, strip } = overlayFiles(given.files);
    const modes = Object.entries(given.modes ?? {}).map(([path, mode]) => `${mode} ${path}`);
    return makeStep(() => ({
      rule: "step.overlay",
      command: recipe("overlay.mjs", ["overlay.mjs"], ["tree.mjs", "access.mjs"]),
      env: { STRIP: strip, TO: given.to ?? "", OWNER: given.owner ?? "0:0", MODES: modes.join("\n") },
      inputs: {
        FILES: {
          ...files,
          tree: {
            kind: "tree",
            base: strip,
            to: given.to ?? "",
            modes: inStage(Object.keys(given.modes ?? {}), strip, given.to),
          },
        },
      },
    }));
  },
);

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
