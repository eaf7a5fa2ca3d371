// The build programs under comparison: how each builds the graph, and how it says that there is nothing to do.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Form } from "./graph.js";
import { runOnce, type Program, type Run } from "./measure.js";

/** The package root, seen from dist/bench. */
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** imagemake as installed here. */
export const IMAGEMAKE = [process.execPath, join(ROOT, "dist/run/imagemake.js")] as const;

/** What is the same in all: its project's form, building with `jobs` at once, and the run to be timed. */
export interface Builder {
  readonly form: Form;
  /** `dir` is the project's directory. */
  readonly build: (dir: string, jobs: number) => Program;
  readonly again: (dir: string) => Program;
  /** Asks whether anything is out of date, without building. */
  readonly stale: (dir: string) => boolean;
  /** Whether the run says that it did nothing. */
  readonly didNothing: (run: Run) => boolean;
  /** What changes when it builds, beside the outputs: files whose stamps must stay. Relative to `dir`. */
  readonly traces: readonly string[];
}

const program = (name: string, dir: string, argv: readonly string[]): Program => ({ name, argv, cwd: dir });

export const imagemake: Builder = {
  form: "imagemake",
  build: (dir, jobs) =>
    program("imagemake", dir, [...IMAGEMAKE, "--progress", "plain", "-s", "-j", `${jobs}`, "root"]),
  again: (dir) => program("imagemake", dir, [...IMAGEMAKE, "root"]),
  stale: (dir) => runOnce(program("imagemake", dir, [...IMAGEMAKE, "-q", "root"])).status !== 0,
  didNothing: (run) => run.output.includes("nothing to do"),
  traces: [".imagemake/index.db", ".imagemake/index.db-wal", ".imagemake/logs", ".imagemake/stage"],
};

export const make: Builder = {
  form: "make",
  build: (dir, jobs) => program("make", dir, ["make", "-s", `-j${jobs}`]),
  again: (dir) => program("make", dir, ["make"]),
  stale: (dir) => runOnce(program("make", dir, ["make", "-q"])).status !== 0,
  didNothing: (run) => run.output.includes("Nothing to be done"),
  traces: [],
};

/** The same Makefile without make's built-in rules, in whose search for sources plain make spends its time. */
export const bareMake: Builder = { ...make, again: (dir) => program("make -r", dir, ["make", "-r"]) };

export const ninja: Builder = {
  form: "ninja",
  build: (dir, jobs) => program("ninja", dir, ["ninja", "--quiet", `-j${jobs}`]),
  again: (dir) => program("ninja", dir, ["ninja"]),
  stale: (dir) => !runOnce(program("ninja", dir, ["ninja", "-n"])).output.includes("no work to do"),
  didNothing: (run) => run.output.includes("no work to do"),
  traces: [".ninja_log"],
};

/** Node's own start: nothing written for it can be faster. */
export const nodeStart = (dir: string): Program => program("node", dir, [process.execPath, "-e", "0"]);

/**
 * wireit as `npm run root` starts it, without npm's own start: the variables are those that npm sets. Its cache
 * is kept on disk as it is by default, as ours is.
 */
export const wireitBuild = (dir: string, jobs: number): Program => ({
  ...program("wireit", dir, [process.execPath, join(packageDir("wireit"), "bin/wireit.js")]),
  env: {
    npm_lifecycle_event: "root",
    npm_package_json: join(dir, "package.json"),
    npm_config_user_agent: "npm/10.0.0",
    WIREIT_PARALLEL: `${jobs}`,
    WIREIT_CACHE: "local",
    WIREIT_LOGGER: "quiet-ci",
  },
});

/** Programs that must be there, and the Debian package that has each. */
const NEEDED = { make: "make", ninja: "ninja-build" } as const;

/** Names what is missing, with the package that has it; empty when all is there. */
export const missing = (): readonly string[] => [
  ...Object.entries(NEEDED)
    .filter(([name]) => runOnce(program(name, ROOT, [name, "--version"])).status !== 0)
    .map(([name, from]) => `${name} (Debian package ${from})`),
  ...(existsSync(IMAGEMAKE[1]) ? [] : [`${IMAGEMAKE[1]} (npm run build)`]),
];

const packageDir = (name: string): string =>
  dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
