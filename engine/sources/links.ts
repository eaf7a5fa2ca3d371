// Where a symlink among sources leads, by its text alone: links on the way are links of the project too, and one that
// leads out of it leads nowhere. What the build host has there is never asked.
import { readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { Exit, fail, ok, type Result } from "../problem.js";
import { dangling } from "./globs.js";
import { lstatOf } from "./stamp.js";

/** What counts as the project while links are followed. */
export interface Scene {
  /** Whether sources may come from there. */
  readonly has: (path: string) => boolean;
  /** Directories in the stage whatever they are here: the Imagefile names something beneath them. */
  readonly directories: ReadonlySet<string>;
}

/** Where a link ends, and the links on the way there. Paths absolute. */
export interface Way {
  readonly end: "file" | "directory" | "other" | "missing" | "outside" | "loop";
  /** Of what lies outside, what the last link says; else the path where the way ends. */
  readonly at: string;
  readonly links: readonly string[];
}

/** As many as Linux follows. */
const MOST_LINKS = 40;

/** Follows the link at `path`. */
export function follow(path: string, scene: Scene): Way {
  const links: string[] = [];
  let to = readlinkSync(path);
  const outside = (): Way => ({ end: "outside", at: to, links });
  if (to.startsWith("/")) return outside();
  let at = dirname(path);
  const rest = parts(to);
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    at = part === ".." ? dirname(at) : join(at, part);
    if (!scene.has(at)) return outside();
    if (part === ".." || scene.directories.has(at)) continue;
    const stats = lstatOf(at);
    if (stats === undefined) return { end: "missing", at, links };
    if (stats.isDirectory()) continue;
    if (!stats.isSymbolicLink()) {
      if (rest.length > 0) return { end: "missing", at: join(at, ...rest), links };
      return { end: stats.isFile() ? "file" : "other", at, links };
    }
    if (links.length === MOST_LINKS) return { end: "loop", at: path, links };
    links.push(at);
    to = readlinkSync(at);
    if (to.startsWith("/")) return outside();
    rest.unshift(...parts(to));
    at = dirname(at);
  }
  return { end: "directory", at, links };
}

/** A link whose contents are wanted leads to a file or a directory of the project. `name`: as messages call it. */
export function mustLead(path: string, name: string, scene: Scene): Result<void> {
  const { end, at } = follow(path, scene);
  switch (end) {
    case "file":
    case "directory":
    case "other":
      return ok(undefined);
    case "missing":
      return dangling(name, path);
    case "loop":
      return fail(Exit.usage, `${name} is a symbolic link that leads in a circle`);
    case "outside":
      return fail(
        Exit.usage,
        leadsOut(name, at, scene),
        "a link is staged as it is, without what lies outside: name the file itself that is meant",
      );
  }
}

/** What is said of a link that leads to `at`, outside. One with an absolute path never leads to what is staged. */
export const leadsOut = (name: string, at: string, scene: Scene): string =>
  scene.has(at)
    ? `${name} is a symbolic link with an absolute path, ${at}, which leads past the stage: make it relative (ln -sr)`
    : `${name} is a symbolic link that leads out of the project, to ${at}`;

/** The directories that lead to these files. */
export function directoriesOf(files: readonly string[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const file of files) for (let dir = dirname(file); !found.has(dir); dir = dirname(dir)) found.add(dir);
  return found;
}

const parts = (text: string): string[] => text.split("/").filter((part) => part !== "" && part !== ".");
