// Looks at what the kernel gives to actions that mount disk images: loop devices and file systems. It mounts nothing.
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { Action } from "../../engine/model.js";
import { fine, lacking, type Finding } from "./finding.js";

/** A named resource, whether it is there, and what helps. */
interface Feature {
  readonly what: string;
  readonly there: () => boolean;
  readonly fix: string;
}

const FEATURES: Readonly<Record<string, Feature>> = {
  loop: { what: "loop devices", there: () => existsSync("/dev/loop-control"), fix: "modprobe loop" },
  vfat: {
    what: "file system vfat",
    there: () => /\tvfat$/m.test(readFileSync("/proc/filesystems", "utf8")) || hasModule("vfat"),
    fix: "modprobe vfat, or build these on a machine whose kernel has it",
  },
};

/** A line for each that an action names among its resources. */
export function kernel(actions: readonly Action[]): Finding[] {
  return Object.entries(FEATURES).flatMap(([name, { what, there, fix }]) => {
    const wanted = actions.filter(({ resources }) => resources.named.includes(name)).map(({ id }) => id);
    if (wanted.length === 0) return [];
    return [there() ? fine(what, wanted) : lacking(`no ${what}`, fix, wanted)];
  });
}

/** Whether the running kernel has the module, loaded or not. */
function hasModule(name: string): boolean {
  const list = `/lib/modules/${release()}/modules.dep`;
  return existsSync(list) && new RegExp(`/${name}\\.ko`).test(readFileSync(list, "utf8"));
}
