// Several machines as directories: projects with the same files, each with a state of its own, and a place between
// them for what they hand to each other.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExportIndex } from "../../engine/release/exchange.js";
import type { Release } from "../../engine/release/record.js";
import { makeProject, type Ended, type TestProject } from "./cli.js";

/** Machines by name, and the directory between them. */
export interface Machines<Name extends string> {
  readonly at: Readonly<Record<Name, TestProject>>;
  /** A path in the directory between them. */
  readonly between: (...parts: string[]) => string;
  remove(): void;
}

/** Makes a project for each name, all with these files. */
export function makeMachines<const Name extends string>(
  names: readonly Name[],
  files: Readonly<Record<string, string>>,
): Machines<Name> {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-between-"));
  const projects = names.map((name) => [name, makeProject(files)] as const);
  return {
    // Each name has one.
    at: Object.fromEntries(projects) as Record<Name, TestProject>,
    between: (...parts) => join(dir, ...parts),
    remove: () => {
      for (const [, project] of projects) project.remove();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The index of an export. */
export const indexOf = (dir: string): ExportIndex =>
  JSON.parse(readFileSync(join(dir, "index.json"), "utf8")) as ExportIndex;

/** Changes the index of an export, and its checksum with it: what somebody does who means it. */
export function forgeIndex(dir: string, change: (text: string) => string): void {
  const text = change(readFileSync(join(dir, "index.json"), "utf8"));
  writeFileSync(join(dir, "index.json"), text);
  const sums = readFileSync(join(dir, "sha256sum.txt"), "utf8");
  const digest = createHash("sha256").update(text).digest("hex");
  writeFileSync(join(dir, "sha256sum.txt"), sums.replace(/^\w+ {2}index\.json$/m, `${digest}  index.json`));
}

/** Changes the last byte of a file. */
export function tamper(file: string): void {
  const bytes = readFileSync(file);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  chmodSync(file, 0o644);
  writeFileSync(file, bytes);
}

/** The one release file of a project. */
export const releaseOf = (project: TestProject): Release =>
  JSON.parse(project.read(`releases/${project.names("releases")[0] ?? ""}`)) as Release;

/** Exit status and what was said. */
export const said = ({ status, stderr }: Ended): readonly [number | null, string] => [status, stderr];
