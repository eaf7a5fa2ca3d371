// Whose a file in the output directory is: Imagefiles side by side share it, and one must not publish under a
// name that another has published. It looks and changes nothing.
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import type { Action } from "../model.js";
import { fail, ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { ownStamp } from "../sources/stamp.js";
import type { Session } from "./session.js";

/** Exit 2 when an action would replace what another line's Imagefile made and that is still there. */
export function checkClaims({ decider, index }: Session, action: Action): Result<void> {
  const { project } = decider.context;
  for (const { path } of decider.outPaths(action)) {
    const link = index.link(path);
    if (link === undefined || link.line === project.line || ownStamp(path)?.ino !== link.ino) continue;
    const other = imagefileOf(project, link.line);
    if (other === null) continue;
    return fail(
      2,
      `${relative(project.dir, path)} belongs to ${other}, whose ${link.target} it is`,
      `two Imagefiles in one directory need different output names; delete the file if ${other} no longer makes it`,
    );
  }
  return ok(undefined);
}

/** Name of the Imagefile of a line; null where it is gone, and its files with it are nobody's. */
function imagefileOf(project: Project, line: string): string | null {
  const stem = line === "" ? "Imagefile" : line;
  const names = ["ts", "mts", "cts", "js", "mjs", "cjs"].map((ending) => `${stem}.${ending}`);
  return names.find((name) => existsSync(join(project.dir, name))) ?? null;
}
