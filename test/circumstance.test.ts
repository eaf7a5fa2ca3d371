// What is the caller's or the machine's own (umask, groups, limits, where the project lies) is in no output: what an
// action copies from where it works has the same modes, owners, groups and paths everywhere.
import { afterEach, expect, jest, test } from "@jest/globals";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

/** Everything that an action finds where it works, as tar has it: a file's sources, lists, a tree and what a hook sees. */
const IMAGEFILE = `import { files, list, rule, run, step } from "imagemake";
const tar = 'tar --sort=name --mtime=@0 -c ';
const base = run({ inputs: {}, cmd: 'mkdir "$OUT/d"', tree: true });
export const all = {
  sources: run({ inputs: { S: files("ov/**"), L: list("a.list") }, cmd: tar + 'ov in > "$OUT"', out: "sources.tar" }),
  read: run({ inputs: { T: base, F: run({ inputs: {}, cmd: 'echo > "$OUT"', out: "f" }) }, cmd: tar + 'in > "$OUT"', out: "read.tar" }),
  tree: rule.platformfs({ from: run({ inputs: { S: files("ov/**") }, cmd: 'cp -a ov "$OUT/"; mkdir "$OUT/own"', tree: true }), out: "tree.tar", guards: { minSize: 1 } }),
  hook: rule.platformfs({
    from: base,
    steps: [step.hook("hooks/h.sh", { inputs: { D: files("hooks/data/**") } })],
    out: "hook.tar",
  }),
  many: run({ inputs: { S: files("many/**") }, cmd: tar + 'many > "$OUT"', out: "many.tar" }),
};
/** What no umask reaches; without isolation the directory has another name each time. */
export const own = {
  place: run({ inputs: { F: files("ov/**") }, cmd: '(pwd; pwd -P; realpath $F "$OUT"; export -p; cat /proc/self/environ) > "$OUT"', out: "place" }),
  caller: run({ inputs: {}, cmd: '(id; ulimit -s -c -n; umask) > "$OUT"', out: "caller" }),
};
`;

/** How many files of one source are more than are copied anew for each action. */
const MANY = 2100;

function made(): TestProject {
  const project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "ov/d/one": "1\n",
    "a.list": "a\n",
    "hooks/h.sh": '#!/bin/sh\ncp -a hooks/data "$1/data"\n',
    "hooks/data/x": "x\n",
  });
  chmodSync(project.path("hooks/h.sh"), 0o755);
  mkdirSync(project.path("many"));
  for (let at = 0; at < MANY; at++) writeFileSync(project.path(`many/${at}`), "");
  projects.push(project);
  return project;
}

const under = (umask: string): string[] => ["sh", "-c", `umask ${umask}; exec "$@"`, "sh"];

test.each([[[]], [["--no-isolation"]]])(
  "outputs are the same whatever the caller's umask, and where a group shares the project %p",
  async (ways: readonly string[]) => {
    const usual = made();
    await usual.good(...ways, "all");
    const private_ = made();
    expect((await private_.call({ under: under("077") }, ...ways, "all")).status).toBe(0);
    expect(private_.outputs()).toEqual(usual.outputs());
    // Copies of very many sources are kept from one action to the next.
    expect((await private_.call({ under: under("022") }, "-B", ...ways, "all-many")).status).toBe(0);
    expect(private_.outputs()).toEqual(usual.outputs());
    const shared = made();
    chownSync(shared.dir, process.getuid?.() ?? 0, 7);
    chmodSync(shared.dir, 0o2775);
    await shared.good(...ways, "all");
    expect(shared.outputs()).toEqual(usual.outputs());
  },
);

test("programs find themselves at the same place in each run and each project, whoever calls and with which limits", async () => {
  const outputs = ["own-place", "own-caller"];
  const usual = made();
  await usual.good(...outputs);
  expect(usual.read("out/place").split("\n").slice(0, 3)).toEqual([
    "/imagemake",
    "/imagemake",
    "/imagemake/ov/d/one",
  ]);
  const first = usual.outputs();
  await usual.good("-B", ...outputs);
  expect(usual.outputs()).toEqual(first);
  const root = process.getuid?.() === 0;
  for (const under of [
    ["prlimit", "--stack=1048576:", "--core=unlimited:", "--nofile=256:"],
    ["prlimit", "--stack=unlimited:", "--core=0", "--nofile=4096"],
    ...(root ? [["setpriv", "--regid", "7", "--groups", "7,20"]] : []),
  ]) {
    const other = made();
    expect((await other.call({ under }, ...outputs)).stderr).toContain("built own-caller");
    expect(other.outputs()).toEqual(first);
  }
});
