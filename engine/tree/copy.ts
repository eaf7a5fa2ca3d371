// Copies a whole tree, for state directories that cannot carry an overlay's upper directory (themselves on an
// overlay, as in most containers). It knows neither parents nor digests.
import { execFile } from "node:child_process";
import { inUserNamespace } from "../execute/ids.js";
import type { Isolation } from "../execute/sandbox.js";
import { complaint } from "../../cache/limits.js";
import { fail, ok, type Result } from "../problem.js";

/**
 * Copies what is in `from` into the directory `to`: owners, modes, times, links, attributes. Exit 3 on failure, also where an
 * attribute could not be copied, which `cp -a` alone keeps to itself.
 */
export function copyTree(from: string, to: string, isolation: Isolation): Promise<Result<void>> {
  const namespace = isolation.kind === "namespaces" && isolation.root === "user-namespace";
  const inside = namespace ? inUserNamespace(isolation.ids) : [];
  const [program, ...words] = [
    ...inside,
    "cp",
    "-a",
    "--preserve=xattr",
    "--reflink=auto",
    "--",
    `${from}/.`,
    to,
  ];
  return new Promise((resolve) => {
    execFile(program, words, (error, _stdout, stderr) => {
      resolve(
        error === null
          ? ok(undefined)
          : fail(3, ...complaint("the tree could not be copied", stderr.trim() || error.message, to)),
      );
    });
  });
}
