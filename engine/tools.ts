// Host programs that actions call: where they are, and which version, remembered by the program's stamp.
import { accessSync, constants, realpathSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../cache/program.js";
import { hashFile } from "../cache/hash.js";
import type { Index } from "../cache/index.js";
import type { Tool } from "./model.js";
import { Exit, fail, ok, type Result } from "./problem.js";
import { type Facts, stampOf } from "./sources/stamp.js";
import { tellsChanges } from "./sources/telling.js";

/** PATH of every action: the system's directories, whatever the user's says. */
export const ACTION_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The component value of a tool that is not there. */
const MISSING = "missing";

/** Where a program may be, in the order in which it is looked for. An absolute name stands for itself. */
const candidates = (name: string): string[] =>
  name.startsWith("/") ? [name] : ACTION_PATH.split(":").map((dir) => join(dir, name));

/** The processor, as QEMU calls it, whose programs a tool runs: `aarch64` for `qemu-aarch64-static`. */
export const emulatedCpu = (tool: string): string | undefined => /^qemu-(\w+)-static$/.exec(tool)?.[1];

/** Where a program is on the actions' PATH; null where it is not. `looked` is told of each place looked at. */
export function findTool(name: string, looked: (path: string) => void = () => undefined): string | null {
  for (const path of candidates(name)) {
    looked(path);
    try {
      accessSync(path, name.startsWith("/") ? constants.R_OK : constants.X_OK);
      return realpathSync(path);
    } catch {
      // Not in this directory.
    }
  }
  return null;
}

/** A problem that names the tools that the host lacks, and their packages. */
export function missingTools(tools: readonly Tool[]): Result<void> {
  const missing = tools.filter((tool) => findTool(tool.name) === null);
  if (missing.length === 0) return ok(undefined);
  const { message, hint } = notFound(missing);
  return fail(Exit.environment, message, hint);
}

/** Where the caller's PATH has a program that the actions' has not; null where it has none. */
function onlyForCaller(name: string): string | null {
  const dirs = (process.env["PATH"] ?? "").split(":").filter((dir) => dir.startsWith("/"));
  for (const dir of name.includes("/") ? [] : dirs) {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // Not in this directory either.
    }
  }
  return null;
}

/** What is said of tools that are not found where actions and package managers look. */
export function notFound(tools: readonly Tool[]): { readonly message: string; readonly hint: string } {
  const names = tools.map((tool) => `${tool.name} (package ${tool.package})`).join(", ");
  const message = tools.some((tool) => onlyForCaller(tool.name) === null)
    ? `this machine lacks ${names}`
    : `${names}: not where actions and package managers look for programs`;
  return { message, hint: installing(tools) };
}

/** How these tools come onto the machine, or those that are on it onto the actions' PATH. */
export function installing(tools: readonly Tool[]): string {
  const there = tools.flatMap((tool) => onlyForCaller(tool.name) ?? []);
  const lacking = tools.filter((tool) => onlyForCaller(tool.name) === null);
  const linking =
    there.length === 0
      ? []
      : [`ln -s ${there.join(" ")} /usr/local/bin/ (actions have a PATH of their own: ${ACTION_PATH})`];
  return [...linking, ...(lacking.length === 0 ? [] : [fetching(lacking)])].join("; ");
}

/** How the packages of these tools come onto the machine. */
function fetching(tools: readonly Tool[]): string {
  const packages = new Map(tools.map((tool) => [tool.package, tool.sources]));
  const debian = [...packages.keys()].filter((name) => packages.get(name) === undefined).sort();
  const apt = debian.length === 0 ? [] : [`apt-get install ${debian.join(" ")}`];
  const built = [...packages].flatMap(([name, sources]) =>
    sources === undefined ? [] : [`build ${name} from ${sources}, which Debian does not have`],
  );
  return [...apt, ...built].join("; ");
}

/** Versions by tool, asked of each program once while its file stays the same. */
export class ToolVersions {
  readonly #known = new Map<string, Promise<string>>();

  constructor(
    private readonly index: Index,
    private readonly facts: Facts,
    private readonly readOnly: boolean,
  ) {}

  /** What the program says of its version, else the digest of its file. */
  version(name: string): Promise<string> {
    let found = this.#known.get(name);
    if (found === undefined) {
      found = this.#ask(name);
      this.#known.set(name, found);
    }
    return found;
  }

  async #ask(name: string): Promise<string> {
    // Also the places before it: a program put there would be taken instead.
    const path = findTool(name, (place) => this.facts.file(place, stampOf(place)));
    const stamp = path === null ? null : stampOf(path);
    if (path === null || stamp === null) return MISSING;
    const text = JSON.stringify(stamp);
    const known = this.index.tool(path);
    const tells = tellsChanges(path, stamp.mtime, stamp.ctime, stamp.mode);
    if (tells && known?.stamp === text) return known.version;
    const version = saysVersion(path, stamp.mode) ?? `sha256:${await hashFile(path, stamp.size)}`;
    if (tells && !this.readOnly) this.index.setTool(path, text, version);
    return version;
  }
}

/** First line of `--version` with a number in it; null for programs that have none and for data files. */
function saysVersion(path: string, mode: number): string | null {
  if ((mode & 0o111) === 0) return null;
  const run = runProgram(path, ["--version"], {
    timeout: 5000,
    env: { PATH: ACTION_PATH, LC_ALL: "C.UTF-8", HOME: "/nonexistent" },
    cwd: "/",
  });
  const line =
    run.status === 0
      ? `${run.stdout.toString()}\n${run.stderr}`.split("\n").find((text) => /\d\.\d/.test(text))
      : undefined;
  return line?.trim() ?? null;
}
