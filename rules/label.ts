// The label of an ISO 9660 volume, as an option.
import { z } from "zod";
import { wrongOption } from "../engine/declare.js";
import { option, render } from "./options.js";

/** ISO 9660 has 32 characters, of which Joliet keeps 16. */
const LONGEST = 32;

export const labelOption = option(
  z.string().regex(/^(?:[A-Za-z0-9_.-]|\{date\})+$/),
  "letters, digits and _ . -, at most 32",
  "The volume's label. `{date}` becomes the datecode, and then the date is in the key.",
);

/** Refuses a label that is too long once it has its date. */
export function checkLabel(rule: string, label: string): void {
  if (label.replaceAll("{date}", "00000000").length <= LONGEST) return;
  wrongOption(rule, `label: expected at most ${LONGEST} characters, found ${render(label)}`);
}
