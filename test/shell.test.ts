// The text of a command: no part of it fails unseen, on the host or within a tree, and bash's version is in the key.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hasPipe } from "../engine/shell.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { PROJECT } from "./support/sandbox.js";
import { staticBusybox } from "./support/tiny-debian.js";

jest.setTimeout(60_000);

/** A tree whose only programs are these, with the libraries that they need. */
const treeOf = (commands: string): string => {
  const cmd = [
    'mkdir -p "$OUT/bin"',
    commands,
    'for library in $(for program in "$OUT"/bin/*; do ldd "$program" 2>&1 | grep -o "/lib[^ ]*" || :; done | sort -u); do',
    '  mkdir -p "$OUT/$(dirname "$library")"; cp -L "$library" "$OUT$library"',
    "done",
  ].join("\n");
  return `run({ inputs: {}, tree: true, root: true, cmd: ${JSON.stringify(cmd)} })`;
};

const IMAGEFILE = (): string => `
const busybox = ${treeOf(`cp ${staticBusybox()} "$OUT/bin/busybox"; for n in sh cat yes; do ln -s busybox "$OUT/bin/$n"; done`)};
const dash = ${treeOf('cp /bin/dash "$OUT/bin/sh"; cp /bin/cat "$OUT/bin"')};
const bash = ${treeOf('cp /bin/dash "$OUT/bin/sh"; cp /bin/bash /bin/cat "$OUT/bin"')};
export const good = each(["host", "busybox", "bash"], (name) => run({
  inputs: {}, cmd: 'echo x | cat > "$OUT"', out: "good-" + name + ".txt", ...(name === "host" ? {} : { within: { busybox, bash }[name] }),
}));
export const bad = {
  fails: run({ inputs: {}, cmd: 'false | cat > "$OUT"', out: "fails.txt" }),
  killed: run({ inputs: {}, cmd: '{ echo half; kill -KILL $BASHPID; } | cat > "$OUT"', out: "killed.txt" }),
  middle: run({ inputs: {}, cmd: 'echo x | { cat; exit 3; } | cat > "$OUT"', out: "middle.txt" }),
  substituted: run({ inputs: {}, cmd: 'x=$(false; echo x); echo "$x" > "$OUT"', out: "substituted.txt" }),
  busybox: run({ inputs: {}, within: busybox, cmd: 'false | cat > "$OUT"', out: "busybox.txt" }),
  bash: run({ inputs: {}, within: bash, cmd: 'false | cat > "$OUT"', out: "bash.txt" }),
};
export const probed = run({ inputs: { P: probe("false | cat") }, cmd: 'cp "$P" "$OUT"', out: "probed.txt" });
export const early = run({ inputs: {}, cmd: 'yes | head -n 1 > "$OUT"', out: "early.txt" });
export const dashPipe = run({ inputs: {}, within: dash, cmd: 'cat /dev/null | cat > "$OUT"', out: "dash-pipe.txt" });
export const dashPlain = run({ inputs: {}, within: dash, cmd: 'cat /dev/null > "$OUT" || exit 1', out: "dash-plain.txt" });
export default project({ default: [] });
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE() });
});
afterAll(() => project.remove());

describe("text of a command", () => {
  test("with a pipe is built where all of it succeeds, also within a tree that has bash, or busybox", async () => {
    await project.good("good-all");
    expect(["host", "busybox", "bash"].map((name) => project.read(`out/good-${name}.txt`))).toEqual(
      Array(3).fill("x\n"),
    );
  });

  test("fails where any part of it fails or is killed, and nothing of it is published", async () => {
    const told = await project.events({}, "-k", "bad-all");
    expect(told.status).not.toBe(0);
    const bad = ["bash", "busybox", "fails", "killed", "middle", "substituted"];
    expect(told.which("failed")).toEqual(bad.map((name) => `bad-${name}`));
    expect(project.names("out").filter((name) => bad.includes(name.replace(".txt", "")))).toEqual([]);
  });

  test("of a probe is run like that of a command, and is named as it was written", async () => {
    const ended = await project.run("probed");
    expect([ended.status, ended.stderr]).toEqual([3, expect.stringContaining("probe false | cat failed")]);
  });

  test("that stops reading a pipe fails with a word on what that status means", async () => {
    const told = await project.events({}, "early");
    expect(told.about("failed")?.failure).toEqual({ kind: "exit", status: 141 });
    expect(told.about("failed")?.tail.join("\n")).toContain(
      "a program wrote to a pipe whose reader had ended",
    );
  });

  test("with a pipe is refused within a tree that has no shell for it; without one it runs", async () => {
    const told = await project.events({}, "dash-pipe");
    expect(told.status).toBe(1);
    expect(told.about("failed")?.tail.join("\n")).toContain("has neither bash nor an sh with pipefail");
    await project.good("dash-plain");
  });

  test("has the version of the shell in its key; within a tree the tree is", async () => {
    const rows = async (target: string): Promise<{ name: string; value: string }[]> => {
      const { stdout } = await project.good("show", target, "--json");
      const { components } = JSON.parse(stdout) as { components: { name: string; value: string }[] };
      return components.filter(({ name }) => name.startsWith("tool "));
    };
    const [version] = execFileSync("bash", ["--version"], { encoding: "utf8" }).split("\n");
    expect(await rows("good-host")).toEqual([{ name: "tool bash", value: version }]);
    expect(await rows("good-busybox")).toEqual([]);
  });
});

test.each([
  ["a | b", true],
  ["a |& b", true],
  ['x="$(a | b)"', true],
  ["a `b | c`", true],
  ["a || b", false],
  ["a >| b", false],
  ["echo 'a | b'", false],
  ['echo "a | b"', false],
  ["echo a \\| b", false],
  ["a # | b", false],
  ['echo "it\'s" | b', true],
])("text has a pipe: %s → %s", (text, has) => expect(hasPipe(text)).toBe(has));

// With pipefail the writer before such a reader fails when its output is long, which no small test shows.
test("no recipe reads only the beginning of a pipe", () => {
  const recipes = join(PROJECT, "rules/recipes");
  const found = readdirSync(recipes)
    .filter((name) => name.endsWith(".sh"))
    .flatMap((name) =>
      readFileSync(join(recipes, name), "utf8")
        .split("\n")
        .filter((line) => /(?<!\|)\|\s*(head|grep\s+(-\w*q|.*\s-m)|sed\s+(-n\s+)?\S*\dq)/.test(line))
        .map((line) => `${name}: ${line.trim()}`),
    );
  expect(found).toEqual([]);
});
