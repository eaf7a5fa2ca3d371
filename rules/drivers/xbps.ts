// The driver for Void's xbps: answers the engine's questions with xbps's own programs, in private directories.
// It knows nothing of targets, keys of actions or releases; each answer has its own file in xbps/.
import type { PackageDriver } from "../../engine/packages/driver.js";
import { asError, fail, type Result } from "../../engine/problem.js";
import { fetchPackages } from "./xbps/fetch.js";
import { buildDate, fileName } from "./xbps/package.js";
import { writeIndex } from "./xbps/publish.js";
import { nameOf } from "./xbps/repository.js";
import { resolve } from "./xbps/resolve.js";
import { takeSnapshot } from "./xbps/snapshot.js";
import { xbpsTools } from "./xbps/tools.js";

/** What the file system refuses (a full disk, no permission) is a problem of the environment like any other. */
async function attempt<T>(work: Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work;
  } catch (thrown) {
    return fail(3, `the xbps driver cannot work: ${asError(thrown).message}`);
  }
}

/** Speaks to xbps. */
export const driver: PackageDriver = {
  name: "xbps",
  tools: [
    ...xbpsTools("xbps-install", "xbps-rindex", "xbps-fetch"),
    { name: "tar", package: "tar" },
    { name: "zstd", package: "zstd" },
  ],
  repositoryName: nameOf,
  snapshot: (...given) => attempt(takeSnapshot(...given)),
  resolve: (...given) => attempt(resolve(...given)),
  fetch: (...given) => attempt(fetchPackages(...given)),
  index: (...given) => attempt(writeIndex(...given)),
  fileName,
  buildDate,
};
