// Which way dependencies point: CONTRIBUTING.md has the rule. Imports of types count like any other.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { alg, Graph } from "@dagrejs/graphlib";
import { expect, test } from "@jest/globals";
import { PACKAGE } from "../cache/installed.js";

const root = fileURLToPath(PACKAGE);
const FOLDERS = ["cli", "engine", "cache", "rules", "targets"];

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name)),
);

/** Files of ours that a file imports, also where it does so later. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)\.js"/g)].map(
    ([, path = ""]) => `${join(dirname(file), path)}.ts`,
  );
}

test("no file imports itself through others", () => {
  const graph = new Graph();
  for (const file of files) for (const other of importsOf(file)) graph.setEdge(file, other);
  expect(graph.edgeCount()).toBeGreaterThan(1000);
  expect(alg.findCycles(graph)).toEqual([]);
});

test("the cache knows no engine, the engine no command line, and rules of it only what an Imagefile is made of", () => {
  const folderOf = (file: string): string => file.split("/")[0] ?? "";
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((other) => other !== "targets/index.ts" || file !== "engine/evaluate/load.ts")
      .filter((other) => FORBIDDEN[folderOf(file)]?.includes(folderOf(other)) === true)
      .map((other) => `${file} imports ${other}`),
  );
  expect(wrong).toEqual([]);
});

test("what decides, builds and publishes knows no mount, namespace or process of an action", () => {
  const local = files.filter((file) => file.startsWith("engine/execute/local/"));
  const isRemoval = (file: string): boolean => /\/(?:remove|stale)\.ts$/.test(file);
  const wrong = files
    .filter((file) => /^engine\/(?:build\/|execute\/|release\/|packages\/)?[^/]+\.ts$/.test(file))
    .filter((file) => OPENS_LOCAL[file] === undefined)
    .flatMap((file) =>
      importsOf(file)
        .filter((other) => local.includes(other) && !isRemoval(other))
        .map((other) => `${file} imports ${other}`),
    );
  expect(wrong).toEqual([]);
});

/** Those that do, and why. */
const OPENS_LOCAL: Readonly<Record<string, string>> = {
  "engine/build/here.ts": "opens the executor of this machine",
  "engine/build/kept.ts": "knows which stages say how their action failed",
  "engine/build/lock.ts": "clears what a killed run left",
  "engine/execute/disk-use.ts": "measures what ids of other owners hold",
  "engine/state.ts": "makes no state directory on a mount of somebody else's",
  "engine/verify.ts": "enters layers to digest them",
  "engine/whole.ts": "enters layers to stamp them",
};

/** Only engine/evaluate/load.ts, which gives an Imagefile what it imports as "imagemake", goes another way. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  cache: ["engine", "cli", "rules", "targets"],
  engine: ["cli", "rules", "targets"],
  rules: ["cli", "targets"],
  targets: ["cli"],
};
