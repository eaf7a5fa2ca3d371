// What an editor shows: the language service that editors ask, in a project as `imagemake init` leaves it, shows the texts of
// rules, of their options and of options within options, and offers no more than there is.
import { afterEach, expect, test } from "@jest/globals";
import ts from "typescript";
import { declarationsIn, describe as described } from "../rules/describe.js";
import { withTexts } from "../targets/editor-texts.js";
import * as imagemake from "../targets/index.js";
import { makeProject, type TestProject } from "./support/cli.js";

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

const TEXT = `import { apt, files, rule, run, step, xbps } from "imagemake";
const tree = rule.rootfs({
  repo: apt({ url: "host", suite: "bookworm" }),
  arch: "amd64",
  packages: [],
  variant: "minbase",
  timeout: 60,
  guards: { minSize: "1MiB" },
  steps: [step.users({ me: { sudo: true } }, { newGroups: ["us"] }), step.install(["vim"], { recommends: true })],
  out: "a.tar.xz",
});
export const root = tree;
export const disk = rule.disk({
  from: tree,
  boot: "grub",
  menu: [{ title: "One", cmdline: "quiet" }],
  raw: [{ file: "x", at: "1MiB" }],
  out: "a.img",
});
export const made = run({ inputs: {}, cmd: "true", collect: "x", out: "y" });
export const repo = xbps("u", { keys: files("keys/*") });
`;

/** Asks as an editor does. */
async function editor() {
  const project = makeProject({});
  projects.push(project);
  await project.good("init");
  project.write("Imagefile.ts", TEXT);
  const file = project.path("Imagefile.ts");
  const config = ts.getParsedCommandLineOfConfigFile(project.path("tsconfig.json"), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"));
    },
  });
  const service = ts.createLanguageService({
    ...ts.sys,
    useCaseSensitiveFileNames: () => true,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    getScriptSnapshot: (name) => {
      const text = ts.sys.readFile(name);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => project.dir,
    getCompilationSettings: () => config?.options ?? {},
    getDefaultLibFileName: ts.getDefaultLibFilePath,
  });
  const at = (words: string, last: string): number => TEXT.indexOf(words) + words.lastIndexOf(last);
  return {
    problems: () =>
      service
        .getSemanticDiagnostics(file)
        .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n")),
    /** What is shown over `last` where `words` first stand. */
    hover: (words: string, last = words) => {
      const info = service.getQuickInfoAtPosition(file, at(words, last));
      return ts.displayPartsToString(info?.documentation);
    },
    offered: (words: string, last: string) =>
      service.getCompletionsAtPosition(file, at(words, last), {})?.entries.map(({ name }) => name) ?? [],
  };
}

/** The text of an option, as rules.md has it. */
function textOf(name: string, ...path: readonly string[]): string {
  const rule = declarationsIn(imagemake)
    .map(described)
    .find((one) => one.name === name);
  let [text, options] = [rule?.text ?? "", rule?.options ?? []];
  for (const word of path) {
    const option = options.find((one) => one.name === word);
    [text, options] = [option?.description ?? "", option?.options ?? []];
  }
  expect(text).not.toBe("");
  return text;
}

test("rules, steps and functions, their options, options within them, and words of a call have their texts", async () => {
  const { problems, hover, offered } = await editor();
  expect(problems()).toEqual([]);
  const seen: Readonly<Record<string, readonly [shown: string, text: string]>> = {
    rule: [hover("rule.disk", "disk"), textOf("rule.disk")],
    "a generic rule": [hover("rule.rootfs", "rootfs"), textOf("rule.rootfs")],
    "a rule of several forms": [hover("= run", "run"), textOf("rule.run")],
    step: [hover("step.users", "users"), textOf("step.users")],
    function: [hover("= xbps", "xbps"), textOf("xbps")],
    option: [hover("boot:"), textOf("rule.disk", "boot")],
    "what the driver decides": [hover("arch:"), textOf("rule.rootfs", "arch")],
    "what only a driver has": [hover("variant:"), textOf("rule.rootfs", "variant")],
    "what the type follows": [hover('out: "a.tar.xz"', "out"), textOf("rule.rootfs", "out")],
    shared: [hover("timeout:"), textOf("rule.rootfs", "timeout")],
    "within an option": [hover("minSize:"), textOf("rule.rootfs", "guards", "minSize")],
    "within an array": [hover("title:"), textOf("rule.disk", "menu", "title")],
    "with its unit": [hover("at:"), textOf("rule.disk", "raw", "at")],
    "within a record": [hover("sudo:"), textOf("step.users", "users", "NAME.sudo")],
    "after the words": [hover("newGroups:"), textOf("step.users", "newGroups")],
    "of a form": [hover("collect:"), textOf("rule.run", "collect")],
    "of a repository": [hover("suite:"), textOf("apt", "suite")],
  };
  const [shown, texts] = [0, 1].map((at) =>
    Object.fromEntries(Object.entries(seen).map(([what, both]) => [what, both[at]])),
  );
  expect(shown).toEqual(texts);
  expect(offered('boot: "grub"', "grub")).toEqual(
    expect.arrayContaining(["grub", "grub-bios", "grub-efi", "rpi", "uboot"]),
  );
}, 60_000);

test("a text that changed stands in the place of the old one, and what was never declared stays as it is", () => {
  const all = declarationsIn(imagemake).filter(({ name }) => name === "step.link");
  const types = [
    "/** The words for it. */",
    "export declare const other: number;",
    "/** Old. */",
    'export declare const link: ((path: string) => Step) & Declares<"step.link">;',
    'declare const declared: Declaration<"step.link", {',
    "    /** Old, in",
    "     * two lines. */",
    "    path: z.ZodString;",
    "    to: z.ZodString;",
    "}>;",
    "",
  ].join("\n");
  const now = withTexts(types, all);
  expect(now).toContain("/** The words for it. */\nexport declare const other");
  expect(now).not.toContain("Old");
  expect(now).toContain(`    /** ${textOf("step.link", "to")} */\n    to: z.ZodString;`);
  expect(withTexts(now, all)).toBe(now);
});
