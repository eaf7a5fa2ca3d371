// The state directory of a project, for commands that look after it without evaluating the Imagefile: its
// places, who made what is in it, and the lock for those that change something.
import { existsSync } from "node:fs";
import { cwd } from "node:process";
import { grouped } from "../cache/grouped.js";
import type { ArtifactId, BuildRow, Index } from "../cache/index.js";
import { takeLock } from "../engine/build/lock.js";
import { unwrap } from "../engine/problem.js";
import { projectOf, type Project } from "../engine/project.js";
import { makeState, trustState } from "../engine/state.js";
import type { CallWith } from "./call.js";

/** The project that the command line means, with a state directory to be trusted. Its Imagefile need not be there. */
export function projectOfCall({ options }: CallWith<"directory" | "file">): Project {
  const project = projectOf(options.directory ?? cwd(), options.file ?? "Imagefile.ts");
  unwrap(trustState(project));
  return project;
}

/** Whether anything was ever built here. */
export const hasState = (project: Project): boolean => existsSync(project.state);

/** Something a person should know, said on stderr. */
export const warn = (message: string): void => void process.stderr.write(`imagemake: ${message}\n`);

/** Runs `work` while holding the lock; waits for whoever has it, unless --no-wait. */
export async function whileLocked<T>(
  call: CallWith<"wait">,
  project: Project,
  work: () => T | Promise<T>,
): Promise<T> {
  unwrap(makeState(project));
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

/** The newest build of each artifact, by order of arrival. */
export function makersOf(index: Index): Map<ArtifactId, BuildRow> {
  const made = grouped(index.outputs(), ({ build }) => build);
  const makers = new Map<ArtifactId, BuildRow>();
  for (const build of index.builds())
    for (const { artifact } of made.get(build.id) ?? []) makers.set(artifact, build);
  return makers;
}
