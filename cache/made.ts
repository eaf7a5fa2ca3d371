// Results of actions as texts, for caches that other machines write to as well.
import type { Made } from "./action-cache.js";
import { each, fields, is, list, matching, milliseconds, orNull, seconds, size, text } from "./shape.js";

/** No result is larger: what is was not written by an imagemake. Bytes. */
export const MOST_RESULT = 4 << 20;

/** Logs stay where they are: an action may have printed what nobody else should read. */
export const textOf = (made: Made): string => JSON.stringify({ ...made, log: null });

/** The result that a text has of this key. Throws what is wrong with it: anybody may have written it. */
export function resultIn(json: string, key: string): Made {
  const value: unknown = JSON.parse(json);
  const wrong = wrongInResult(value);
  if (wrong !== null) throw new Error(`it is not a result (${wrong})`);
  const made = value as Made;
  if (made.key !== key) throw new Error("it is the result of another key");
  const { action, components, outputs, epoch, started, duration, machine } = made;
  return { key, action, components, outputs, epoch, started, duration, machine, log: null };
}

const id = matching(/^(?:[fxt]:[0-9a-f]{64}|v:pass)$/);

/** No name of an action or a machine is longer. */
const short = is((value) => typeof value === "string" && value.length <= 1000);

/** The first field that a result does not have so: anybody may have written it. */
const wrongInResult = fields({
  ...{ key: short, action: short, machine: short },
  ...{ epoch: seconds, started: milliseconds, duration: milliseconds },
  components: list(fields({ name: text, value: text })),
  outputs: each(fields({ id, size, parent: orNull(id) })),
});
