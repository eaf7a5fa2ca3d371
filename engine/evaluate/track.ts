// Notices what an Imagefile reads while it is evaluated: listens to node's functions, however they were imported, and
// to process.env, and puts everything back afterwards.
import { syncBuiltinESMExports } from "node:module";
import { replace, type Undo, undoAll } from "./patch.js";
import { Recorder, recorder } from "./record.js";
import { watchCircumstance } from "./track-circumstance.js";
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

// Listens to process.env. What the Imagefile sets there is taken back afterwards: an evaluation only ever
// produces data.

/** Records every variable read, and whether all names were. */
function watchEnvironment(undos: Undo[]): void {
  const real = process.env;
  const before = new Map<string, string | undefined>();
  undos.push(() => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(real, name);
      else real[name] = value;
    }
  });

  const reads = (name: PropertyKey): void => {
    if (typeof name === "string") recorder()?.variable(name, real[name]);
  };
  const writes = (name: PropertyKey): void => {
    const active = recorder();
    if (active === undefined || typeof name !== "string") return;
    active.writes(name);
    if (!before.has(name)) before.set(name, real[name]);
  };

  const env = new Proxy(real, {
    get(target, name) {
      reads(name);
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      reads(name);
      return Reflect.has(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      reads(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      recorder()?.environment();
      return Reflect.ownKeys(target);
    },
    set(target, name, value) {
      writes(name);
      return Reflect.set(target, name, value);
    },
    defineProperty(target, name, descriptor) {
      writes(name);
      return Reflect.defineProperty(target, name, descriptor);
    },
    deleteProperty(target, name) {
      writes(name);
      return Reflect.deleteProperty(target, name);
    },
  });
  undos.push(replace(process, "env", env));
}
