// A stage with a file that even root may not delete: said once, with the file and what helps, and from then on by the doctor
// alone; the next build after that was done deletes it.
import { expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeProject } from "./support/cli.js";
import { skipping } from "./support/skipping.js";
import { tmpdir } from "node:os";

const trial = mkdtempSync(join(tmpdir(), "imagemake-immutable-"));
writeFileSync(join(trial, "x"), "");
const chattr = (word: string, path: string): boolean => spawnSync("chattr", [word, path]).status === 0;
const can = chattr("+i", join(trial, "x")) && chattr("-i", join(trial, "x"));
rmSync(trial, { recursive: true });
if (!can) skipping("immutable", "no file can be made immutable here");

(can ? test : test.skip)("an immutable file in a stage is named once, with the way out", async () => {
  const project = makeProject({
    "Imagefile.ts": `import { arg, run } from "imagemake";
export const a = run({ inputs: {}, root: true, out: "a.txt",
  cmd: \`echo \${arg("WORD", "a")} > "$OUT"; touch left; \${arg("MORE", "chattr +i left")}\` });`,
  });
  const first = await project.good("a");
  const said = /\.imagemake\/stage\/\S+ could not be deleted: (\S+\/left) is immutable; `chattr -i \1` helps/;
  const file = said.exec(first.stderr)?.[1] ?? "";
  expect([first.stderr, file]).toEqual([expect.stringMatching(said), expect.stringContaining(project.dir)]);
  const again = await project.good("a", "WORD=b", "MORE=true");
  expect(again.stderr).not.toMatch(/could not be deleted/);
  expect((await project.run("doctor")).stdout).toMatch(said);
  expect(chattr("-i", file)).toBe(true);
  await project.good("a", "WORD=c", "MORE=true");
  expect(project.names(".imagemake/stage")).toEqual([]);
  expect((await project.run("doctor")).stdout).not.toMatch(/could not be deleted/);
  project.remove();
});
