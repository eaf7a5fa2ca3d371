// What has one place in the sources: nobody writes it again where it is needed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";
import { PACKAGE } from "../cache/installed.js";

const root = fileURLToPath(PACKAGE);

const sources = ["cli", "engine", "cache", "rules", "targets"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => ({ file: join(folder, name), text: readFileSync(join(root, folder, name), "utf8") })),
);

/** The lines, as `file: line`, that a pattern finds. */
const linesWith = (pattern: RegExp): readonly string[] =>
  sources.flatMap(({ file, text }) =>
    [...text.matchAll(pattern)].map((match) => `${file}: ${match[0].replace(/\s+/g, " ")}`),
  );

test("exit statuses have names", () => {
  const bare = [
    ...linesWith(/\b(?:fail|stop)\(\s*\d/g),
    ...linesWith(/\bexit: \d/g),
    ...linesWith(/\bexitCode = \d/g),
    ...linesWith(/\bprocess\.exit\(\d/g),
    ...linesWith(/\b(?:exit|status)\b (?:[!=]==|\?\?) (?:\d+ \? )?(?:130|143)\b/g),
  ];
  expect(bare).toEqual([]);
  expect(linesWith(/\bExit\.(?:usage|environment)\b/g).length).toBeGreaterThan(300);
});
