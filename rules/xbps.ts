// xbps(…): a Void repository as an Imagefile names it. Only data; the driver (drivers/xbps.ts) speaks to it.
import { z } from "zod";
import { option } from "./options.js";
import { callable, declaration, type Given, type Others } from "./declaration.js";
import { arrayOf, filesSource, patternsOf, placeOf } from "./schema.js";
import { asRepo, isRepoOf, type Repo } from "./types.js";

const place = placeOf("http", "https");

const declared = declaration(
  "xbps",
  "A Void repository: a URL or a directory such as `/hostdir/binpkgs`.",
  {
    url: option(
      z.union([place.transform((one): readonly string[] => [one]), arrayOf(place, 1)]),
      "a URL or a directory, or an array of them",
      "Where packages come from while building. Of one place its `musl` and `aarch64` beneath are used as well, " +
        "by architecture; an array is taken as it is, and the first that has a package gives it. Not in the key.",
    ),
    keys: option(
      filesSource.optional(),
      "files(…)",
      "Public keys (`keys/*.plist`) that may sign it; without them it must not be signed.",
    ),
  },
  ["url"],
);

/** What `Repo` holds at run time, and the `repo` of package requests: plain data. */
export interface XbpsRepo {
  readonly driver: "xbps";
  /** One place stands for itself and its subrepositories; several are meant as they are. */
  readonly urls: readonly string[];
  /** Patterns of key files, relative to the Imagefile or absolute; null for none. */
  readonly keys: readonly string[] | null;
}

export const xbps = callable(
  declared,
  (url: Given<typeof declared>["url"], o: Others<typeof declared, "url"> = {}): Repo<"xbps"> => {
    const given = declared.check({ url, ...o });
    const repo: XbpsRepo = {
      driver: "xbps",
      urls: given.url,
      keys: given.keys === undefined ? null : patternsOf(given.keys),
    };
    return asRepo(repo);
  },
);

/** Whether a value came from xbps(). */
export const isXbpsRepo = isRepoOf<XbpsRepo>("xbps");
