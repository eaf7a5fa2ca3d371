// What an action has mounted over or into its outputs when it ends: that goes with its namespace, so what was written there
// would be missing from what is published, and what it hides would be in its place.
import { outputPath, type StagedAction } from "../executor.js";
import type { Failure } from "../../reason.js";
import { unescapeOctal } from "./mountinfo.js";

/** A mount in the working directory of an action that changed what is mounted there. */
export interface ActionMount {
  readonly since: "new" | "gone" | "same";
  /** Whether an empty directory is seen there. */
  readonly empty: boolean;
  /** As the action sees it. */
  readonly point: string;
  /** Which file system, whether it was mounted anywhere before the command, and which of its directories this is. */
  readonly device: string;
  readonly known: boolean;
  readonly root: string;
  readonly type: string;
}

/** What init.pl reports: a line `mounts new|gone|same empty|full before|first`, and then one of the kernel's table. */
export function mountOf(line: string): readonly ActionMount[] {
  const [word, since, filled, seen, , , device, root = "", point = "", ...more] = line.split(" ");
  const type = more[more.indexOf("-") + 1];
  const isOne = since === "new" || since === "gone" || since === "same";
  if (word !== "mounts" || !isOne || device === undefined || type === undefined) return [];
  const [empty, known] = [filled === "empty", seen === "before"];
  return [{ since, empty, known, device, type, root: unescapeOctal(root), point: unescapeOctal(point) }];
}

/** File systems that show the kernel and keep nothing. */
const KERNEL =
  /^(?:proc|sysfs|dev(?:tmpfs|pts)|cgroup2?|mqueue|securityfs|debugfs|tracefs|configfs|efivarfs|binfmt_misc|bpf)$/;

/**
 * Refuses a result of which a part lies in such a mount. In a tree that is to be, the kernel's views (/proc), an empty
 * directory, and what is bound there from elsewhere on the machine (/dev) are left to go.
 */
export function hiddenByMounts(
  { action }: StagedAction,
  cwd: string,
  mounts: readonly ActionMount[],
): Failure | null {
  const [left, taken] = [changed(mounts, "new", "gone"), changed(mounts, "gone", "new")];
  const work = mounts.find(({ since, point }) => since !== "new" && point === cwd);
  const isData = ({ device, empty, known, root, type }: ActionMount): boolean =>
    !empty && !KERNEL.test(type) && (!known || (device === work?.device && isAtOrBelow(root, work.root)));
  for (const output of action.outputs) {
    if (output.kind === "verdict") continue;
    const path = `${cwd}/${outputPath(output)}`;
    const over = left.find(
      (mount) => isAtOrBelow(path, mount.point) || (isAtOrBelow(mount.point, path) && isData(mount)),
    );
    const off = taken.find(({ point }) => isAtOrBelow(path, point));
    const found = over ?? off;
    if (found === undefined) continue;
    const at = found.point.slice(cwd.length + 1) || ".";
    const message =
      found === over
        ? `the action left ${at} mounted (${found.type}), and what it wrote there is in no output: it must unmount it`
        : `the action unmounted ${at}, and what it wrote there since is in no output`;
    return { kind: "guard", output: output.name, message };
  }
  return null;
}

/** A mount of which only the options changed is the same one. */
function changed(
  mounts: readonly ActionMount[],
  since: "new" | "gone",
  other: "new" | "gone",
): readonly ActionMount[] {
  const opposite = mounts.filter((mount) => mount.since === other);
  return mounts.filter(
    ({ device, point, root, since: when }) =>
      when === since &&
      !opposite.some((one) => one.device === device && one.point === point && one.root === root),
  );
}

const isAtOrBelow = (path: string, dir: string): boolean => path === dir || path.startsWith(`${dir}/`);
