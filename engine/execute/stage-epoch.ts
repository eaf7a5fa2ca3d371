// What dates an action: the newest build date among its packages, and what the key has of the epoch; never the clock.
import { packagePath } from "../../cache/packages.js";
import type { Decider } from "../decide.js";
import { DEFAULT_EPOCH, type Action } from "../model.js";
import type { Package } from "../packages/driver.js";

/** SOURCE_DATE_EPOCH, in seconds; `dated` is what the key has of it. */
export async function epochOf(
  { context: { pins, project } }: Decider,
  action: Action,
  packages: readonly Package[] | null,
  dated: number | null,
): Promise<number> {
  let epoch = dated ?? 0;
  if (action.packages !== null && packages !== null) {
    const driver = await pins.driver(action.packages.driver);
    for (const { sha256 } of packages)
      epoch = Math.max(epoch, await driver.buildDate(packagePath(project.packages, sha256)));
  }
  return epoch === 0 ? DEFAULT_EPOCH : epoch;
}
