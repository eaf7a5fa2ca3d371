// What is killed at each step, what it has to be like afterwards, and which of the many ways are tried. A scenario is a
// project and a run of it; beside it lies one that is never killed, which says what is right.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect } from "@jest/globals";
import { hashBytes } from "../../cache/hash.js";
import type { Step } from "../../cache/steps.js";
import { makeProject, type TestProject } from "./cli.js";
import { makePuppet } from "./faults.js";
import { makePackageProject, makeTinyRepo, type PackageProject } from "./packages.js";
import { until } from "./sandbox.js";
import { startAt } from "./steps.js";

/** A run that reaches steps, again and again. */
export interface Scenario {
  readonly name: string;
  readonly make: () => Promise<KilledProject>;
  /** How many contents it has in turn, each with other outputs. */
  readonly contents: number;
  /** Puts one of them into the project. */
  readonly lay: (project: TestProject, content: number) => void;
  /** What comes before the run that is killed. */
  readonly before?: (project: TestProject, words: readonly string[]) => Promise<void>;
  /** The targets. */
  readonly words: readonly string[];
  /** What is looked at once it was brought to its end after a kill. */
  readonly after?: (project: KilledProject) => void;
  /** Steps that are tried here alone, since others reach them only when the machine is slow. */
  readonly alone?: readonly Step[];
}

/** A project with actions that can be made to wait. */
export interface KilledProject extends TestProject {
  /** Actions of these names wait from now on, once they run. */
  readonly hold: (...names: readonly string[]) => void;
  /** How often one was made to wait. */
  readonly waited: () => number;
}

/** Big enough to be copied and digested elsewhere than on the main thread. */
const BIG = `${"0123456789abcdef".repeat(4096)}\n`.repeat(32);

/** The release that they are built in; it is no day near today. */
const DAY = "20310506";

/** The actions of `small` that can be made to wait. */
export const HELD = ["a", "tree"] as const;

/** A file, a disk image, a tree, a layer on it, and a file from that. Where an action waits it has half an output and children. */
async function small(): Promise<KilledProject> {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-hold-"));
  const puppet = makePuppet();
  const held = (name: string): string =>
    `if [ -e ${dir}/${name} ]; then ${name === "a" ? 'echo half > "$OUT"' : 'mkdir "$OUT/half"'}; ` +
    `sleep 600 & setsid sleep 600 & ${puppet.cmd} fi; `;
  const [a, tree] = HELD.map(held);
  const project = makeProject({
    "Imagefile.ts": `import { files, rule, run, step } from "imagemake";
export const a = run({ inputs: { SRC: files("src/*") }, cmd: ${JSON.stringify(a)} + 'cat $SRC > "$OUT"', out: "a-{date}.txt" });
export const disk = run({ inputs: { A: a }, cmd: 'cat "$A" > "$OUT"; truncate -s 4M "$OUT"', out: "disk.img" });
export const tree = run({ inputs: { A: a }, cmd: ${JSON.stringify(tree)} + 'mkdir "$OUT/sub"; cp "$A" "$OUT/sub/a"', tree: true });
export const layer = rule.platformfs({ from: tree, steps: [step.write("/sub/b", "b\\n")] });
export const packed = run({ inputs: { TREE: layer }, cmd: 'cd "$TREE"; find . -printf "%P %m %s %T@\\\\n" | sort > "$OLDPWD/$OUT"; cat sub/* >> "$OLDPWD/$OUT"', out: "packed.txt" });
`,
    ...{ "src/1": "0\n", "src/2": BIG },
  });
  await project.good("release", "start", "--release", DAY);
  return {
    ...project,
    hold: (...names) => {
      for (const name of HELD) rmSync(join(dir, name), { force: true });
      for (const name of names) writeFileSync(join(dir, name), "");
    },
    waited: () => puppet.runs(),
    remove: () => {
      project.remove();
      puppet.close();
      rmSync(dir, { recursive: true });
    },
  };
}

/** Another source, and the same Imagefile with another word in it, so that it is evaluated again. */
function laySmall(project: TestProject, content: number): void {
  const said = `// content ${content}\n`;
  const text = project.read("Imagefile.ts");
  if (text.endsWith(said)) return;
  project.write("src/1", `${content}\n`);
  project.write("Imagefile.ts", text.replace(/(?:\/\/ content \d+\n)?$/, said));
}

const SMALL = ["disk", "packed"];

/** What reaches every step among them. */
export const SCENARIOS: readonly Scenario[] = [
  { name: "after an edit", make: small, contents: 2, lay: laySmall, words: SMALL },
  {
    name: "after a kill",
    make: small,
    contents: 2,
    lay: laySmall,
    words: SMALL,
    before: async (project, words) => {
      const killed = startAt(project, { step: "layer recorded", nth: 1 }, ...words);
      await killed.stopped();
      killed.child.kill("SIGKILL");
      await killed.ended();
    },
  },
  {
    name: "where an output is missing",
    make: small,
    contents: 1,
    lay: laySmall,
    words: SMALL,
    alone: ["run kept"],
    before: async (project) => {
      rmSync(project.path("out/packed.txt"));
      // What was changed lately is not believed by its stamp, and a run that read it leaves no record.
      const newest = Math.max(
        ...["src/1", "Imagefile.ts"].map((name) => statSync(project.path(name)).ctimeMs),
      );
      await until("stamps are believed", () => Date.now() - newest > 3100);
    },
  },
  {
    name: "with packages",
    make: packages,
    contents: 2,
    lay: (project, content) => project.write("lists/a.list", content === 0 ? "app\n" : "vim\n"),
    words: ["platformfs-a"],
    before: (project) => {
      // A new release of the same day takes its snapshot anew.
      for (const name of project.names(".imagemake/releases"))
        rmSync(project.path(".imagemake/releases", name));
      return Promise.resolve();
    },
  },
  {
    name: "with a shared cache",
    make: shared,
    contents: 2,
    lay: laySmall,
    words: SMALL,
    before: (project) => {
      // What is shared is taken, and not shared again.
      rmSync(`${project.dir}-share`, { recursive: true });
      mkdirSync(`${project.dir}-share`);
      return Promise.resolve();
    },
    after: ({ dir }) => expectShared(`${dir}-share`),
  },
];

/** The same, with every build sharing what it makes. */
async function shared(): Promise<KilledProject> {
  const project = await small();
  const share = `${project.dir}-share`;
  mkdirSync(share);
  return {
    ...project,
    start: (options, ...args) => project.start(options, "--cache", `file://${share}`, ...args),
    remove: () => {
      project.remove();
      rmSync(share, { recursive: true });
    },
  };
}

/** Whatever has its name in a shared cache is whole, and every result has its contents. */
function expectShared(share: string): void {
  const below = (part: string): string[] => {
    const dir = join(share, "v1", part);
    if (!existsSync(dir)) return [];
    const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  };
  const blobs = new Set(below("blobs").map((path) => basename(path)));
  for (const path of below("blobs")) expect(hashBytes(readFileSync(path))).toBe(basename(path));
  for (const path of below("results")) {
    const { outputs } = JSON.parse(readFileSync(path, "utf8")) as { outputs: Record<string, { id: string }> };
    for (const { id } of Object.values(outputs)) expect(blobs).toContain(id.slice(2));
  }
}

let repository: PackageProject["repo"] | undefined;

/** A platform on a root filesystem, from packages. Several of them share the repository. */
function packages(): Promise<KilledProject> {
  repository ??= makeTinyRepo();
  const project = makePackageProject(repository);
  return Promise.resolve({
    ...project,
    hold: () => undefined,
    waited: () => 0,
    remove: () => rmSync(project.dir, { recursive: true, force: true }),
  });
}

/** Removes what all projects shared. */
export const removeShared = (): void => {
  if (repository !== undefined) rmSync(repository.dir, { recursive: true, force: true });
};

/** Every path of a project, sorted, but for what is in its trees. What has the project's place or a moment in its name has it no more. */
export function pathsOf(project: TestProject): string[] {
  const below = (dir: string): string[] =>
    readdirSync(project.path(dir), { withFileTypes: true }).flatMap((entry) => {
      const path = join(dir, entry.name);
      const inner = entry.isDirectory() && !/store\/layers$/.test(dir) ? below(path) : [];
      return [path, ...inner];
    });
  // Whether a run left a record depends on how long before it an edit was; what was not described is when somebody asks.
  return below(".")
    .map(general)
    .filter(
      (path) =>
        !/(?:graphs\/(?:quick-[0-9a-f]+|known-[0-9a-f]+\.json)|store\/images\/[0-9a-f]+\.json)$/.test(path),
    )
    .sort();
}

const general = (path: string): string =>
  path
    .replace(/(graphs\/graph-)[0-9a-f]+/, "$1ID")
    .replace(/modules\/.*\.[0-9a-f]{8}(\.\w+)$/, "modules/ID$1")
    .replace(/logs\/[0-9a-z]+-[0-9a-f]{8}\.log$/, "logs/ID.log");
