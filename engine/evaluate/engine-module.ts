// The module "imagemake" as an Imagefile sees it: the running engine's rules, whatever lies in node_modules.
// It does not know which rules there are.
import { stop } from "../problem.js";
import { placeInStack } from "./frames.js";
import { nearest } from "./nearest.js";

/** Names that the language and the transpiler ask of every module. */
const ASKED = new Set(["then", "toJSON"]);

/** The namespace as a module. A name that it does not have is refused where it is used (exit 2). */
export function engineModule(names: object): object {
  const module: object = Object.defineProperties(Object.create(null) as object, {
    ...Object.getOwnPropertyDescriptors({ ...names }),
    __esModule: { value: true },
    default: { value: names },
  });
  return new Proxy(module, {
    get(target, key) {
      if (typeof key === "symbol" || key in target || ASKED.has(key))
        return Reflect.get(target, key) as unknown;
      const at = placeInStack();
      stop(2, `${at === null ? "" : `${at}: `}"imagemake" has no export named ${key}`, hint(names, key));
    },
  });
}

/** The rule of that name, where it is one, else the nearest name. */
function hint(names: object, key: string): string | undefined {
  const inner = Object.entries(names).find(([, value]) => isObject(value) && key in value);
  const near = inner === undefined ? nearest(key, Object.keys(names)) : `${inner[0]}.${key}`;
  return near === undefined ? undefined : `did you mean ${near}?`;
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
