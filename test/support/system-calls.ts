// Looks at the system calls that imagemake makes on its main thread, and interferes with one of them: it fails, or
// the process is killed as it makes it. With strace; what the engine starts is not touched.
import { readFileSync, rmSync } from "node:fs";
import type { Ended, TestProject } from "./cli.js";

/** One call. `nth` counts calls of its name, from 1. */
export interface SystemCall {
  readonly name: string;
  readonly nth: number;
  /** As strace shows it. */
  readonly text: string;
}

/** Runs imagemake to its end and lists its calls of these names, in order. */
export async function systemCalls(
  project: TestProject,
  names: readonly string[],
  ...words: string[]
): Promise<{ readonly ended: Ended; readonly calls: readonly SystemCall[] }> {
  const file = project.path(".calls");
  const under = ["strace", "-s", "1000", "-o", file, "-e", `trace=${names.join(",")}`];
  const ended = await project.call({ under }, ...words);
  const counts = new Map<string, number>();
  const calls = readFileSync(file, "utf8")
    .split("\n")
    .flatMap((text) => {
      const name = /^(\w+)\(/.exec(text)?.[1];
      if (name === undefined) return [];
      const nth = (counts.get(name) ?? 0) + 1;
      counts.set(name, nth);
      return [{ name, nth, text }];
    });
  rmSync(file);
  return { ended, calls };
}

/** Where calls are noted while one of them goes wrong. */
const notes = (project: TestProject): string => project.path(".interfered");

/**
 * Words before a command of which the nth call of a name goes wrong: `error=ENOSPC`, or `signal=KILL` (before it is
 * made).
 */
export const interfere = (
  project: TestProject,
  { name, nth }: Pick<SystemCall, "name" | "nth">,
  how: string,
): readonly string[] => [
  ...["strace", "-o", notes(project), "-e", `trace=${name}`, "-e", `inject=${name}:${how}:when=${nth}`],
];

/** The call that went wrong in the last run under `interfere`; null when there were not as many. */
export const interfered = (project: TestProject): string | null =>
  readFileSync(notes(project), "utf8")
    .split("\n")
    .find((line) => line.includes("(INJECTED)")) ?? null;
