// The worker thread behind hash.ts: takes paths from a shared list until none is left, and writes digests into shared
// memory.
import { parentPort } from "node:worker_threads";
import { bytePath, DIGEST_BYTES, hashFileHere, type HashAnswer, type HashJob } from "./hash.js";
import { codeOf } from "./io.js";

parentPort?.on("message", (job: HashJob) => {
  parentPort?.postMessage({ id: job.id, error: run(job) } satisfies HashAnswer);
});

function run({ root, bytes, ends, next, digests }: HashJob): HashAnswer["error"] {
  const counter = new Int32Array(next);
  const [paths, endAt, out] = [Buffer.from(bytes), new Uint32Array(ends), Buffer.from(digests)];
  try {
    for (;;) {
      const index = Atomics.add(counter, 0, 1);
      const end = endAt[index];
      if (end === undefined) return null;
      const path = root + paths.toString("latin1", endAt[index - 1] ?? 0, end);
      out.write(hashFileHere(bytePath(path)), index * DIGEST_BYTES, "hex");
    }
  } catch (error) {
    // Nobody needs the rest of the list.
    Atomics.store(counter, 0, endAt.length);
    return { message: error instanceof Error ? error.message : String(error), code: codeOf(error) };
  }
}
