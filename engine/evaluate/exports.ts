// The exports of an Imagefile as a tree of named targets, in declared order. Everything that an export may not be is
// refused here (exit 2).
import { inside, isHandle, isSource, orderOf, projectOf, type Handle, type ProjectSpec } from "../declare.js";
import { Exit, stop } from "../problem.js";

/** A target with its id, or a group with its members in declared order. */
export type Exported =
  | { readonly kind: "target"; readonly id: string; readonly handle: Handle }
  | { readonly kind: "group"; readonly name: string; readonly members: readonly Member[] };

/** `selected` is false for a member that VAR= leaves out of the group. */
interface Member {
  readonly selected: boolean;
  readonly value: Exported;
}

/** Where an export is written, for messages: `Imagefile.ts:3`. */
export type Where = (name: string) => string;

/**
 * Every export, the one whose first target was made first coming first: a module's names arrive in no order
 * that means anything.
 */
export function walkExports(exports: Readonly<Record<string, unknown>>, where: Where): readonly Exported[] {
  const names = Object.keys(exports).filter((name) => name !== "default" && name !== "__esModule");
  const found = names.sort().map((name) => {
    const id = kebab(name);
    const at: Place = { path: name, say: (text) => stop(Exit.usage, `${where(name)}: ${text}`) };
    checkName(id, `export ${name}`, at);
    return walk(exports[name], id, at, []);
  });
  return byCreation(found, (one) => one);
}

/** What `default` is: settings of project(…), or undefined where there is none. */
export function projectExport(
  exports: Readonly<Record<string, unknown>>,
  where: Where,
): ProjectSpec | undefined {
  const value = exports["default"];
  if (value === undefined) return undefined;
  const project = projectOf(value);
  if (project !== undefined) return project;
  stop(Exit.usage, `${where("default")}: the default export is ${describe(value)}; expected project(…)`);
}

/** The targets under a group value, as `project` lists hold them. `narrowed`: only what VAR= selects. */
export function handlesOf(value: unknown, narrowed: boolean): readonly Handle[] {
  if (isHandle(value)) return [value];
  if (!isGroup(value)) return [];
  const keys = orderOf(value)?.keys ?? Object.keys(value);
  const only = narrowed ? (orderOf(value)?.only ?? null) : null;
  return keys.filter((key) => only?.has(key) ?? true).flatMap((key) => handlesOf(value[key], narrowed));
}

/** `liveIso` is `live-iso`: a hyphen before a capital that follows a small letter or a digit. */
const kebab = (name: string): string => name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "-").toLowerCase();

/** The targets of a group, narrowed by VAR=, or all of them. */
export function membersOf(exported: Exported, narrowed: boolean): readonly string[] {
  if (exported.kind === "target") return [exported.id];
  const wanted = exported.members.filter(({ selected }) => selected || !narrowed);
  return wanted.flatMap(({ value }) => membersOf(value, narrowed));
}

interface Place {
  /** As the Imagefile would write it: `images.sbc`. */
  readonly path: string;
  readonly say: (text: string) => never;
}

function walk(value: unknown, id: string, at: Place, above: readonly object[]): Exported {
  if (isHandle(value)) return { kind: "target", id, handle: value };
  if (!isGroup(value)) {
    at.say(`export ${at.path} is ${describe(value)}; expected a target or an object of targets`);
  }
  if (above.includes(value)) at.say(`export ${at.path} contains itself`);
  const order = orderOf(value);
  const members = (order?.keys ?? Object.keys(value)).map((key) => {
    const path = `${at.path}.${key}`;
    checkName(key, `key "${key}" of ${at.path}`, at);
    if (key === "all" || key.startsWith("all-")) {
      at.say(`key "${key}" of ${at.path}: names with "all" mean whole groups; take another`);
    }
    const selected = order?.only?.has(key) ?? true;
    return { selected, value: walk(value[key], `${id}-${key}`, { ...at, path }, [...above, value]) };
  });
  return {
    kind: "group",
    name: id,
    members: order === undefined ? byCreation(members, (one) => one.value) : members,
  };
}

function checkName(name: string, what: string, at: Place): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/.test(name)) {
    at.say(`${what}: expected letters, digits and _ . + -, since it is part of a target's name`);
  }
}

/** Stable: what was made by nobody keeps its place, at the end. */
function byCreation<T>(values: readonly T[], of: (value: T) => Exported): readonly T[] {
  const first = new Map(values.map((value) => [value, earliest(of(value))]));
  return [...values].sort((a, b) => compare(first.get(a), first.get(b)));
}

const compare = (a = Infinity, b = Infinity): number => (a === b ? 0 : a - b);

const earliest = (exported: Exported): number =>
  exported.kind === "target"
    ? inside(exported.handle).draft.order
    : exported.members.reduce((least, { value }) => Math.min(least, earliest(value)), Infinity);

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || isSource(value) || projectOf(value) !== undefined) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** For messages: what a value is, in words. */
function describe(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (isHandle(value)) return "a target";
  if (isSource(value)) return "a source";
  if (projectOf(value) !== undefined) return "what project(…) makes, which belongs into the default export";
  if (Array.isArray(value)) return "an array, whose members have no names (each(…) gives them some)";
  if (value instanceof Promise) return "a promise (is an await missing?)";
  if (typeof value === "function") return "a function";
  if (isGroup(value)) return "an object";
  return typeof value === "object" ? `a ${value.constructor.name}` : `a ${typeof value}`;
}
