// What lies under .imagemake is said in one place, cache/layout.ts: no file outside of cache/ makes a path in there by itself.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { PACKAGE } from "../cache/installed.js";
import { directoriesIn, isOurs, layoutOf, lyingIn, projectPath, typesPath, STATE } from "../cache/layout.js";
import { projectOf } from "../engine/project.js";
import { makeState } from "../engine/state.js";
import { unwrap } from "../engine/problem.js";

const root = fileURLToPath(PACKAGE);

/** Names of the directories and files of the state, as the layout has them. */
const NAMES = [...Object.keys(layoutOf("/", "")), "releasesIn(project)", "layersDir", "stageDir"].filter(
  (name) => name !== "index" && name !== "lock",
);
const DIRECTORY = `(?:[\\w.#]+\\.)?(?:${NAMES.map((name) => name.replace(/[().]/g, "\\$&")).join("|")})`;

/** A path made of such a directory: joined, or written as text; and the name of the state directory itself. */
const MADE = [
  new RegExp(`\\b(?:join|resolve)\\(\\s*${DIRECTORY}\\s*,`),
  new RegExp(`\\$\\{${DIRECTORY}\\}/[^\`]`),
  new RegExp(`\\b${DIRECTORY} \\+ ["'\`]/`),
  /["'`](?:[^"'`\n]*\/)?\.imagemake(?:\/(?!["'`])[^"'`\n]*)?["'`]/,
];

/** Lines that only look so. */
const ALLOWED: Readonly<Record<string, RegExp>> = {
  "engine/release/collect.ts": /const MARK = /,
  "engine/execute/local/stale.ts": /startsWith\(`\$\{place\.stage\}\/`\)/,
  // Those of a copy, and of a source.
  "engine/execute/kept-copies.ts": /\bfiles\b/,
  "engine/sources/resolve.ts": /join\(source\.stage,/,
};

const pathsMadeIn = (text: string, allowed?: RegExp): string[] =>
  text
    .split("\n")
    .filter((line) => !/^\s*(?:\/\/|\*|\/\*)/.test(line) && allowed?.test(line) !== true)
    .filter((line) => MADE.some((made) => made.test(line)))
    .map((line) => line.trim());

describe("paths under .imagemake", () => {
  const files = ["cli", "engine", "rules", "targets"].flatMap((dir) =>
    readdirSync(join(root, dir), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(dir, name)),
  );

  test("are made by no file outside of cache/", () => {
    expect(files.length).toBeGreaterThan(300);
    const made = files.flatMap((file) =>
      pathsMadeIn(readFileSync(join(root, file), "utf8"), ALLOWED[file]).map((line) => `${file}: ${line}`),
    );
    expect(made).toEqual([]);
  });

  test.each([
    "const file = join(project.layers, name);",
    "rmSync(join(this.context.project.packages, sha256));",
    "const { stage } = project; mkdirSync(join(stage, id));",
    "const log = `${project.logs}/${id}.log`;",
    'const state = join(dir, ".imagemake");',
    'const db = ".imagemake/index.db";',
  ])("are found where one is made: %s", (line) => {
    expect(pathsMadeIn(line)).toEqual([line]);
  });
});

describe("the layout", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test("is all that a run makes there", () => {
    const project = projectOf(dir, "8.2.ts");
    unwrap(makeState(project));
    const made = readdirSync(join(dir, STATE), { recursive: true, encoding: "utf8" }).sort();
    const said = directoriesIn(project).map(([path]) => path.slice(join(dir, STATE).length + 1));
    expect(made).toEqual([...said, basename(projectPath(project)), basename(typesPath(project))].sort());
  });

  test("says which names are ours, and leaves what is not", () => {
    expect(isOurs("logs", "m3k2j1-0123abcd.log")).toBe(true);
    expect(isOurs("logs", "notes.txt")).toBe(false);
    expect(isOurs("packages", "a".repeat(64))).toBe(true);
    expect(isOurs("copies", "mine")).toBe(false);
  });

  test("has nothing where a directory is not there", () => {
    const layout = layoutOf(join(dir, "nowhere"), "");
    expect(existsSync(layout.state)).toBe(false);
    expect(lyingIn(layout, "logs")).toEqual([]);
  });
});
