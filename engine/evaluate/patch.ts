// Puts a listener before functions of node and of the language, and takes it away again.
import { syncBuiltinESMExports } from "node:module";
import { promisify } from "node:util";

/** Called before the function, with its arguments. `isNew` where it was called as a constructor. */
export type Before = (args: readonly unknown[], isNew: boolean) => void;

/** Undoes what was done. */
export type Undo = () => void;

type Callable = (...args: unknown[]) => unknown;

/** The function that was listened to; so a listener is never put before another one. */
const originals = new WeakMap<Callable, Callable>();

/**
 * `before` runs first, then the function as if nothing were there. Libraries may keep the result for good, so
 * `before` has to be harmless at any later time. A missing function is passed over: what node offers varies.
 */
export function listen(on: object, name: PropertyKey, before: Before): Undo {
  const own = Object.getOwnPropertyDescriptor(on, name);
  const original: unknown = Reflect.get(on, name);
  if (typeof original !== "function" || own?.configurable === false) return () => undefined;
  return replace(on, name, listening(original as Callable, before));
}

/** The property has another value until it is undone; then it is as before, if nobody else changed it. */
export function replace(on: object, name: PropertyKey, value: unknown): Undo {
  const own = Object.getOwnPropertyDescriptor(on, name);
  const { enumerable = false } = own ?? {};
  Object.defineProperty(on, name, { value, enumerable, configurable: true, writable: true });
  return () => {
    if (Object.getOwnPropertyDescriptor(on, name)?.value !== value) return;
    if (own === undefined) Reflect.deleteProperty(on, name);
    else Object.defineProperty(on, name, own);
  };
}

/** The same for looking at a property. What is set meanwhile stays. */
export function listenToProperty(on: object, name: PropertyKey, before: () => void): Undo {
  let own = Object.getOwnPropertyDescriptor(on, name);
  if (own?.configurable === false) return () => undefined;
  const [getter, setter] = [own?.get?.bind(on), own?.set?.bind(on)];
  const get = (): unknown => {
    before();
    if (own === undefined) return Reflect.get(Object.getPrototypeOf(on) as object, name, on);
    return getter === undefined ? (own.value as unknown) : getter();
  };
  const set = (value: unknown): void => {
    if (setter !== undefined) setter(value);
    else if (getter === undefined)
      own = { enumerable: true, configurable: true, writable: true, ...own, value };
  };
  Object.defineProperty(on, name, { get, set, enumerable: own?.enumerable ?? false, configurable: true });
  return () => {
    if (Object.getOwnPropertyDescriptor(on, name)?.get !== get) return;
    if (own === undefined) Reflect.deleteProperty(on, name);
    else Object.defineProperty(on, name, own);
  };
}

/** Runs every undo, newest first, and lets modules that imported names from node see it. */
export function undoAll(undos: Undo[]): void {
  for (const undo of undos.splice(0).reverse()) undo();
  syncBuiltinESMExports();
}

function listening(original: Callable, before: Before): Callable {
  const plain = originals.get(original) ?? original;
  return proxied(withPromiseForm(plain, before), plain, before);
}

/** Looks like `looks`, calls `before`, then `plain`. */
function proxied(looks: Callable, plain: Callable, before: Before): Callable {
  const proxy: Callable = new Proxy(looks, {
    apply(_, self, args: unknown[]) {
      before(args, false);
      return Reflect.apply(plain, self, args);
    },
    construct(_, args: unknown[], newTarget: NewableFunction) {
      before(args, true);
      return Reflect.construct(plain, args, Object.is(newTarget, proxy) ? plain : newTarget) as object;
    },
  });
  originals.set(proxy, plain);
  return proxy;
}

/** For promisify, exec and exists have a form of their own that calls past what is exported: it listens too. */
function withPromiseForm(plain: Callable, before: Before): Callable {
  const form: unknown = Reflect.get(plain, promisify.custom);
  if (typeof form !== "function") return plain;
  // That property cannot be changed, so this is another function that looks the same.
  const same: Callable = (...args) => plain(...args);
  const value = proxied(form as Callable, form as Callable, before);
  Object.defineProperties(same, {
    ...Object.getOwnPropertyDescriptors(plain),
    [promisify.custom]: { value, configurable: true },
  });
  return same;
}
