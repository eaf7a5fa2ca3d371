// The driver for RPM repositories: answers the engine's questions with the libraries of dnf, in private directories.
// Each answer has its own file in dnf/.
import { carrier } from "./dnf/fetch.js";
import { buildDate, fileName } from "./dnf/package.js";
import { nameOf, policyOf, readRepositories, verifies } from "./dnf/repository.js";
import { NAME, resolve } from "./dnf/resolve.js";
import { takeSnapshot } from "./dnf/snapshot.js";
import { makeDriver } from "./driver.js";
import { closureFile } from "./package.js";
import { TOOLS } from "./tools.js";

/** Speaks to dnf's resolver and librepo. */
export const driver = makeDriver({
  name: "dnf",
  tools: TOOLS.dnf,
  read: readRepositories,
  nameOf,
  policy: policyOf,
  verifies,
  entry: NAME,
  snapshot: takeSnapshot,
  resolve,
  carrier,
  index: closureFile(fileName),
  fileName,
  buildDate,
});
