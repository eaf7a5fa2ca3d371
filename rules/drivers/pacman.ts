// The driver for Arch's pacman: answers the engine's questions with pacman itself, in private directories. Each answer
// has its own file in pacman/.
import { makeDriver } from "./driver.js";
import { closureFile } from "./package.js";
import { carrier } from "./pacman/fetch.js";
import { buildDate, fileName } from "./pacman/package.js";
import { nameOf, policyOf, readRepositories, verifies } from "./pacman/repository.js";
import { NAME, resolve } from "./pacman/resolve.js";
import { takeSnapshot } from "./pacman/snapshot.js";
import { TOOLS } from "./tools.js";

/** Speaks to pacman, which verifies only what it fetches. An index takes repo-add a fifth of a second a package. */
export const driver = makeDriver({
  name: "pacman",
  tools: TOOLS.pacman,
  read: readRepositories,
  nameOf,
  policy: policyOf,
  verifies,
  checksAnew: true,
  entry: NAME,
  snapshot: takeSnapshot,
  resolve,
  carrier,
  index: closureFile(fileName),
  fileName,
  buildDate,
});
