// The conditions an output must meet before it is published: files by their bytes, trees by their manifest alone.
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { toByteString } from "../../cache/hash.js";
import type { Action, Guards } from "../model.js";
import type { Notice } from "../notice.js";
import type { Failure } from "../reason.js";
import { escapeBytes, typeOfBody, unescapeBytes } from "../tree/entry.js";
import { bytesOf, entryAt, type Manifest } from "../tree/manifest.js";

/** What is wrong with the file, in words; null when nothing is. Sizes in bytes. */
export function checkFileGuards(path: string, guards: Guards): string | null {
  const { size } = statSync(path);
  if (guards.minSize !== undefined && size < guards.minSize) {
    return `it has ${size} bytes, at least ${guards.minSize} are demanded`;
  }
  if (guards.maxSize !== undefined && size > guards.maxSize) {
    return `it has ${size} bytes, at most ${guards.maxSize} are allowed`;
  }
  if (guards.magic !== undefined) {
    const wanted = Buffer.from(guards.magic, "hex");
    const begins = firstBytes(path, wanted.length);
    if (!begins.equals(wanted)) {
      return `it begins with ${begins.toString("hex") || "nothing"}, not with ${guards.magic}`;
    }
  }
  return null;
}

function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const fd = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(fd, bytes, 0, count, 0));
  } finally {
    closeSync(fd);
  }
}

/** What makes a loss a failure. */
export const refused = (action: Action, lost: readonly Notice[]): Failure | null =>
  action.guards.lossless === true && lost.length > 0
    ? {
        kind: "guard",
        output: action.outputs[0]?.name ?? "",
        message: lost.map(({ message }) => message).join("; "),
      }
    : null;

// The conditions a tree must meet before it is published, answered from its manifest alone: nothing on the disk
// is followed, so no link can lead out of the tree.

/** The conditions a manifest can answer for. */
export type TreeGuards = Pick<Guards, "has" | "hasNot" | "links" | "minSize" | "lossless">;

/** Linux follows at most this many symlinks in one path (include/linux/namei.h: MAXSYMLINKS). */
const MAX_LINKS = 40;

/**
 * What is wrong, one sentence each; empty when nothing is. `has`, `hasNot` and `links` follow symlinks in the
 * directories of a path, as inside the tree, but look at the last name itself.
 */
export function checkTreeGuards(manifest: Manifest, guards: TreeGuards): string[] {
  const wrong: string[] = [];
  const bytes = bytesOf(manifest);
  if (guards.minSize !== undefined && bytes < guards.minSize) {
    wrong.push(`its files have ${bytes} bytes, at least ${guards.minSize} are demanded`);
  }
  for (const path of guards.has ?? []) {
    if (locate(manifest, path) === null) wrong.push(`${path} is missing`);
  }
  for (const path of guards.hasNot ?? []) {
    if (locate(manifest, path) !== null) wrong.push(`${path} must not be there`);
  }
  for (const [path, target] of Object.entries(guards.links ?? {})) {
    const problem = linkProblem(manifest, path, target);
    if (problem !== null) wrong.push(problem);
  }
  const targets = targetsOf(manifest);
  for (const path of targets.keys()) {
    if (resolve(targets, path, true) === null) {
      wrong.push(`${escapeBytes(path)} is a symbolic link that leads to itself`);
    }
  }
  return wrong;
}

function linkProblem(manifest: Manifest, path: string, target: string): string | null {
  const found = locate(manifest, path);
  const entry = found === null ? undefined : entryAt(manifest, found);
  if (entry === undefined) return `${path} is missing; it must be a symbolic link to ${target}`;
  if (entry.type !== "symlink") return `${path} is not a symbolic link; it must be one to ${target}`;
  return entry.target === toByteString(target)
    ? null
    : `${path} points to ${escapeBytes(entry.target)}, not to ${target}`;
}

/** The path where something lies after symlinks in its directories were followed; null where there is nothing. */
function locate(manifest: Manifest, path: string): string | null {
  const place = resolve(targetsOf(manifest), toByteString(path), false);
  return place !== null && manifest.lines.has(place) ? place : null;
}

type Targets = ReadonlyMap<string, string>;

/** Kept for the manifest that was asked about last: guards ask many questions about one. */
const known = new WeakMap<Manifest, Targets>();

/** Target of every symlink. */
function targetsOf(manifest: Manifest): Targets {
  const before = known.get(manifest);
  if (before !== undefined) return before;
  const targets = new Map<string, string>();
  for (const [path, { body }] of manifest.lines) {
    if (typeOfBody(body) === "symlink") targets.set(path, unescapeBytes(body.split(" ", 4)[3] ?? ""));
  }
  known.set(manifest, targets);
  return targets;
}

/**
 * Walks a path as the kernel does when the tree is its root; null where it would answer ELOOP. The last name is
 * followed only if `whole`.
 */
function resolve(targets: Targets, path: string, whole: boolean): string | null {
  const ahead = namesOf(path);
  let place: string[] = [];
  let links = 0;
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    if (name === "..") {
      place.pop();
      continue;
    }
    const next = [...place, name];
    const target = whole || ahead.length > 0 ? targets.get(next.join("/")) : undefined;
    if (target === undefined) {
      place = next;
      continue;
    }
    if (++links > MAX_LINKS) return null;
    if (target.startsWith("/")) place = [];
    ahead.push(...namesOf(target));
  }
  return place.join("/");
}

/** The names of a path, last first. */
const namesOf = (path: string): string[] =>
  path
    .split("/")
    .filter((name) => name !== "" && name !== ".")
    .reverse();
