// Keeps modules as they were transpiled, which spares loading babel (100 ms). What is kept is run, so it counts only while a
// checksum says that it was made of this very text, and is what was made of it.
import { basename, dirname } from "node:path";
import type { TransformOptions } from "jiti";
import { hashBytes } from "../../cache/hash.js";
import { readPlain, writeIfPossible } from "../../cache/io.js";
import { modulePath } from "../../cache/layout.js";
import { ownerIn, writeWhole } from "../../cache/write.js";

/** Changes whenever a text is transpiled otherwise than before. */
const FORM = "jiti 2";

type Transpile = (given: TransformOptions) => string;

/** Where modules are kept. */
export interface Keeping {
  readonly dir: string;
  /** Runs what is none of the Imagefile's doing. */
  readonly quietly: <T>(work: () => T) => T;
  /** Which of what was transpiled may be kept. */
  readonly isGood: (code: string) => boolean;
}

/** The same, with what it gives kept. */
export function keeping({ dir, quietly, isGood }: Keeping, transpile: Transpile): Transpile {
  return (given) => {
    const { filename, source, ...how } = given;
    if (filename === undefined) return transpile(given);
    const from = JSON.stringify([FORM, filename, how, source]);
    const sum = (code: string): string => `\n/* ${hashBytes(`${from}\0${code}`)} */\n`;
    const name = `${basename(dirname(filename))}-${basename(filename)}.${hashBytes(filename).slice(0, 8)}`;
    const file = modulePath(dir, `${name}.${how.async === true ? "mjs" : "cjs"}`);
    const kept = quietly(() => read(file));
    const code = kept.slice(0, -sum("").length);
    if (kept !== "" && kept === code + sum(code)) return code;
    const made = transpile(given);
    if (isGood(made)) quietly(() => writeIfPossible(() => writeWhole(file, made + sum(made), ownerIn(dir))));
    return made;
  };
}

/** Empty where nothing is kept. */
function read(file: string): string {
  try {
    return readPlain(file)?.toString("utf8") ?? "";
  } catch {
    return "";
  }
}
