// What need not be said on each command line: settings, as data, and which of several values holds. In this order, the later
// before the earlier: the default, the user's own file, the project's file, the environment, the command line.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sudoOwner } from "../cache/write.js";
import { nearestHint } from "../engine/evaluate/nearest.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import type { SettingFiles } from "../engine/record.js";
import { isLimited } from "../engine/release/place.js";
import { lstatOf, statOf } from "../engine/sources/stamp.js";
import { PROJECT_CONFIG, userConfig } from "./config-paths.js";
import { flagOf, GLOBAL, type GlobalName } from "./option.js";

/** What a setting says. */
type SettingValue = string | number | boolean;

/** A setting. */
interface Declaration {
  readonly about: string;
  /** What it is where nobody says anything, in words. */
  readonly default: string;
  readonly read: (value: unknown) => Result<SettingValue>;
  /** Of the command line, for the same. */
  readonly option?: GlobalName;
}

/** Settings by the name that they have in a file, with a dot for a table: `max-size` in `[space]`. */
export const SETTINGS = {
  jobs: { about: "actions at a time", default: "cores", option: "jobs", read: readCount },
  progress: {
    about: `how progress is shown: ${GLOBAL.progress.of.join(", ")}`,
    default: GLOBAL.progress.default,
    option: "progress",
    read: oneOf(GLOBAL.progress.of),
  },
  "keep-failed": {
    about: `whether what failed is kept for imagemake shell: ${GLOBAL.keepFailed.of.join(", ")}`,
    default: GLOBAL.keepFailed.default,
    option: "keepFailed",
    read: oneOf(GLOBAL.keepFailed.of),
  },
  cache: {
    about: "results shared with other machines, as --cache",
    default: "none",
    option: "cache",
    read: readText,
  },
  "remote.cache": {
    about: "a Remote Execution cache from which results are taken, as --remote-cache",
    default: "none",
    option: "remoteCache",
    read: readText,
  },
  "remote.upload": {
    about: "what is built here is sent there, as --remote-upload: true, false",
    default: "false",
    option: "remoteUpload",
    read: readYesOrNo,
  },
  "remote.ca": {
    about: "a file of certificates (PEM) that the server's is held against",
    default: "the system's",
    read: readText,
  },
  "remote.cert": { about: "a file with this client's certificate (PEM)", default: "none", read: readText },
  "remote.key": { about: "a file with the key of that (PEM)", default: "none", read: readText },
  "remote.headers": {
    about: "a file with lines `name: value` that are sent with each call",
    default: "none",
    read: readText,
  },
  "space.max-size": {
    about:
      "where the store holds more after a build, what is not needed is removed as by cache gc --max-size: 50GiB",
    default: "no limit",
    read: bytesIn,
  },
} as const satisfies Readonly<Record<string, Declaration>>;

/** A setting's name. */
export type SettingName = keyof typeof SETTINGS;

const NAMES = Object.keys(SETTINGS) as SettingName[];

/** Which value holds, and who said so. */
export interface Setting {
  readonly name: SettingName;
  /** Null for the default. */
  readonly value: SettingValue | null;
  readonly from: "default" | "user" | "project" | "environment" | "command line";
  /** The file, the variable or the option that says so; null for the default. */
  readonly where: string | null;
}

/** The settings that hold, and the files that were looked for. */
export interface Settings {
  readonly all: readonly Setting[];
  readonly files: readonly { readonly path: string; readonly read: boolean }[];
  /** Bytes that the store may hold after a build; null for any number. */
  readonly maxSize: number | null;
  /** A file says how progress is shown: a run with nothing to do is not told of as usual. */
  readonly shows: boolean;
}

/** Its variable: `IMAGEMAKE_SPACE_MAX_SIZE`. */
export const variableOf = (name: SettingName): string =>
  `IMAGEMAKE_${name.replace(/[.-]/g, "_").toUpperCase()}`;

/** The files of settings that the record of a run rests on. */
export function settingFiles(project: Project, settings: Settings | null): SettingFiles {
  const user = userConfig(process.env);
  const paths = [join(project.dir, PROJECT_CONFIG), ...(user === null || !isReachable(user) ? [] : [user])];
  return { paths, user, told: settings?.shows === true };
}

/**
 * What holds of each setting. `given` are the options of the command line. Exit 2 for what is wrong in a file or a variable.
 * Whom sudo lets run an Imagefile of somebody else's has no file and no variables of his own.
 */
export async function settingsOf(
  project: Project,
  given: Readonly<Partial<Record<GlobalName, unknown>>>,
): Promise<Result<Settings>> {
  const limited = sudoOwner() !== null && existsSync(project.dir) && isLimited(project);
  const found = new Map<SettingName, Setting>();
  const files: { path: string; read: boolean }[] = [];
  const own = userConfig(process.env);
  const beside = join(project.dir, PROJECT_CONFIG);
  for (const [path, from] of [
    [own, "user"],
    [beside, "project"],
  ] as const) {
    if (path === null || (limited && from === "user")) continue;
    const read = from === "user" ? isOwnThere(path) : statOf(path) !== undefined;
    files.push({ path, read });
    if (!read) continue;
    const trusted = trust(path, project);
    if (!trusted.ok) return trusted;
    const values = await readConfig(path);
    if (!values.ok) return values;
    for (const [name, value] of values.value) {
      // What a cache says is believed: they may not choose it, nor that it is used.
      if (limited && /^(?:cache$|remote\.)/.test(name)) continue;
      found.set(name, { name, value, from, where: path });
    }
  }
  const shows = found.has("progress");
  for (const name of limited ? [] : NAMES) {
    const text = process.env[variableOf(name)] ?? "";
    if (text === "") continue;
    const value = SETTINGS[name].read(text);
    if (!value.ok) return fail(Exit.usage, `${variableOf(name)}: ${value.problem.message}`);
    found.set(name, { name, value: value.value, from: "environment", where: variableOf(name) });
  }
  for (const name of NAMES) {
    const option = optionOf(name);
    if (option === undefined) continue;
    const value = given[option];
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      found.set(name, { name, value, from: "command line", where: flagOf(option, GLOBAL[option]) });
  }
  const all = NAMES.map(
    (name) => found.get(name) ?? { name, value: null, from: "default" as const, where: null },
  );
  const size = found.get("space.max-size")?.value;
  return ok({ all, files, maxSize: typeof size === "number" ? size : null, shows });
}

/** The option of the command line that says the same. */
export const optionOf = (name: SettingName): GlobalName | undefined => {
  const declaration: Declaration = SETTINGS[name];
  return declaration.option;
};

/** Whether it can be said that a file is there or not: a home may be another user's (`su` without `-`). */
function isReachable(path: string): boolean {
  try {
    statOf(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether the user's own file is there, as far as the user gets. */
const isOwnThere = (path: string): boolean => isReachable(path) && statOf(path) !== undefined;

/** Root does not do what a file says that somebody else may have written: in a directory like /tmp anybody makes files. */
function trust(path: string, project: Project): Result<void> {
  const known = [0, lstatOf(project.dir)?.uid, statOf(project.dir)?.uid];
  return process.getuid?.() !== 0 || [lstatOf(path), statOf(path)].every((one) => known.includes(one?.uid))
    ? ok(undefined)
    : fail(
        Exit.usage,
        `${path} belongs to another user`,
        "root goes by files of its own and of the Imagefile's owner: chown it, or set HOME",
      );
}

/** What a file says, by the names of settings. The library is loaded for it alone. */
async function readConfig(path: string): Promise<Result<ReadonlyMap<SettingName, SettingValue>>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return fail(Exit.usage, `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { parse, TomlError } = await import("smol-toml");
  const found = new Map<SettingName, SettingValue>();
  try {
    for (const [name, value] of flattened(parse(text))) {
      const known = NAMES.find((one) => one === name);
      if (known === undefined)
        return fail(
          Exit.usage,
          `${path}: there is no setting ${name}`,
          nearestHint(name, NAMES) ?? "imagemake config has them all",
        );
      const read = SETTINGS[known].read(value);
      if (!read.ok) return fail(Exit.usage, `${path}: ${name}: ${read.problem.message}`);
      found.set(known, read.value);
    }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [first = ""] = error.message.split("\n");
    return fail(
      Exit.usage,
      `${path}:${error.line}:${error.column}: ${first.replace(/^Invalid TOML document: /, "")}`,
    );
  }
  return ok(found);
}

/** Every value with the names that lead to it. */
function flattened(table: Readonly<Record<string, unknown>>, inside = ""): (readonly [string, unknown])[] {
  return Object.entries(table).flatMap(([name, value]) =>
    typeof value === "object" &&
    value !== null &&
    Object.getPrototypeOf(value) !== Date.prototype &&
    !Array.isArray(value)
      ? Object.keys(value).length === 0
        ? [[`${inside}${name}`, value] as const]
        : flattened(value as Readonly<Record<string, unknown>>, `${inside}${name}.`)
      : [[`${inside}${name}`, value] as const],
  );
}

function readCount(value: unknown): Result<number> {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 1
    ? ok(number)
    : fail(Exit.usage, `expected a number from 1 up, found ${shown(value)}`);
}

function readText(value: unknown): Result<string> {
  return typeof value === "string" && value !== ""
    ? ok(value)
    : fail(Exit.usage, `expected a text, found ${shown(value)}`);
}

function readYesOrNo(value: unknown): Result<boolean> {
  if (typeof value === "boolean") return ok(value);
  return value === "true" || value === "false"
    ? ok(value === "true")
    : fail(Exit.usage, `expected true or false, found ${shown(value)}`);
}

function oneOf(words: readonly string[]): (value: unknown) => Result<string> {
  return (value) => {
    const known = words.find((one) => one === value);
    return known === undefined
      ? fail(Exit.usage, `expected one of ${words.join(", ")}, found ${shown(value)}`)
      : ok(known);
  };
}

// Sizes and ages as a person types them, on the command line and in settings.

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  ...{ K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 },
  ...{ KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 },
};

/** Bytes: a number of them, or `50GiB` and `50G` in powers of 1024. */
export function bytesIn(value: unknown): Result<number> {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([KMGT](?:iB)?)?$/.exec(String(value)) ?? [];
  const bytes = Math.round(Number(number) * (UNITS[unit] ?? Number.NaN));
  return (typeof value === "string" || typeof value === "number") && Number.isSafeInteger(bytes)
    ? ok(bytes)
    : fail(Exit.usage, `expected a size such as 50GiB, found ${shown(value)}`);
}

const AGES: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds: `12h`, `30d`, `8w`. */
export function ageIn(text: string): Result<number> {
  const [, number, unit = ""] = /^(\d+)([hdw])$/.exec(text) ?? [];
  const age = Number(number) * (AGES[unit] ?? Number.NaN);
  return Number.isSafeInteger(age)
    ? ok(age)
    : fail(Exit.usage, `expected an age such as 12h, 30d or 8w, found ${shown(text)}`);
}

/** A value that was not understood. */
const shown = (value: unknown): string => (typeof value === "bigint" ? String(value) : JSON.stringify(value));
