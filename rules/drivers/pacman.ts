// The driver for Arch's pacman: answers the engine's questions with pacman itself, in private directories. Each answer
// has its own file in pacman/.
import type { PackageDriver } from "../../engine/packages/driver.js";
import { attempt } from "./attempt.js";
import { keysIn } from "./keyring.js";
import { closureFile } from "./closure-file.js";
import { checkPackages, fetchPackages } from "./pacman/fetch.js";
import { buildDate, fileName } from "./pacman/package.js";
import { nameOf, policyOf, verifies } from "./pacman/repository.js";
import { NAME, resolve } from "./pacman/resolve.js";
import { takeSnapshot } from "./pacman/snapshot.js";
import { BSDTAR, GPG, PACMAN } from "./pacman/tools.js";

/** An index takes repo-add a fifth of a second a package. */
const writeIndex = closureFile(fileName);

/** Speaks to pacman. */
export const driver: PackageDriver = {
  name: "pacman",
  tools: [PACMAN, BSDTAR, GPG],
  repositoryName: nameOf,
  policy: policyOf,
  verifies,
  keyFiles: keysIn,
  isEntry: (entry) => NAME.test(entry),
  snapshot: (...given) => attempt("pacman", takeSnapshot(...given)),
  resolve: (...given) => attempt("pacman", resolve(...given)),
  fetch: (...given) => attempt("pacman", fetchPackages(...given)),
  check: (...given) => attempt("pacman", checkPackages(...given)),
  index: (packages, dir) => attempt("pacman", writeIndex(packages, dir)),
  fileName,
  buildDate,
};
