// Runs away from the engine's main thread, or where a layer's owners look as they do inside the tree: as a worker thread, or as a
// program (a request as JSON on stdin, the result as JSON on stdout) in a user namespace. It seals, says what a layer looks like,
// and copies files out of layers; it decides nothing.
import { constants, copyFileSync, lstatSync } from "node:fs";
import { text } from "node:stream/consumers";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { bytePath, toByteString } from "../../cache/hash.js";
import { ioProblem } from "../../cache/io.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { layerStamp } from "./layer-stamp.js";
import { sealLayer, type SealRequest } from "./seal-layer.js";

/** Files to copy out of a chain of layers. Plain data, because it crosses processes. */
export interface CopyRequest {
  /** Directories of the layers, topmost first. */
  readonly layers: readonly string[];
  /** Path in the tree (bytes) and where it is copied to. */
  readonly files: readonly (readonly [path: string, to: string])[];
}

/** What the tree shows at a path that is a file is in the topmost layer that has anything there. */
function copyFiles({ layers, files }: CopyRequest): Result<void> {
  try {
    for (const [path, to] of files) {
      const from = layers
        .map((layer) => bytePath(`${toByteString(layer)}/${path}`))
        .find((place) => lstatSync(place, { throwIfNoEntry: false })?.isFile() === true);
      if (from === undefined) return fail(Exit.environment, `${path} is not in the layers of its tree`);
      copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    }
    return ok(undefined);
  } catch (error) {
    return ioProblem("copy files of a tree", error);
  }
}

// All come from run-seal.ts, which has typed them. What is thrown ends the program, or the thread, with it.
async function main(): Promise<void> {
  if (!isMainThread) {
    parentPort?.postMessage(await sealLayer(workerData as SealRequest));
    return;
  }
  const request = JSON.parse(await text(process.stdin)) as
    SealRequest | CopyRequest | { readonly layer: string };
  const answer =
    "layer" in request
      ? await layerStamp(request.layer)
      : "files" in request
        ? copyFiles(request)
        : await sealLayer(request);
  process.stdout.write(JSON.stringify(answer));
}
void main();
