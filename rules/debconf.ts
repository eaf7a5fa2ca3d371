// Answers to debconf's questions, put down before the packages that ask are configured. Only apt's packages ask.
import { z } from "zod";
import { sourceOf, wrongOption } from "../engine/declare.js";
import type { Source, Tool } from "../engine/model.js";
import { option, render } from "./options.js";
import { arrayOf, filesSource } from "./schema.js";

/** The option. */
export const debconf = option(
  z.union([arrayOf(z.string().regex(/^[^\s#]\S*[ \t]+\S+[ \t]+\S+.*$/), 1), filesSource]).optional(),
  "lines in an array, or files(…)",
  "With apt, answers to the questions of packages, there before the first of them is configured, as debconf-set-selections(1) reads them: " +
    "`locales locales/default_environment_locale select C.UTF-8`. What is a password is in the key, and in the image until it is asked for.",
);

/** What a recipe is given of them. */
export interface Answers {
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, Source>>;
  readonly tools: readonly Tool[];
}

/** Nothing is answered. */
export const NO_ANSWERS: Answers = { env: {}, inputs: {}, tools: [] };

/** The answers for a tree of that package manager. */
export function debconfOf(rule: string, driver: string, given: z.output<typeof debconf>): Answers {
  if (given === undefined) return NO_ANSWERS;
  if (driver !== "apt") {
    const found = Array.isArray(given) ? render(given) : "files(…)";
    wrongOption(rule, `debconf: expected nothing, because only packages of apt ask debconf, found ${found}`);
  }
  const tools = [{ name: "debconf-set-selections", package: "debconf" }];
  return "length" in given
    ? { env: { DEBCONF: given.join("\n") }, inputs: {}, tools }
    : { env: {}, inputs: { PRESEED: sourceOf(given) }, tools };
}
