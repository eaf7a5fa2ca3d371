// The packages of an action in its stage: `repo/` with the closure's files, and what they date it by. It fetches nothing.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { packagePath, placePackage } from "../../cache/packages.js";
import { DEFAULT_EPOCH } from "../model.js";
import type { DriverContext } from "../packages/driver.js";
import { ok, type Result } from "../problem.js";
import { requireFree, stageDirectory } from "./stage-source.js";
import type { Stage } from "./staged.js";

/** Lays out `repo/`: the closure's package files, indexed by the distribution's own tool. */
export async function stageRepository(stage: Stage): Promise<Result<void>> {
  const { action, decider, dir, isolation, mounts, signal, work } = stage;
  const { pins, project } = decider.context;
  const closure = await pins.closure(action);
  if (!closure.ok) return closure;
  if (action.packages === null || closure.value === null || closure.value === undefined) return ok(undefined);
  const driver = await pins.driver(action.packages.driver);
  const to = join(work, "repo");
  const free = requireFree(work, "repo");
  if (!free.ok) return free;
  stageDirectory(to);
  const from = isolation.kind === "namespaces" ? join(dir, "repo") : to;
  stageDirectory(from);
  const { packages } = closure.value;
  // Hard links: nobody stamps a package file, and the action sees them through a read-only mount.
  for (const pkg of packages) {
    const file = join(from, driver.fileName(pkg));
    stageDirectory(dirname(file));
    placePackage(project.packages, pkg.sha256, file);
  }
  const scratch = join(dir, "index");
  mkdirSync(scratch);
  const unheard = (): void => undefined;
  const driverContext: DriverContext = { scratch, signal, progress: unheard, warn: unheard };
  const indexed = await driver.index(packages, from, action.packages.arch, driverContext);
  if (indexed.ok && isolation.kind === "namespaces") mounts.push({ kind: "bind", from, to, readOnly: true });
  return indexed;
}

/** The newest build date among the packages, and what the key has of the epoch; never the clock. */
export async function epochOf({ action, decider }: Stage, dated: number | null): Promise<number> {
  const { pins, project } = decider.context;
  let epoch = dated ?? 0;
  const closure = await pins.closure(action);
  if (closure.ok && action.packages !== null && closure.value !== null && closure.value !== undefined) {
    const driver = await pins.driver(action.packages.driver);
    for (const pkg of closure.value.packages) {
      epoch = Math.max(epoch, await driver.buildDate(packagePath(project.packages, pkg.sha256)));
    }
  }
  return epoch === 0 ? DEFAULT_EPOCH : epoch;
}
