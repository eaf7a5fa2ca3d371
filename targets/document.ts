// docs/rules.md, written from the schemas that check Imagefiles: `npm run docs`. It lies above rules and
// presets, and knows Markdown.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { declarationsIn, describe, type OptionText, type RuleText } from "../rules/describe.js";
import type { Trait } from "../engine/model.js";
import { traits } from "../engine/tree/losses.js";
import { HOLDS } from "../rules/formats.js";
import * as imagemake from "./index.js";

/** Where the page lies. */
export const PAGE = fileURLToPath(new URL("../../docs/rules.md", import.meta.url));

/** The whole page. */
export function rulesPage(): string {
  const rules = declarationsIn(imagemake).map(describe);
  return [
    "# Rules, steps and presets",
    "",
    "Made by `npm run docs` from the schemas that check an Imagefile when it is loaded; do not edit.",
    "What stands before the `{ … }` in a call is given as it is, in that order; the other options are in the object.",
    "",
    ...rules.flatMap(section),
    ...formats(),
  ].join("\n");
}

/** What each format holds. */
function formats(): string[] {
  const columns = Object.values(HOLDS);
  return [
    "## What formats hold",
    "",
    "What a format does not hold of a tree is a warning that names it, and an error with `guards: { lossless: true }`. A",
    "POSIX ACL that is not kept leaves the mode that the owner, the group and the others have, never the ACL's mask. Of a",
    "tree itself, sockets, nodes under `/dev`, devices of the number 0:0 and labels of SELinux are not kept; of a file, its owner and",
    "extended attributes.",
    "",
    `| | ${columns.map(({ called }) => called).join(" | ")} |`,
    `| --- |${columns.map(() => " --- |").join("")}`,
    ...traits.map(([trait, words]) => {
      const cells = columns.map(({ lacks }) => ((lacks as readonly Trait[]).includes(trait) ? "no" : "yes"));
      return `| ${words} | ${cells.join(" | ")} |`;
    }),
    "",
    "In tar archives a run of a MiB of zeros or more is a hole, wherever the file system has holes: GNU tar, libarchive,",
    "Python and Go read that, busybox does not. Packed trees are the same bytes on every file system.",
    "",
  ];
}

function section({ name, text, form, options }: RuleText): string[] {
  return [
    `## ${name}`,
    "",
    `\`${form}\``,
    "",
    text,
    "",
    "| option | type | is |",
    "| --- | --- | --- |",
    ...options.flatMap((option) => rows(option, "")),
    "",
  ];
}

function rows({ name, required, type, description, options }: OptionText, inside: string): string[] {
  const cells = [`\`${inside}${name}\`${required ? "" : " (optional)"}`, type, description];
  const row = `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
  return [row, ...options.flatMap((option) => rows(option, `${inside}${name}.`))];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, rulesPage());
