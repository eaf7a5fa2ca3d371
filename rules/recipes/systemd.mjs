// Enables and disables units of systemd in the tree at $OUT as `systemctl --root` does: by links, which a unit's
// [Install] section asks for.
import { existsSync, readdirSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { at, die, hint, inside, isLink, makeDirectories, read } from "./tree.mjs";

/** The first that has a unit counts. */
const PLACES = [
  "etc/systemd/system",
  "usr/local/lib/systemd/system",
  "usr/lib/systemd/system",
  "lib/systemd/system",
];
const OWN = "etc/systemd/system";
const TYPES = /\.(?:service|socket|target|timer|path|mount|automount|swap|slice|scope|device)$/;
/** Directories of links to what a unit brings along, by what the unit says. */
const BRINGS = { WantedBy: "wants", RequiredBy: "requires", UpheldBy: "upholds" };

/**
 * @typedef {{ name: string, prefix: string, instance: string | null, file: string, install: Map<string, string[]> }} Unit
 */

/** @type {Set<string>} */
const done = new Set();

/**
 * @param {string} given
 * @param {string} [by] The unit that has it in Also=.
 */
export function enableUnit(given, by) {
  const unit = find(TYPES.test(given) ? given : `${given}.service`, by);
  if (unit === null || done.has(unit.name)) return;
  done.add(unit.name);
  const { name, file, install } = unit;
  const target = `/${file}`;
  if (install.size === 0) {
    if (by !== undefined) return;
    die(`${name} has no [Install] section (${file}): it is not enabled, others start it`);
  }
  const template = name.includes("@.");
  const [standard] = install.get("DefaultInstance") ?? [];
  const links = [
    ...(install.get("WantedBy") ?? []),
    ...(install.get("RequiredBy") ?? []),
    ...(install.get("UpheldBy") ?? []),
  ];
  if (template && standard === undefined && links.length > 0) {
    die(
      `${name} is a template without a DefaultInstance=: say which one is wanted, such as ${name.replace("@.", "@NAME.")}`,
    );
  }
  const whole =
    template && standard !== undefined ? { ...unit, name: named(name, standard), instance: standard } : unit;
  for (const alias of list(unit, "Alias")) {
    const one = unit.instance === null ? alias : named(alias, unit.instance);
    link(`${OWN}/${one}`, target, name);
  }
  for (const [key, suffix] of Object.entries(BRINGS)) {
    for (const other of list(whole, key)) link(`${OWN}/${other}.${suffix}/${whole.name}`, target, name);
  }
  for (const also of list(whole, "Also")) enableUnit(also, name);
}

/** @type {Set<string>} */
const disabled = new Set();

/**
 * Removes every link that enables the unit, those of its name and those that lead to it by another, and what it has
 * brought along. One that is not there is no error, and one that is masked is left as it is.
 * @param {string} given
 */
export function disableUnit(given) {
  const name = TYPES.test(given) ? given : `${given}.service`;
  if (disabled.has(name)) return;
  disabled.add(name);
  if (isMasked(name)) return;
  for (const also of alsoOf(name)) disableUnit(also);
  const dirs = at(OWN)?.isDirectory() === true ? [OWN] : [];
  for (const dir of dirs) {
    for (const entry of readdirSync(inside(dir, true), { withFileTypes: true })) {
      const path = `${dir}/${entry.name}`;
      if (entry.isDirectory() && /\.(?:wants|requires|upholds)$/.test(entry.name)) dirs.push(path);
      if (!entry.isSymbolicLink()) continue;
      const to = readlinkSync(inside(path));
      // A link to /dev/null keeps it from being started at all, which is more.
      if (to !== "/dev/null" && (entry.name === name || basename(to) === name)) unlinkSync(inside(path));
    }
  }
}

/**
 * Whether the file that counts is a link to /dev/null.
 * @param {string} name
 */
function isMasked(name) {
  const links = PLACES.map((place) => inside(`${place}/${name}`));
  const first = links.find((path) => isLink(path) || existsSync(path));
  return first !== undefined && isLink(first) && readlinkSync(first) === "/dev/null";
}

/**
 * What a unit's Also= says; nothing where there is no such unit.
 * @param {string} name
 */
function alsoOf(name) {
  for (const file of new Set([name, name.replace(/@.+(?=\.[^.]+$)/, "@")])) {
    for (const place of PLACES) {
      const text = read(`${place}/${file}`);
      if (text === null) continue;
      /** @type {Map<string, string[]>} */
      const install = new Map();
      readInstall(text, install);
      return install.get("Also") ?? [];
    }
  }
  return [];
}

/**
 * @param {string} name
 * @param {string} [by]
 * @returns {Unit | null}
 */
function find(name, by) {
  const instance = /@(.+)\.[^.]+$/.exec(name)?.[1] ?? null;
  const files = instance === null ? [name] : [name, name.replace(`@${instance}.`, "@.")];
  for (const file of files) {
    for (const place of PLACES) {
      const path = `${place}/${file}`;
      if (at(path) !== undefined || isLink(inside(path))) return load(path, name, instance);
    }
  }
  if (by !== undefined) {
    process.stderr.write(`${by} has Also=${name}, which the tree does not have\n`);
    return null;
  }
  const known = PLACES.flatMap((place) =>
    at(place)?.isDirectory() === true ? readdirSync(inside(place, true)) : [],
  );
  const units = [...new Set(known.filter((one) => TYPES.test(one)))];
  return die(`the tree does not have the unit ${name}${hint(name, units)}`);
}

/**
 * @param {string} path
 * @param {string} name
 * @param {string | null} instance
 * @returns {Unit | null}
 */
function load(path, name, instance) {
  const file = basename(path);
  const where = inside(path);
  if (isLink(where)) {
    const to = readlinkSync(where);
    if (to === "/dev/null") die(`${name} is masked (${path} leads to /dev/null)`);
    // Another name of a unit: that one is enabled.
    const real = basename(to);
    if (real !== file && TYPES.test(real)) return find(instance === null ? real : named(real, instance));
  }
  const text = read(path);
  if (text === null) return die(`${name} cannot be read: ${path} leads to nothing`);
  /** @type {Map<string, string[]>} */
  const install = new Map();
  for (const one of [text, ...[...new Set([file, name])].flatMap(dropIns)]) readInstall(one, install);
  return { name, prefix: name.replace(/(?:@.*)?\.[^.]+$/, ""), instance, file: path, install };
}

/**
 * The name of a template with an instance.
 * @param {string} template
 * @param {string} instance
 */
const named = (template, instance) => template.replace("@.", `@${instance}.`);

/**
 * Texts of the files in <unit>.d, in order of their names.
 * @param {string} unit
 */
function dropIns(unit) {
  /** @type {Map<string, string>} */
  const files = new Map();
  for (const place of PLACES) {
    const dir = `${place}/${unit}.d`;
    if (at(dir)?.isDirectory() !== true) continue;
    for (const name of readdirSync(inside(dir, true))) {
      if (name.endsWith(".conf") && !files.has(name)) files.set(name, read(`${dir}/${name}`) ?? "");
    }
  }
  return [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, text]) => text);
}

/**
 * Adds what the [Install] section says: an empty value forgets what came before it.
 * @param {string} text
 * @param {Map<string, string[]>} install
 */
function readInstall(text, install) {
  let inside = false;
  const lines = text.split("\n").filter((line) => !/^\s*[#;]/.test(line));
  for (const line of lines.join("\n").replace(/\\\n/g, " ").split("\n")) {
    const section = /^\s*\[(.*)\]\s*$/.exec(line)?.[1];
    if (section !== undefined) inside = section === "Install";
    const [, key, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (!inside || key === undefined || value === undefined) continue;
    const words = value
      .split(/\s+/)
      .filter((word) => word !== "")
      .map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
    install.set(
      key,
      words.length === 0 || key === "DefaultInstance" ? words : [...(install.get(key) ?? []), ...words],
    );
  }
}

/**
 * @param {Unit} unit
 * @param {string} key
 */
const list = (unit, key) => (unit.install.get(key) ?? []).map((word) => expanded(unit, word));

/**
 * @param {Unit} unit
 * @param {string} word
 */
function expanded(unit, word) {
  /** @type {Record<string, string>} */
  const values = {
    "%": "%",
    n: unit.name,
    N: unit.name.replace(/\.[^.]+$/, ""),
    p: unit.prefix,
    i: unit.instance ?? "",
    j: unit.prefix.split("-").at(-1) ?? "",
  };
  return word.replace(
    /%(.)/g,
    (/** @type {string} */ all, /** @type {string} */ letter) =>
      values[letter] ?? die(`${unit.file}: ${all} in ${word} cannot be told in an image`),
  );
}

/**
 * @param {string} path
 * @param {string} target
 * @param {string} name
 */
function link(path, target, name) {
  makeDirectories(dirname(path));
  const where = inside(path);
  if (isLink(where)) {
    const to = readlinkSync(where);
    const there = to.startsWith("/") ? to : join("/", dirname(path), to);
    if (inside(there, true) === inside(target, true)) return;
    die(`${name} wants the name ${basename(path)}, which is ${to}'s (${path})`);
  }
  if (at(path) !== undefined) die(`${name} wants the name ${basename(path)}, which is taken (${path})`);
  symlinkSync(target, where);
}
