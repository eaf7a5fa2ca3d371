// Copies single files out of a chain of layers, where these may be read (seal-main.ts). It does not know which are wanted.
import { constants, copyFileSync, lstatSync } from "node:fs";
import { bytePath, toByteString } from "../../cache/hash.js";
import { ioProblem } from "../../cache/io.js";
import { fail, ok, type Result } from "../problem.js";

/** Plain data, because it crosses processes. */
export interface CopyRequest {
  /** Directories of the layers, topmost first. */
  readonly layers: readonly string[];
  /** Path in the tree (bytes) and where it is copied to. */
  readonly files: readonly (readonly [path: string, to: string])[];
}

/** What the tree shows at a path that is a file is in the topmost layer that has anything there. */
export function copyFiles({ layers, files }: CopyRequest): Result<void> {
  try {
    for (const [path, to] of files) {
      const from = layers
        .map((layer) => bytePath(`${toByteString(layer)}/${path}`))
        .find((place) => lstatSync(place, { throwIfNoEntry: false })?.isFile() === true);
      if (from === undefined) return fail(3, `${path} is not in the layers of its tree`);
      copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    }
    return ok(undefined);
  } catch (error) {
    return ioProblem("copy files of a tree", error);
  }
}
