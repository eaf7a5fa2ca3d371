// Targets that must fail, all in one run, and what each says.
import { expect } from "@jest/globals";
import type { TestProject } from "./cli.js";

/** What failed targets say at the end, by target. */
export type Said = ReadonlyMap<string, string>;

/** Builds a group of which no member may succeed. */
export async function failures(project: TestProject, group: string): Promise<Said> {
  const told = await project.events({}, "-k", group);
  expect([group, told.status, told.stderr]).toEqual([group, 1, ""]);
  return new Map(
    told.events.flatMap((event) => {
      if (event.type !== "failed") return [];
      const said = event.failure.kind === "guard" ? event.failure.message : event.tail.join("\n");
      return [[event.target, said] as const];
    }),
  );
}
