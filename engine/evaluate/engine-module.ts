// The module "imagemake" as an Imagefile sees it: the running engine's rules, whatever lies in node_modules.
import { Exit, stop } from "../problem.js";
import { placeInStack } from "./frames.js";
import { nearest } from "./nearest.js";
import { short } from "./place.js";

/** Names that the language and the transpiler ask of every module, and printing of every object. */
const ASKED = new Set(["then", "toJSON"]);

/** The namespace as a module. A name that it, or an object in it, does not have is refused where it is used (exit 2). */
export function engineModule(names: object): object {
  const strict = strictly(names, { what: '"imagemake" has no export named ', prefix: "", all: names });
  const module: object = Object.defineProperties(Object.create(null) as object, {
    ...Object.getOwnPropertyDescriptors({ ...strict }),
    __esModule: { value: true },
    default: { value: strict },
  });
  return guarded(module, { what: '"imagemake" has no export named ', prefix: "", all: names });
}

/** Where a name was looked for: how that is said, and what stands before the names that are there. */
interface Place {
  readonly what: string;
  readonly prefix: string;
  readonly all: object;
}

/** The object with every plain object in it (`rule`, `step`, `preset`) and every function made strict as well. */
function strictly(object: object, at: Place): object {
  const members = Object.entries(object).map(([name, value]): [string, unknown] => {
    const path = `${at.prefix}${name}`;
    const here = { what: `there is no ${path}.`, prefix: `${path}.`, all: at.all };
    if (isFunction(value)) return [name, strictFunction(value, here)];
    return [name, isPlain(value) ? strictly(value, here) : value];
  });
  return guarded(Object.fromEntries(members), at);
}

/** One for each function, so that `rule.run` and `run` stay the same. */
const functions = new WeakMap<object, object>();

function strictFunction(of: object, at: Place): object {
  const strict = functions.get(of) ?? guarded(of, at);
  functions.set(of, strict);
  return strict;
}

/** A module of the project: a name that it does not have is refused where it is used, once the module has run. */
export const projectModule = (names: object, file: string, hasRun: () => boolean): object =>
  // `m.default ?? m` is what one writes of a module that may be either.
  guarded(names, { what: `${short(file)} has no export named `, prefix: "", all: names }, (key) =>
    key === "default" ? false : hasRun(),
  );

const guarded = (object: object, at: Place, since: (key: string) => boolean = () => true): object =>
  new Proxy(object, {
    get(target, key) {
      if (typeof key === "symbol" || key in target || ASKED.has(key) || !since(key))
        return Reflect.get(target, key) as unknown;
      const place = placeInStack();
      stop(Exit.usage, `${place === null ? "" : `${place}: `}${at.what}${key}`, hint(target, key, at));
    },
  });

/** The name where it is to be had, else the nearest one here. */
function hint(here: object, key: string, { prefix, all }: Place): string | undefined {
  const elsewhere = pathOf(all, key);
  const near = nearest(
    key,
    Object.keys(here).filter((name) => name !== "default"),
  );
  const found = elsewhere ?? (near === undefined ? undefined : `${prefix}${near}`);
  return found === undefined ? undefined : `did you mean ${found}?`;
}

/** What to import where a name is used that the engine has and the Imagefile has not imported. */
export function importHint(thrown: unknown, names: object): string | undefined {
  const [, name] =
    /^([\w$]+) is not defined$/.exec(
      thrown instanceof Error && thrown.name === "ReferenceError" ? thrown.message : "",
    ) ?? [];
  const path = name === undefined ? undefined : pathOf(names, name);
  if (path === undefined) return undefined;
  const [first = path] = path.split(".");
  const line = `import { ${first} } from "imagemake"`;
  return first === path ? `${line} is missing` : `did you mean ${path}, with ${line}?`;
}

/** `rule.rootfs` for `rootfs`. */
function pathOf(object: object, key: string): string | undefined {
  if (Object.hasOwn(object, key)) return key;
  for (const [name, value] of Object.entries(object)) {
    const inner = isPlain(value) ? pathOf(value, key) : undefined;
    if (inner !== undefined) return `${name}.${inner}`;
  }
  return undefined;
}

const isFunction = (value: unknown): value is (...words: never[]) => unknown => typeof value === "function";

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
