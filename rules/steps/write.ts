// step.write: one file of a tree, with its content in the Imagefile.
import { z } from "zod";
import { wrongOption } from "../../engine/declare.js";
import { option } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { recipe } from "../recipes.js";
import { imagePath } from "../schema.js";
import type { Step } from "../types.js";
import { makeStep, octal } from "./step.js";

const declared = declaration(
  "step.write",
  "Writes a file.",
  {
    path: option(imagePath, "a path inside the tree", "The file."),
    content: option(
      // What the kernel takes as one variable is 128 KiB.
      z.string().refine((text) => Buffer.byteLength(text) < 120_000 && !text.includes("\0")),
      "text of less than 120,000 bytes",
      "What it holds. `{date}` becomes the datecode.",
    ),
    mode: option(
      z.union([z.number().int().min(0).max(0o7777), octal]).optional(),
      `a mode such as 0o644 or "644"`,
      "0o644 unless said. What replaces a file that only some may read (`etc/shadow`) has its mode and its owner then.",
    ),
  },
  ["path", "content"],
);

/** Modes that files have; a number that is none of them, but reads like one, was meant to be octal. */
const USUAL = new Set(
  "400 440 444 500 550 555 600 640 644 660 664 666 700 711 750 755 770 775 777 1777 2755 2775 4711 4755".split(
    " ",
  ),
);

/** The mode in octal digits. Throws for a number whose decimal digits are a usual mode: `600` is 0o1130. */
function modeOf(mode: number | string): string {
  if (typeof mode === "string") return mode;
  const digits = mode.toString(8);
  if (!USUAL.has(digits) && USUAL.has(String(mode)))
    wrongOption("step.write", `mode: ${mode} is the mode ${digits} in octal digits; did you mean 0o${mode}?`);
  return digits;
}

export const write = callable(
  declared,
  (
    path: Given<typeof declared>["path"],
    content: Given<typeof declared>["content"],
    o: Others<typeof declared, "path" | "content"> = {},
  ): Step => {
    const given = declared.check({ path, content, ...o });
    const mode = given.mode === undefined ? "" : modeOf(given.mode);
    return makeStep(() => ({
      rule: "step.write",
      command: recipe("write.sh", ["lib.sh", "write.sh"]),
      env: { TO: given.path, CONTENT: content, MODE: mode },
      inputs: {},
    }));
  },
);
