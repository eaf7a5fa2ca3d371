// The driver for Debian's apt: answers the engine's questions with apt's own programs, in private directories. Each
// answer has its own file in apt/.
import { buildDate, fileName } from "./apt/deb.js";
import { carrier } from "./apt/fetch.js";
import { writeIndex } from "./apt/publish.js";
import { cautionOf, keyFilesOf, nameOf, policyOf, readRepository } from "./apt/repository.js";
import { NAME, resolve } from "./apt/resolve.js";
import { takeSnapshot } from "./apt/snapshot.js";
import { makeDriver } from "./driver.js";
import { TOOLS } from "./tools.js";

/** Speaks to apt. The signed index has the checksum of every package, so none is verified by itself. */
export const driver = makeDriver({
  name: "apt",
  tools: TOOLS.apt,
  read: readRepository,
  nameOf,
  policy: policyOf,
  keyFiles: keyFilesOf,
  caution: cautionOf,
  entry: NAME,
  snapshot: takeSnapshot,
  resolve,
  carrier,
  index: writeIndex,
  fileName,
  buildDate,
});
