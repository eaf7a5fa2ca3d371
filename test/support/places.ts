// A project with one of each (a file, a tree, a layer on it, an archive, a listing of it, a disk), and what has to hold of it
// wherever it lies: the same bytes as anywhere else, or nothing but the right ones.
import { expect } from "@jest/globals";
import { makeProject, type Place, type TestProject } from "./cli.js";
import { expectSettled, noneLeft } from "./faults.js";

/** Hard and symbolic links, modes, a file capability, a fifo; the hook deletes, and puts a directory in the place of another. */
const FILES = {
  "Imagefile.ts": `import { files, rule, run, step } from "imagemake";
export const file = run({ inputs: { SRC: files("src.txt") }, cmd: 'cat "$SRC" > "$OUT"', out: "file.txt" });
export const base = run({ inputs: { FILE: file }, root: true, tree: true, cmd: \`cp "$FILE" "$OUT/tool"; cd "$OUT"
ln tool same; ln -s etc/old link; mkdir -p etc/old etc/gone closed
chmod 4755 tool; chmod 700 closed; mkfifo etc/pipe
seq 20000 > etc/able; echo old > etc/old/old; echo gone > etc/gone/gone
setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 etc/able\` });
export const image = rule.platformfs({ from: base, steps: [step.hook("hook.sh")], out: "image.tar" });
export const list = run({ inputs: { TREE: image.tree }, out: "list.txt", cmd: \`cd "$TREE"
{ find . ! -type d -printf "%p %y %m %U:%G %n %l %T@\\\\n"; find . -type d -printf "%p %m %U:%G %T@\\\\n"
find . -type f -exec sha256sum {} +; getfattr -R -h -d -m security -e hex .; } | sort > "$OLDPWD/$OUT"\` });
export const disk = run({ inputs: { FILE: file, LIST: list }, out: "disk.img",
  cmd: 'cat "$FILE" "$LIST" > "$OUT"; truncate -s 4M "$OUT"' });
`,
  "hook.sh": `set -e
cd "$1"; rm -r etc/old; mkdir etc/old; echo new > etc/old/new; rm -r etc/gone\n`,
  "src.txt": "0123456789".repeat(10_000),
} as const;

/** All of it. */
export const ALL = ["image", "list", "disk"];

export const placed = (place?: Place): TestProject => makeProject(FILES, place);

/** What they are on an ordinary file system. */
export async function ordinary(): Promise<Readonly<Record<string, string>>> {
  const project = placed();
  try {
    await project.good(...ALL);
    expect(project.read("out/list.txt")).toContain("security.capability=");
    return project.outputs();
  } finally {
    project.remove();
  }
}

/** Everything has the right bytes, and there is nothing left to do. */
export async function expectRight(
  project: TestProject,
  right: Readonly<Record<string, string>>,
): Promise<void> {
  expect(project.outputs()).toEqual(right);
  await expectSettled(project, ...ALL);
}

/** Whatever is there is right; nothing runs any more. */
export async function expectNothingHalf(
  project: TestProject,
  right: Readonly<Record<string, string>>,
): Promise<void> {
  await noneLeft(project);
  for (const [name, digest] of Object.entries(project.outputs()))
    expect([name, digest]).toEqual([name, right[name]]);
}
