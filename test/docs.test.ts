// Pages that are made from the code are the code's, and what they tell to type works.
import { expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { evaluate } from "../engine/evaluate/load.js";
import { makeProject } from "./support/cli.js";
import { COMMANDS } from "../cli/commands.js";
import { commandsPage, PAGE as COMMANDS_PAGE } from "../cli/reference.js";
import { PAGE, rulesPage } from "../targets/document.js";

const ROOT = new URL("../../", import.meta.url);

test("docs/rules.md says what the schemas say (npm run docs)", () => {
  expect(readFileSync(PAGE, "utf8")).toBe(rulesPage());
});

test("docs/commands.md says what the declarations say (npm run docs)", () => {
  expect(readFileSync(COMMANDS_PAGE, "utf8")).toBe(commandsPage());
});

test("the manual page is one: every command and option is in it, and groff has nothing to say", () => {
  const page = fileURLToPath(new URL("dist/man/imagemake.1", ROOT));
  const { stdout, stderr } = spawnSync("groff", ["-man", "-Tascii", "-ww", "-P-c", "-P-b", "-P-u", page], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  for (const name of Object.keys(COMMANDS).filter((one) => !one.startsWith("_")))
    expect(stdout).toMatch(new RegExp(`^ +${name}$`, "m"));
  for (const word of ["--public-key <file>", "-j, --jobs [n]", "imagemake release drop [options] <target>"])
    expect(stdout).toContain(word);
});

test("docs/rules.md says of everything how it is called, words first", () => {
  const forms = [
    "xbps(url, { … })",
    "pacman(conf, { … })",
    "rule.rootfs({ … })",
    "rule.extract(from, paths)",
    "rule.unpack(from)",
    "step.install(packages, { … })",
    "step.dconf(db, keys, { … })",
    "step.link(path, to)",
    "signify({ … })",
    "minisign({ … })",
  ];
  // What it is stands between its call and its options.
  const calls = rulesPage().matchAll(/^\n`(.*)`\n\n.+\n\n\| option \|/gm);
  expect([...calls].map(([, call]) => call)).toEqual(expect.arrayContaining(forms));
});

/** Every Imagefile in the pages: page and number → its text. */
const EXAMPLES = ["README.md", ...readdirSync(new URL("docs", ROOT)).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) =>
    [...readFileSync(new URL(name, ROOT), "utf8").matchAll(/^```ts\n(.*?)^```$/gms)]
      .map(([, text = ""], at) => [`${name} ${at + 1}`, text] as const)
      .filter(([, text]) => text.includes("export ")),
  );

/** What evaluating them needs. */
const FILES = { "pacman.conf": "[core]\nServer = https://mirror.example.org\n", "README.md": "" };

test.each(EXAMPLES)("%s can be typed in: it imports what it uses", async (name, text) => {
  expect(text).toMatch(/^import .* from "imagemake";$/m);
  const project = makeProject({ ...FILES, "Imagefile.ts": text });
  try {
    const { ok, ...told } = await evaluate({ file: project.path("Imagefile.ts"), args: {} });
    // Presets read a checkout.
    if (!name.includes("void") && !name.includes("xcp-ng"))
      expect([ok, told]).toEqual([true, expect.anything()]);
    else expect(JSON.stringify(told)).not.toMatch(/not defined|no export|syntax error|unknown option/);
  } finally {
    project.remove();
  }
});
