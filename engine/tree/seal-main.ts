// Runs sealLayer away from the engine's main thread: as a worker thread, or as a program (a request as JSON on
// stdin, the result as JSON on stdout) for a user namespace; there it also says what a layer looks like, and copies files out of layers. It decides
// nothing.
import { text } from "node:stream/consumers";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { copyFiles, type CopyRequest } from "./copy-files.js";
import { layerStamp } from "./layer-stamp.js";
import { sealLayer, type SealRequest } from "./seal-layer.js";

// Both come from seal.ts, which has typed them.
if (isMainThread) {
  const request = JSON.parse(await text(process.stdin)) as
    SealRequest | CopyRequest | { readonly layer: string };
  const answer =
    "layer" in request
      ? await layerStamp(request.layer)
      : "files" in request
        ? copyFiles(request)
        : await sealLayer(request);
  process.stdout.write(JSON.stringify(answer));
} else {
  parentPort?.postMessage(await sealLayer(workerData as SealRequest));
}
