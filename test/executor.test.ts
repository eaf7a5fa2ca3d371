// The contract of executors, held by every implementation: this machine, and another state directory that sees nothing of the
// one that asks. As root.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, jest, test } from "@jest/globals";
import { finish, makeProject, told, type TestProject, type Told } from "./support/cli.js";
import { executorContract } from "./support/executor-contract.js";
import { Elsewhere } from "./support/elsewhere.js";
import { EXECUTORS, execute, textOf, tried } from "./support/executor-trial.js";

jest.setTimeout(120_000);

describe.each(Object.entries(EXECUTORS))("%s", (_, open) => executorContract(open));

describe("another state directory", () => {
  const open = EXECUTORS["another state directory"];
  if (open === undefined) throw new Error("there is no such executor");

  test("is sent what it lacks, once", () =>
    tried(open, async (one) => {
      if (!(one.executor instanceof Elsewhere)) throw new Error("it is another");
      const { given } = one.executor;
      const inputs = { A: await one.near.file("a"), TREE: await one.near.tree("echo in > file") };
      const what = { cmd: 'cat "$A" b "$TREE/file" > "$OUT"', inputs, sources: { b: "b" } };
      expect(textOf(one, await execute(one, what))).toBe("abin\n");
      expect(new Set(given).size).toBe(3);
      expect(given).toHaveLength(3);
      expect(textOf(one, await execute(one, what))).toBe("abin\n");
      expect(given).toHaveLength(3);
    }));

  test("does not see the one that asks", () =>
    tried(open, async (one) => {
      const { state } = one.near.layout;
      const went = await execute(one, { cmd: `ls ${state} 2>/dev/null > "$OUT" || echo nothing >> "$OUT"` });
      expect(textOf(one, went)).toBe("nothing\n");
    }));
});

describe("a build whose actions are executed elsewhere", () => {
  const IMAGEFILE = `
export const greeting = run({
  inputs: { SRC: files("src/*"), NAMES: list("names.txt") }, out: "greeting-{date}.txt", cmd: 'cat $SRC "$NAMES" > "$OUT"',
});
export const root = run({
  inputs: { SRC: files("src/*") }, tree: true,
  cmd: 'mkdir "$OUT/etc"; cp $SRC "$OUT/etc"; cd "$OUT/etc"; chown 5:6 a.txt; ln a.txt b.txt; setfattr -n user.x -v y a.txt',
});
export const packed = run({ inputs: { ROOT: root, IN: greeting }, out: "packed.tar", cmd: \`
  tar --sort=name --format=gnu -C "$ROOT" -cf "$OUT" .; cat "$IN"\` });
export const good = rule.check({ inputs: { IN: packed }, cmd: 'tar -tf "$IN" ./etc/b.txt' });
export const bad = run({ inputs: { IN: packed }, out: "bad.txt", cmd: 'echo it goes wrong; exit 5' });
`;
  const FILES = {
    "Imagefile.ts": IMAGEFILE,
    "src/a.txt": "a\n",
    "src/c.txt": "c\n",
    "names.txt": "two\none\n",
  };
  const TARGETS = ["greeting", "root", "packed", "good", "bad"];

  test("makes what a build here makes, and the next build here has nothing to do for it", async () => {
    const [project, local] = [makeProject(FILES), makeProject(FILES)];
    try {
      const built = await buildElsewhere(project, join(local.dir, "elsewhere"), TARGETS);
      const here = await local.events({}, "-k", ...TARGETS);
      expect(built.which("built")).toEqual(["good", "greeting", "packed", "root"]);
      for (const target of built.which("built"))
        expect(built.about("built", target)?.digests).toEqual(here.about("built", target)?.digests);
      expect(built.about("failed", "bad")).toMatchObject({
        failure: { kind: "exit", status: 5 },
        tail: ["it goes wrong"],
      });
      expect(built.status).toBe(here.status);
      expect(project.outputs()).toEqual(local.outputs());
      const again = await project.events({}, "greeting", "root", "packed", "good");
      expect(again.about("done")).toMatchObject({ built: 0, restored: 0, upToDate: 4 });
      expect((await project.run("cache", "verify")).status).toBe(0);
    } finally {
      for (const one of [project, local]) one.remove();
    }
  });
});

/** Builds in a process of its own. */
async function buildElsewhere(
  project: TestProject,
  other: string,
  targets: readonly string[],
): Promise<Told> {
  const program = fileURLToPath(new URL("./support/build-elsewhere.js", import.meta.url));
  mkdirSync(other);
  const argv = [program, project.dir, other, ...targets];
  return told(await finish(spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"] })));
}
