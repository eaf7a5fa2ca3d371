// Lets other users reach the project wherever it was cloned: root's home directory, where it often lies, is
// closed to them. For scripts that run in a mount namespace of their own.
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's root, from dist/test/support. */
const PROJECT = fileURLToPath(new URL("../../..", import.meta.url));

/** The highest directory above `path` that others cannot pass; null where there is none. */
function closedAbove(path: string): string | null {
  const above: string[] = [];
  for (let at = dirname(path); at !== "/"; at = dirname(at)) above.unshift(at);
  return above.find((dir) => (statSync(dir).mode & 0o001) === 0) ?? null;
}

/** Shell lines that leave of a closed directory only what running the tests takes, and open the way to it. */
export function openWay(): string {
  const needed = [PROJECT.replace(/\/$/, ""), join(dirname(process.execPath), "..")].flatMap((dir) => {
    const closed = closedAbove(dir);
    return closed === null ? [] : [{ dir, closed }];
  });
  const closed = [...new Set(needed.map((one) => one.closed))];
  return [
    // All is kept before anything is covered.
    ...needed.map(({ dir }, at) => `kept${at}=$(mktemp -d); mount --bind '${dir}' "$kept${at}"`),
    ...closed.map((dir) => `mount -t tmpfs -o mode=755 none '${dir}'`),
    ...needed.map(
      ({ dir }, at) => `mkdir -p '${dir}'; mount --move "$kept${at}" '${dir}'; rmdir "$kept${at}"`,
    ),
  ].join("\n");
}
