// A Void repository as package requests name it, checked: the places where packages of an architecture may lie.
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import { readBy } from "../repository.js";

/** A location that stands for itself and for these beneath it, as in void-mklive's Makefile. */
const BENEATH = ["", "/musl", "/aarch64"];

const schema = z.object({
  /** URLs and directories; the first that has a package gives it. One has subrepositories, several are meant as they are. */
  urls: z.array(z.string().min(1)).min(1),
  /** Patterns of key files; null where it must not be signed. */
  keys: z
    .array(z.string().min(1))
    .nullish()
    .transform((keys) => keys ?? null),
});

/** What a package request says of its repository. */
export interface Repository {
  readonly places: readonly string[];
  readonly keys: readonly string[] | null;
}

/** Reads a request's `repo`. */
export const readRepository = readBy(
  schema.transform(({ urls, keys }): Repository => {
    const [first, ...more] = urls;
    const places =
      first === undefined || more.length > 0
        ? urls
        : BENEATH.map((path) => `${first.replace(/\/+$/, "")}${path}`);
    return { places, keys };
  }),
  "a repository of xbps needs a URL or a directory, and keys that are files",
);

/** Its name within a release: one repository an architecture, wherever it is. */
export const nameOf = (): string => "xbps";

/** What counts beside its keys' contents: whether there are any, and the order in which places are asked. */
export const policyOf = ({ places, keys }: Repository): Json => ({
  places: orderOf(places),
  keys: keys !== null,
});

/** The order of places without their addresses, which may change: where each of them is by the alphabet. */
function orderOf(places: readonly string[]): readonly number[] {
  const sorted = [...places].sort();
  return places.map((place) => sorted.indexOf(place));
}

/** Whether packages have signatures of their own: where keys are given, and not in a directory of this machine. */
export const verifies = ({ places, keys }: Repository): boolean => keys !== null && places.some(isRemote);

export const isRemote = (place: string): boolean => /^https?:/.test(place);

/** A file or directory at a place; directories are relative to the Imagefile. */
export function at(place: string, base: string, file = ""): string {
  if (isRemote(place)) return file === "" ? place : `${place.replace(/\/+$/, "")}/${file}`;
  return join(isAbsolute(place) ? place : join(base, place), file);
}
