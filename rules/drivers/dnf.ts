// The driver for RPM repositories: answers the engine's questions with the libraries of dnf, in private directories.
// Each answer has its own file in dnf/.
import type { PackageDriver } from "../../engine/packages/driver.js";
import { attempt } from "./attempt.js";
import { keysIn } from "./keyring.js";
import { closureFile } from "./closure-file.js";
import { checkPackages, fetchPackages } from "./dnf/fetch.js";
import { buildDate, fileName } from "./dnf/package.js";
import { nameOf, policyOf, verifies } from "./dnf/repository.js";
import { NAME, resolve } from "./dnf/resolve.js";
import { takeSnapshot } from "./dnf/snapshot.js";
import { DNF, LIBREPO, RPM } from "./dnf/tools.js";

const writeIndex = closureFile(fileName);

/** Speaks to dnf's resolver and librepo. */
export const driver: PackageDriver = {
  name: "dnf",
  tools: [DNF, LIBREPO, RPM],
  repositoryName: nameOf,
  policy: policyOf,
  verifies,
  keyFiles: keysIn,
  isEntry: (entry) => NAME.test(entry),
  snapshot: (...given) => attempt("dnf", takeSnapshot(...given)),
  resolve: (...given) => attempt("dnf", resolve(...given)),
  fetch: (...given) => attempt("dnf", fetchPackages(...given)),
  check: (...given) => attempt("dnf", checkPackages(...given)),
  index: (packages, dir) => attempt("dnf", writeIndex(packages, dir)),
  fileName,
  buildDate,
};
