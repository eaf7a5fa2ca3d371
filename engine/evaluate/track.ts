// Notices what an Imagefile reads while it is evaluated: listens to node's functions, however they were imported, and
// puts everything back afterwards.
import { syncBuiltinESMExports } from "node:module";
import { undoAll, type Undo } from "./patch.js";
import { Recorder } from "./record.js";
import { watchCircumstance } from "./track-circumstance.js";
import { watchEnvironment } from "./track-env.js";
import { watchFiles } from "./track-files.js";

/**
 * Runs `evaluation` and records what it and everything it starts reads and uses. Calls work as ever. When it
 * ends, also by an exception, node's functions and `process.env` are as they were. Not reentrant: the
 * functions listened to are the process's.
 */
export async function track<T>(recorder: Recorder, evaluation: () => Promise<T>): Promise<T> {
  const undos: Undo[] = [];
  try {
    watchFiles(undos);
    watchCircumstance(undos);
    watchEnvironment(undos);
    syncBuiltinESMExports();
    return await recorder.run(evaluation);
  } finally {
    undoAll(undos);
  }
}
