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

/** Files that start programs themselves, and why; all others go by cache/program.ts. */
const STARTERS: Readonly<Record<string, string>> = {
  "cache/program.ts": "runs programs to their ends",
  "rules/drivers/run.ts": "the programs of package managers, with a time to stop in (execa)",
  "cli/boot/console.ts": "a guest, which has the terminal",
  "cli/watch/guest.ts": "a guest of `watch`",
  "engine/execute/local/sandbox.ts": "an action",
  "engine/execute/local/zygote.ts": "what actions are forked from",
  "engine/evaluate/track-circumstance.ts": "notices what an Imagefile starts",
};

test("programs are started in one way, but for those that live on", () => {
  const found = sources.filter(({ text }) => /"node:child_process"|import\("execa"\)/.test(text));
  expect(found.map(({ file }) => file).sort()).toEqual(Object.keys(STARTERS).sort());
});

/** What is parsed without a check of ours, and what vouches for it. */
const PARSERS: Readonly<Record<string, string>> = {
  "cache/shape.ts": "checks what it has parsed",
  "cache/made.ts": "a checksum, and cache/shape.ts",
  "cache/installed.ts": "this imagemake's own package.json",
  "cli/render/change.ts": "a component's text; what is no array is shown as it is",
  "engine/evaluate/blame.ts": "what jiti throws",
  "engine/evaluate/modules.ts":
    "a user's JSON, which is what it is; of a package.json two fields are looked for",
  "engine/evaluate/resolution.ts": "one field of a package.json, whose type is checked",
  "engine/execute/local/failed-stage.ts": "a checksum",
  "engine/execute/local/stale.ts": "each entry is checked",
  "engine/key.ts": "turns a value to JSON and back",
  "engine/known.ts": "a checksum",
  "engine/quick.ts": "a checksum",
  "engine/release/exchange.ts": "a checksum, and a schema of zod",
  "engine/release/release.ts": "engine/release/shape.ts",
  "engine/remember.ts": "a checksum",
  "engine/tree/run-seal.ts": "what a process of this imagemake answers",
  "engine/tree/seal-main.ts": "what this imagemake asks its process",
  "rules/drivers/dnf/resolve.ts": "a schema of zod",
  "rules/drivers/dnf/run.ts": "a schema of zod",
  "rules/drivers/nix.ts": "a schema of zod",
  "rules/recipes.ts": "written by npm run build of this imagemake",
  "rules/guest.ts": "an action's environment, which rules/boot.ts has written",
};

test("what is parsed is vouched for", () => {
  const found = sources.filter(({ text }) => text.includes("JSON.parse("));
  expect(found.map(({ file }) => file).sort()).toEqual(Object.keys(PARSERS).sort());
});
