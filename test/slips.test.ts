// The commonest slips of somebody who is new, and the word that helps: on the real command line.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "Imagefile.ts": `import { files, run } from "imagemake";
      export const moved = run({ inputs: { A: files("src/*") }, cmd: 'mkdir d; cd d; cat "$A" > "$OLDPWD/$OUT"', out: "m.txt" });
      export const elsewhere = run({ inputs: {}, cmd: "echo hi > elsewhere.txt", out: "elsewhere.txt" });
      export const both = run({ inputs: {}, cmd: "echo 1 > a", outs: { FIRST: "first", SECOND: "second" } });
      export const undeclared = run({ inputs: {}, cmd: 'cat src/a.txt > "$OUT"', out: "u.txt" });
      export const other = run({ inputs: {}, cmd: 'cat src/b.txt > "$OUT"', out: "o.txt" });
      export const network = run({ inputs: {}, cmd: 'bash -c "echo > /dev/tcp/deb.example.org/80"', out: "n.txt" });
      export const good = run({ inputs: {}, cmd: 'echo 1 > "$OUT"', out: "good-{date}.txt" });`,
    "src/a.txt": "a\n",
    "silent.ts": `import { run } from "imagemake"; const x = run({ inputs: {}, cmd: ":", out: "x.txt" });`,
    "braces.ts": `import { run } from "imagemake";
export const x = run({ inputs: {}, cmd: \`echo 1 > \${OUT}\`, out: "x.txt" });`,
  });
});
afterAll(() => project.remove());

const SLIPS: readonly (readonly [what: string, words: readonly string[], help: string])[] = [
  ["output in its directory", ["elsewhere"], "\n  it made elsewhere.txt in its directory: write to $OUT\n"],
  ["one of several outputs there", ["both"], "\n  it made a in its directory: write to $FIRST\n"],
  [
    "an input that is looked for from another directory",
    ["moved"],
    'src/a.txt is an input, at this path from the directory that the command starts in: after a cd say "$OLDPWD/src/a.txt"\n',
  ],
  [
    "a file that is no input",
    ["undeclared"],
    'src/a.txt lies beside the Imagefile, and is no input: inputs: { NAME: files("src/a.txt") } brings it, as $NAME\n',
  ],
  [
    "nothing that is exported",
    ["-f", "silent.ts"],
    "the Imagefile exports no target\n  export what is to be built",
  ],
  ["no network", ["network"], "an action has no network unless it says network: true"],
  [
    "${OUT} in a backtick",
    ["-f", "braces.ts", "x"],
    "\n  if the shell is to fill it in: $OUT, without braces\n",
  ],
  [
    "a slip in a command's name",
    ["biuld", "good"],
    "unknown target biuld\n  did you mean the command build?\n",
  ],
];

test.each(SLIPS)("%s", async (_, words, help) => {
  const { status, stderr } = await project.run(...words);
  expect(stderr).toContain(help);
  expect(status).toBeGreaterThan(0);
});

test("nothing is said of a file that is nowhere", async () => {
  expect((await project.run("other")).stderr).not.toContain("imagemake:");
});

test("the path of an output, as Tab completes it, is its target", async () => {
  const { stderr } = await project.good("good");
  const [path = ""] = /out\/good-\d{8}\.txt/.exec(stderr) ?? [];
  expect((await project.good(path)).stderr).toContain("nothing to do");
  expect((await project.good(`./${path}`)).stderr).toContain("nothing to do");
});
