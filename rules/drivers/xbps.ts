// The driver for Void's xbps: answers the engine's questions with xbps's own programs, in private directories. Each
// answer has its own file in xbps/.
import type { PackageDriver } from "../../engine/packages/driver.js";
import { attempt } from "./attempt.js";
import { keysIn } from "./keyring.js";
import { checkPackages, fetchPackages } from "./xbps/fetch.js";
import { buildDate, fileName } from "./xbps/package.js";
import { writeIndex } from "./xbps/publish.js";
import { nameOf, policyOf, verifies } from "./xbps/repository.js";
import { NAME, resolve } from "./xbps/resolve.js";
import { takeSnapshot } from "./xbps/snapshot.js";
import { xbpsTools } from "./xbps/tools.js";

/** Speaks to xbps. */
export const driver: PackageDriver = {
  name: "xbps",
  tools: [
    ...xbpsTools("xbps-install", "xbps-rindex", "xbps-fetch"),
    { name: "tar", package: "tar" },
    { name: "zstd", package: "zstd" },
  ],
  repositoryName: nameOf,
  policy: policyOf,
  verifies,
  keyFiles: keysIn,
  isEntry: (entry) => NAME.test(entry),
  snapshot: (...given) => attempt("xbps", takeSnapshot(...given)),
  resolve: (...given) => attempt("xbps", resolve(...given)),
  fetch: (...given) => attempt("xbps", fetchPackages(...given)),
  check: (...given) => attempt("xbps", checkPackages(...given)),
  index: (...given) => attempt("xbps", writeIndex(...given)),
  fileName,
  buildDate,
};
