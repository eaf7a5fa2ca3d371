// What an action mounts over or into its outputs, and leaves mounted: it goes with the action's namespace, and with it would go
// what was written there, in silence.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const run = (name: string, cmd: string, rest: string): string =>
  `export const ${name} = run({ inputs: {}, cmd: \`${cmd}\`, ${rest} });\n`;
const file = (name: string, cmd: string): string => run(name, cmd, `out: "${name}.txt"`);
const tree = (name: string, cmd: string): string => run(name, cmd, "tree: true");

let project: TestProject;
beforeAll(() => {
  project = makeProject({
    "unmount.sh": '#!/bin/sh\numount -l "$1" && echo lost > "$1/lost"\n',
    "Imagefile.ts": `import { run, rule, step } from "imagemake";
${file("itself", 'echo under > "$OUT"; echo over > f; mount --bind f "$OUT"')}
${file("around", 'mkdir x; echo under > "$OUT"; mount --bind x .out; echo over > "$OUT"; umount .out; mount --bind x .out')}
${file("work", 'echo under > "$OUT"; mount -t tmpfs none "$PWD"')}
${tree("data", 'mkdir "$OUT/a b"; mount -t tmpfs none "$OUT/a b"; echo lost > "$OUT/a b/f"')}
${tree("root", 'mkdir new; echo lost > new/f; mount --bind new "$OUT"')}
${tree("inner", 'mkdir "$OUT/d" new; echo lost > new/f; mount --bind new "$OUT/d"')}
const base = run({ inputs: {}, cmd: 'mkdir "$OUT/etc"', tree: true });
export const layer = rule.platformfs({ from: base, steps: [step.hook("unmount.sh")] });
${tree(
  "harmless",
  `cd "$OUT"; mkdir proc dev run usr; echo kept > f
   mount -t proc proc proc; mount --rbind /dev dev; mount -t tmpfs none run; mount --bind /usr usr`,
)}
${tree("undone", 'mkdir "$OUT/d"; mount -t tmpfs none "$OUT/d"; echo x > "$OUT/d/f"; umount "$OUT/d"; echo kept > "$OUT/f"')}
${tree("beside", 'mkdir x; mount -t tmpfs none x; echo x > x/f; echo kept > "$OUT/f"')}
export const listing = run({ inputs: { A: harmless, B: undone, C: beside }, cmd: 'cd in; find * | sort > "$OLDPWD/$OUT"', out: "listing" });
`,
  });
});
afterAll(() => project.remove());

test.each([
  ["itself", ".out/itself.txt mounted"],
  ["around", ".out mounted"],
  ["work", "the action left . mounted (tmpfs)"],
  ["data", ".out/OUT/a b mounted (tmpfs)"],
  ["root", ".out/OUT mounted"],
  ["inner", ".out/OUT/d mounted"],
  ["layer", "the action unmounted .out/OUT"],
])("is an error where it hides what was to be published: %s", async (name, said) => {
  const { status, stderr } = await project.run(name);
  expect(stderr).toContain("output OUT refused: ");
  expect(stderr).toContain(said);
  expect(status).toBe(1);
  expect(project.names("out")).not.toContain(`${name}.txt`);
});

test("is left to go where nothing of the action's lies in it: the kernel's views, /dev, what is empty, other directories", async () => {
  await project.good("listing");
  expect(project.read("out/listing")).toBe("A\nA/dev\nA/f\nA/proc\nA/run\nA/usr\nB\nB/d\nB/f\nC\nC/f\n");
});
