// A Void repository as package requests name it, checked: the places where packages of an architecture may lie.
import { isAbsolute, join } from "node:path";
import type { Json } from "../../../engine/model.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";

/** What a package request says of its repository. */
export interface Repository {
  /** URLs and directories; the first that has a package gives it. */
  readonly places: readonly string[];
  /** Patterns of key files; null where it must not be signed. */
  readonly keys: readonly string[] | null;
}

/** A location that stands for itself and for these beneath it, as in void-mklive's Makefile. */
const BENEATH = ["", "/musl", "/aarch64"];

/** Reads a request's `repo`: one location has subrepositories, several are meant as they are. */
export function readRepository(repo: Json): Result<Repository> {
  const fields: Partial<Record<string, Json>> =
    typeof repo === "object" && repo !== null && !isArray(repo) ? repo : {};
  const urls = texts(fields["urls"] ?? null);
  const keys = fields["keys"] === null || fields["keys"] === undefined ? null : texts(fields["keys"]);
  const [first] = urls ?? [];
  if (urls === null || first === undefined)
    return fail(Exit.usage, "a repository of xbps needs a URL or a directory");
  if (keys === null && Boolean(fields["keys"]))
    return fail(Exit.usage, "a repository of xbps: keys must be files");
  const places = urls.length === 1 ? BENEATH.map((path) => `${first.replace(/\/+$/, "")}${path}`) : urls;
  return ok({ places, keys });
}

/** Its name within a release: one repository an architecture, wherever it is. */
export const nameOf = (): string => "xbps";

/** What counts beside its keys' contents: whether there are any, and the order in which places are asked. */
export function policyOf(repo: Json): Json {
  const read = readRepository(repo);
  return read.ok ? { places: orderOf(read.value.places), keys: read.value.keys !== null } : null;
}

/** The order of places without their addresses, which may change: where each of them is by the alphabet. */
function orderOf(places: readonly string[]): readonly number[] {
  const sorted = [...places].sort();
  return places.map((place) => sorted.indexOf(place));
}

/** Whether packages have signatures of their own: where keys are given, and not in a directory of this machine. */
export function verifies(repo: Json): boolean {
  const read = readRepository(repo);
  return read.ok && read.value.keys !== null && read.value.places.some(isRemote);
}

export const isRemote = (place: string): boolean => /^https?:/.test(place);

/** A file or directory at a place; directories are relative to the Imagefile. */
export function at(place: string, base: string, file = ""): string {
  if (isRemote(place)) return file === "" ? place : `${place.replace(/\/+$/, "")}/${file}`;
  return join(isAbsolute(place) ? place : join(base, place), file);
}

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value);

function texts(value: Json): string[] | null {
  if (typeof value !== "object" || value === null || !isArray(value)) return null;
  const found = value.filter((one) => typeof one === "string" && one !== "");
  return found.length === value.length ? (found as string[]) : null;
}
