// docs/rules.md, written from the schemas that check Imagefiles: `npm run docs`. It lies above rules and
// presets, and knows Markdown.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describeRules, type OptionText, type RuleText } from "../rules/describe.js";
import { voidLinuxSchema } from "./void.js";
import { voidLiveSchema } from "./void-live.js";
import { xcpNgSchema } from "./xcp-ng.js";

/** Where the page lies. */
export const PAGE = fileURLToPath(new URL("../../docs/rules.md", import.meta.url));

/** The whole page. */
export function rulesPage(): string {
  const rules = describeRules({
    "preset.voidLinux": voidLinuxSchema,
    "preset.voidLive": voidLiveSchema,
    "preset.xcpNg": xcpNgSchema,
  });
  return [
    "# Rules, steps and presets",
    "",
    "Made by `npm run docs` from the schemas that check an Imagefile when it is loaded; do not edit.",
    "",
    ...rules.flatMap(section),
  ].join("\n");
}

function section({ name, options }: RuleText): string[] {
  return [
    `## ${name}`,
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
