// The driver for Debian's apt: answers the engine's questions with apt's own programs, in private directories. Each
// answer has its own file in apt/.
import type { PackageDriver } from "../../engine/packages/driver.js";
import { ok } from "../../engine/problem.js";
import { attempt } from "./attempt.js";
import { keysIn } from "./keyring.js";
import { buildDate, fileName } from "./apt/deb.js";
import { APT_HELPER, fetchPackages } from "./apt/fetch.js";
import { writeIndex } from "./apt/publish.js";
import { cautionOf, nameOf, policyOf } from "./apt/repository.js";
import { NAME, resolve } from "./apt/resolve.js";
import { takeSnapshot } from "./apt/snapshot.js";

/** Speaks to apt. */
export const driver: PackageDriver = {
  name: "apt",
  tools: [
    { name: "apt-get", package: "apt" },
    { name: "apt-cache", package: "apt" },
    { name: "apt-config", package: "apt" },
    { name: APT_HELPER, package: "apt" },
    { name: "apt-ftparchive", package: "apt-utils" },
  ],
  repositoryName: nameOf,
  policy: policyOf,
  // The signed index has the checksum of every package.
  verifies: () => false,
  keyFiles: keysIn,
  caution: cautionOf,
  isEntry: (entry) => NAME.test(entry),
  snapshot: (...given) => attempt("apt", takeSnapshot(...given)),
  resolve: (...given) => attempt("apt", resolve(...given)),
  fetch: (...given) => attempt("apt", fetchPackages(...given)),
  check: () => Promise.resolve(ok(undefined)),
  index: (...given) => attempt("apt", writeIndex(...given)),
  fileName,
  buildDate,
};
