// The driver for Void's xbps: answers the engine's questions with xbps's own programs, in private directories. Each
// answer has its own file in xbps/.
import { makeDriver } from "./driver.js";
import { TOOLS } from "./tools.js";
import { carrier } from "./xbps/fetch.js";
import { buildDate, fileName } from "./xbps/package.js";
import { writeIndex } from "./xbps/publish.js";
import { nameOf, policyOf, readRepository, verifies } from "./xbps/repository.js";
import { NAME, resolve } from "./xbps/resolve.js";
import { takeSnapshot } from "./xbps/snapshot.js";

/** Speaks to xbps. */
export const driver = makeDriver({
  name: "xbps",
  tools: TOOLS.xbps,
  read: readRepository,
  nameOf,
  policy: policyOf,
  verifies,
  entry: NAME,
  snapshot: takeSnapshot,
  resolve,
  carrier,
  index: writeIndex,
  fileName,
  buildDate,
});
