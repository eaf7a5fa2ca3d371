// step.write: one file of a tree, with its content in the Imagefile.
import { z } from "zod";
import { check, option } from "../options.js";
import { recipe } from "../recipes.js";
import { imagePath } from "../schema.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

export const writeSchema = z.strictObject({
  path: option(imagePath, "a path inside the tree", "The file."),
  content: option(
    // What the kernel takes as one variable is 128 KiB.
    z.string().refine((text) => Buffer.byteLength(text) < 120_000 && !text.includes("\0")),
    "text of less than 120,000 bytes",
    "What it holds. `{date}` becomes the datecode.",
  ),
  mode: option(z.number().int().min(0).max(0o7777).optional(), "a mode such as 0o644", "0o644 unless said."),
});

/** Writes a file. */
export function write(path: string, content: string, o: { mode?: number } = {}): Step {
  const given = check("step.write", writeSchema, { path, content, ...o });
  const mode = (given.mode ?? 0o644).toString(8);
  return makeStep(() => ({
    rule: "step.write",
    command: recipe("write.sh", ["lib.sh", "write.sh"]),
    env: { TO: given.path, CONTENT: content, MODE: mode },
    inputs: {},
  }));
}
