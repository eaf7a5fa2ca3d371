// Names that FAT cannot hold, in disk images through the real command line: each is refused by name, none is written
// under another.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";

const CASES: Readonly<Record<string, readonly [string, string]>> = {
  lines: [`: > "$(printf 'a\\nb')"`, 'FAT cannot hold a name such as "a?b"'],
  stop: [`mkdir d; : > d/end.`, 'FAT cannot hold a name such as "d/end."'],
  blank: [`: > "end "`, 'FAT cannot hold a name such as "end "'],
  directory: [`mkdir "x."; : > x./y`, 'FAT cannot hold a name such as "x."'],
  colon: [`: > a:b`, 'FAT cannot hold a name such as "a:b"'],
  files: [`: > Foo; : > foo`, "to FAT these are one name: Foo foo"],
  directories: [`mkdir D d; : > D/x; : > d/y`, "to FAT these are one name: D d"],
};

let project: TestProject;
beforeAll(() => {
  const disk = (name: string, text: string): string =>
    `export const ${name} = rule.disk({ from: run({ inputs: {}, cmd: ${JSON.stringify(`cd "$OUT"; ${text}`)}, tree: true }), fs: "vfat", out: "${name}.img" });`;
  project = makeProject({
    "Imagefile.ts": [
      'import { rule, run } from "imagemake";',
      ...Object.entries(CASES).map(([name, [text]]) => disk(name, text)),
      disk("good", `mkdir Dir; echo yes > 'Dir/two words, a+b;c=[d]~.txt'`),
    ].join("\n"),
  });
});
afterAll(() => project.remove());

test.each(Object.keys(CASES))("%s: refused by name", async (target) => {
  const { status, stderr } = await project.run(target);
  expect([status, stderr]).toEqual([1, expect.stringContaining(CASES[target]?.[1] ?? "?")]);
});

test("what FAT can hold is there under its name", async () => {
  await project.good("good");
  const image = project.path("out/good.img");
  const start = /start= *(\d+)/.exec(execFileSync("sfdisk", ["-d", image], { encoding: "utf8" }))?.[1];
  const found = execFileSync("mdir", ["-b", "-/", "-i", `${image}@@${Number(start) * 512}`, "::"], {
    encoding: "utf8",
  });
  expect(found).toContain("::/Dir/two words, a+b;c=[d]~.txt\n");
});
