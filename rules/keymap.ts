// keymap: one keyboard, as the console spells it and as XKB does.
import { wrongOption } from "../engine/declare.js";
import { render } from "./options.js";

/** `ch-fr_nodeadkeys` as XKB spells it: layout, plus, variant. */
type Xkb<K extends string> = K extends `${infer Layout}-${infer Variant}` ? `${Layout}+${Variant}` : K;

/** A keyboard in its two spellings. */
export interface Keymap<K extends string> {
  /** With a dash: what `vconsole.conf` and mklive's `-k` take. */
  readonly vconsole: K;
  /** With a plus: what GNOME's and Cinnamon's `input-sources` take. The other spelling there falls back to `us`. */
  readonly xkb: Xkb<K>;
}

/** A keyboard by its layout, or by layout and variant with a dash between: `keymap("ch-fr_nodeadkeys")`. */
export function keymap<const K extends string>(vconsole: K): Keymap<K> {
  if (!/^[a-z]{2,8}(?:-[a-z0-9_]+(?:-[a-z0-9_]+)*)?$/.test(vconsole)) {
    const dashed = typeof vconsole === "string" && /^[a-z]+\+[a-z0-9_-]+$/.test(vconsole);
    const help = dashed ? `; the console spells it ${vconsole.replace("+", "-")}` : "";
    wrongOption(
      "keymap",
      `expected a layout, or layout-variant such as "ch-fr_nodeadkeys", found ${render(vconsole)}${help}`,
    );
  }
  return Object.freeze({ vconsole, xkb: vconsole.replace("-", "+") as Xkb<K> });
}
