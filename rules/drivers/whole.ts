// Whether a package's file is the one that the snapshot promised.
import { stat } from "node:fs/promises";
import { hasDigest } from "../../cache/hash.js";
import type { Package } from "../../engine/packages/driver.js";

/** Whether `file` is there with the size and the checksum of `pkg`. */
export async function isWhole(file: string, pkg: Package): Promise<boolean> {
  const size = await stat(file).then(
    (found) => found.size,
    () => null,
  );
  return size === pkg.size && (await hasDigest(file, pkg.sha256, size));
}
