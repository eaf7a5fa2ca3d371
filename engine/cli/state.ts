// The state directory of a project, for commands that look after it without evaluating the Imagefile: its
// places, its index, and the lock for those that change something.
import { existsSync } from "node:fs";
import { cwd } from "node:process";
import { Index } from "../../cache/index.js";
import { makeState, takeLock } from "../build/build.js";
import { unwrap } from "../problem.js";
import { projectOf, type Project } from "../project.js";
import type { Call } from "./run.js";

/** The project that the command line means. Its Imagefile need not be there. */
export const projectOfCall = ({ options }: Call): Project =>
  projectOf(options.directory ?? cwd(), options.file ?? "Imagefile.ts");

/** The index for looking only. The caller closes it. */
export const lookIndex = (project: Project): Index => Index.look(project.index);

/** Runs `work` while holding the lock; waits for whoever has it, unless --no-wait. */
export async function whileLocked<T>(call: Call, project: Project, work: () => Promise<T>): Promise<T> {
  makeState(project);
  const lock = unwrap(
    await takeLock({
      project,
      noWait: !call.options.wait,
      signal: new AbortController().signal,
      emit: (event) => {
        if (event.type === "waiting") process.stderr.write(`waiting for ${event.holder}\n`);
      },
      now: Date.now,
    }),
  );
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** Whether anything was ever built here. */
export const hasState = (project: Project): boolean => existsSync(project.state);
