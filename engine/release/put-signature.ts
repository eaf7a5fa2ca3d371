// Puts a signature into a collected directory by rename. It does not sign.
import { closeSync, lstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { holdDirectory } from "../../cache/held.js";
import { giveFdToUser } from "../execute/own.js";
import { ok, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { isSignature } from "./check.js";
import { holdPlace, inTheWay } from "./place.js";

/** `file` is in the collected directory. Under sudo that and the one above may be the caller's: both are opened once. */
export function putSignature(project: Project, file: string, signature: string): Result<void> {
  const dir = dirname(file);
  const above = holdPlace(project, dirname(dir));
  try {
    const inside = holdDirectory(above.path, basename(dir));
    // Not in the directory: what an interrupted run leaves there would be an extra file.
    const temporary = join(above.path, `.${basename(dir)}.signing`);
    try {
      const left = lstatSync(temporary, { throwIfNoEntry: false });
      if (left !== undefined && !(left.isFile() && isSignature(readFileSync(temporary, "utf8"))))
        return inTheWay(join(dirname(dir), basename(temporary)));
      rmSync(temporary, { force: true });
      const fd = openSync(temporary, "wx", 0o644);
      try {
        giveFdToUser(fd);
        writeFileSync(fd, signature);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, join(inside.path, basename(file)));
      return ok(undefined);
    } finally {
      inside.close();
    }
  } finally {
    above.close();
  }
}
