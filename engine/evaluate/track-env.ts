// Listens to process.env. What the Imagefile sets there is taken back afterwards: an evaluation only ever
// produces data.
import { replace, type Undo } from "./patch.js";
import { recorder } from "./record.js";

/** Records every variable read, and whether all names were. */
export function watchEnvironment(undos: Undo[]): void {
  const real = process.env;
  const before = new Map<string, string | undefined>();
  undos.push(() => {
    for (const [name, value] of before) {
      if (value === undefined) Reflect.deleteProperty(real, name);
      else real[name] = value;
    }
  });

  const reads = (name: PropertyKey): void => {
    if (typeof name === "string") recorder()?.variable(name, real[name]);
  };
  const writes = (name: PropertyKey): void => {
    const active = recorder();
    if (active === undefined || typeof name !== "string") return;
    active.writes(name);
    if (!before.has(name)) before.set(name, real[name]);
  };

  const env = new Proxy(real, {
    get(target, name) {
      reads(name);
      return Reflect.get(target, name) as unknown;
    },
    has(target, name) {
      reads(name);
      return Reflect.has(target, name);
    },
    getOwnPropertyDescriptor(target, name) {
      reads(name);
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
    ownKeys(target) {
      recorder()?.environment();
      return Reflect.ownKeys(target);
    },
    set(target, name, value) {
      writes(name);
      return Reflect.set(target, name, value);
    },
    defineProperty(target, name, descriptor) {
      writes(name);
      return Reflect.defineProperty(target, name, descriptor);
    },
    deleteProperty(target, name) {
      writes(name);
      return Reflect.deleteProperty(target, name);
    },
  });
  undos.push(replace(process, "env", env));
}
