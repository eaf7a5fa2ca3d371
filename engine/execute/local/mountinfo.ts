// Reads the kernel's own list of mounts, the only thing that knows of a bind mount of the same file system:
// neither st_dev nor `--one-file-system` does. It changes nothing.
import { readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Where something is mounted at or below `dir`, topmost last; `dir` itself is not followed when it is a
 * symlink. Paths are bytes, one character each (latin1), because the file system's names need not be UTF-8.
 */
export function mountsBelow(dir: string): readonly string[] {
  const path = Buffer.from(join(realpathSync(dirname(dir)), basename(dir))).toString("latin1");
  return mountPoints(readFileSync("/proc/self/mountinfo", "latin1")).filter(
    (point) => point === path || point.startsWith(`${path}/`),
  );
}

/** The mount points of a mountinfo file (proc_pid_mountinfo(5), field 5), in its order: oldest first. */
export function mountPoints(mountinfo: string): readonly string[] {
  return mountinfo.split("\n").flatMap((line) => {
    const point = line.split(" ")[4];
    return point === undefined ? [] : [unescapeOctal(point)];
  });
}

/** Space, tab, newline, backslash and `#` are written `\ooo`. */
export const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
