// xbps(…): a Void repository as an Imagefile names it. Only data; the driver (drivers/xbps.ts) speaks to it.
import { z } from "zod";
import { check, option } from "./options.js";
import { filesSource, patternsOf, placeOf } from "./schema.js";
import type { Repo, Source } from "./types.js";

const place = placeOf("http", "https");

export const xbpsSchema = z
  .strictObject({
    url: option(
      z.union([place.transform((one): readonly string[] => [one]), z.array(place).min(1)]),
      "a URL or a directory, or an array of them",
      "Where packages come from while building. Of one place its `musl` and `aarch64` beneath are used as well, " +
        "by architecture; an array is taken as it is, and the first that has a package gives it. Not in the key.",
    ),
    keys: option(
      filesSource.optional(),
      "files(…)",
      "Public keys (`keys/*.plist`) that may sign it; without them it must not be signed.",
    ),
  })
  .meta({ positional: ["url"] });

/** What `Repo` holds at run time, and the `repo` of package requests: plain data. */
export interface XbpsRepo {
  readonly driver: "xbps";
  /** One place stands for itself and its subrepositories; several are meant as they are. */
  readonly urls: readonly string[];
  /** Patterns of key files, relative to the Imagefile or absolute; null for none. */
  readonly keys: readonly string[] | null;
}

/** A Void repository: a URL or a directory such as `/hostdir/binpkgs`. */
export function xbps(url: string | readonly string[], o: { keys?: Source } = {}): Repo<"xbps"> {
  const given = check("xbps", xbpsSchema, { url, ...o });
  const repo: XbpsRepo = {
    driver: "xbps",
    urls: given.url,
    keys: given.keys === undefined ? null : patternsOf(given.keys),
  };
  // The brand exists only for the compiler.
  return Object.freeze(repo) as unknown as Repo<"xbps">;
}

/** Whether a value came from xbps(). */
export const isXbpsRepo = (value: unknown): value is XbpsRepo =>
  typeof value === "object" && value !== null && "driver" in value && value.driver === "xbps";
