// One byte changed in what lies in the state directory: what is stored, remembered or indexed. What is made from it is
// right, what is damaged is made again and named, and no command fails for it. Through the real command line.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { finish, makeProject, type TestProject, type Told } from "./support/cli.js";
import { makePackageProject, makeTinyRepo } from "./support/packages.js";

jest.setTimeout(120_000);

/** `word` is in every reader's command: another one makes all of them anew. */
const imagefile = (word: string): string => `import { files, project, run, rule, step } from "imagemake";
export const base = run({ inputs: { SRC: files("base.txt") }, tree: true, cmd: 'mkdir "$OUT/etc"; cp $SRC "$OUT/etc/"' });
export const platform = rule.platformfs({ from: base, steps: [step.write("etc/more", "more ${word}\\n")] });
// Two of one name are linked nowhere.
const inner = run({ inputs: { SRC: files("base.txt") }, cmd: 'tr a-z A-Z < $SRC > "$OUT"', out: "inner.txt" });
const twin = run({ inputs: { SRC: files("base.txt") }, cmd: 'cp $SRC "$OUT"', out: "inner.txt" });
export const image = run({ inputs: { IN: base }, cmd: 'cat "$IN"/etc/* > "$OUT"; echo ${word} >> "$OUT"', out: "image.txt" });
export const reader = run({ inputs: { IN: inner, TWIN: twin }, cmd: 'cat "$IN" > "$OUT"; echo ${word} >> "$OUT"', out: "reader.txt" });
export const second = run({ inputs: { IN: image }, cmd: 'cat "$IN" > "$OUT"', out: "second.txt" });
export default project({ default: [platform, image, reader, second] });
`;

const ALL = ["base", "image", "platform", "reader", "reader/in", "reader/twin", "second"];

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

async function built(): Promise<TestProject> {
  const project = makeProject({ "Imagefile.ts": imagefile("one"), "base.txt": "base\n" });
  projects.push(project);
  await project.good();
  return project;
}

interface Artifact {
  readonly id: string;
  readonly action: string | null;
  readonly layer: string | null;
}

/** Where an action's output lies in the store: a file, or the directory of a layer; and a tree's manifest. */
async function stored(project: TestProject, action: string): Promise<{ path: string; manifest: string }> {
  const rows = JSON.parse((await project.good("cache", "ls", "--json")).stdout) as Artifact[];
  const row = rows.find((one) => one.action === action);
  if (row === undefined) throw new Error(`${action} made nothing`);
  const digest = row.id.slice(2);
  const store = project.path(".imagemake/store");
  const file = join(store, "files", digest.slice(0, 2), digest);
  return {
    path: row.layer === null ? file : join(store, "layers", row.layer),
    manifest: join(store, "manifests", digest),
  };
}

/** Changes one byte; size, mode and modification time stay. */
function flip(path: string, at = 2): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  const { mode } = statSync(path);
  execFileSync("sh", ["-euc", 'cp -p "$1" "$1.ref"; chmod u+w "$1"', "sh", path]);
  writeFileSync(path, bytes);
  execFileSync("sh", [
    "-euc",
    'chmod "$2" "$1"; touch -r "$1.ref" "$1"; rm "$1.ref"',
    "sh",
    path,
    (mode & 0o7777).toString(8),
  ]);
}

/** The warnings of a build. */
const warnings = ({ events }: Told): string =>
  events.flatMap((event) => (event.type === "notice" ? [event.message] : [])).join("\n");

const onlyFile = (project: TestProject, dir: string, prefix: string): string => {
  const name = project.names(dir).find((one) => one.startsWith(prefix));
  if (name === undefined) throw new Error(`no ${prefix} in ${dir}`);
  return project.path(dir, name);
};

const NOTHING = expect.stringContaining("nothing to do");

describe("what is read by an action is looked at first", () => {
  test("a byte in a layer: the tree is made anew, and what reads it is right", async () => {
    const project = await built();
    flip(join((await stored(project, "base")).path, "etc/base.txt"));
    project.write("Imagefile.ts", imagefile("two"));
    const told = await project.events({});
    expect(told.status).toBe(0);
    expect(project.read("out/image.txt")).toBe("base\ntwo\n");
    expect(told.which("built")).toEqual(["base", "image", "platform", "reader", "second"]);
    expect(warnings(told)).toMatch(/tree .*base.* damaged/);
    // That rows are gone does not mean that keys are made otherwise.
    expect(warnings(told)).not.toContain("makes keys otherwise");
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
    expect((await project.good()).stderr).toEqual(NOTHING);
  });

  test("a dry run says so, and changes nothing", async () => {
    const project = await built();
    flip(join((await stored(project, "base")).path, "etc/base.txt"));
    project.write("Imagefile.ts", imagefile("two"));
    const { stdout, stderr } = await project.good("-n");
    expect(stdout + stderr).toMatch(/base\b.*\n?.*(lost|store)/);
    expect((await project.run("cache", "verify", "-n")).stdout).toContain("damaged: tree");
  });

  test("times alone: digested once more, kept, and not digested again", async () => {
    const project = await built();
    const { path } = await stored(project, "base");
    execFileSync("chmod", ["u+x,u-x", join(path, "etc/base.txt")]);
    project.write("Imagefile.ts", imagefile("two"));
    const told = await project.events({});
    expect(told.which("built")).toEqual(["image", "platform", "reader", "second"]);
    expect(warnings(told)).toBe("");
  });

  test("a byte in a stored file that nothing links", async () => {
    const project = await built();
    flip((await stored(project, "reader/in")).path);
    project.write("Imagefile.ts", imagefile("two"));
    const told = await project.events({});
    expect(told.status).toBe(0);
    expect(project.read("out/reader.txt")).toBe("BASE\ntwo\n");
    expect(told.which("built")).toContain("reader/in");
    expect(warnings(told)).toMatch(/file .*reader\/in.* damaged/);
  });

  test("a byte in a stored file that is to be linked again", async () => {
    const project = await built();
    rmSync(project.path("out/second.txt"));
    flip((await stored(project, "second")).path);
    const told = await project.events({});
    expect(told.status).toBe(0);
    expect(project.read("out/second.txt")).toBe("base\none\n");
  });

  test("a byte in a manifest: no layer is laid on it", async () => {
    const project = await built();
    flip((await stored(project, "base")).manifest, 40);
    project.write("Imagefile.ts", imagefile("two"));
    const told = await project.events({});
    expect([told.status, told.stderr]).toEqual([0, ""]);
    expect(told.which("built")).toContain("base");
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  /** Puts something else in the place of a layer or a manifest. */
  const instead = (path: string, put: () => void): void => {
    rmSync(path, { recursive: true });
    put();
  };
  test.each<[string, (layer: string, manifest: string) => void]>([
    ["a layer that is a file", (layer) => instead(layer, () => writeFileSync(layer, ""))],
    ["a layer that is a link to nothing", (layer) => instead(layer, () => symlinkSync("no", layer))],
    [
      "a layer that says that it needs others",
      (layer) => {
        execFileSync("setfattr", ["-n", "trusted.overlay.redirect", "-v", "/x", join(layer, "etc")]);
      },
    ],
    [
      "a record that is a directory, beside a damaged manifest",
      (layer, manifest) => {
        rmSync(`${layer}.json`);
        mkdirSync(`${layer}.json`);
        flip(manifest, 40);
      },
    ],
    ["a manifest that is a directory", (_, manifest) => instead(manifest, () => mkdirSync(manifest))],
    [
      "a manifest that is a link",
      (_, manifest) => instead(manifest, () => symlinkSync("/etc/passwd", manifest)),
    ],
    ["an empty manifest", (_, manifest) => instead(manifest, () => writeFileSync(manifest, ""))],
  ])("%s: one build mends it", async (_, damage) => {
    const project = await built();
    const { path, manifest } = await stored(project, "base");
    damage(path, manifest);
    project.write("Imagefile.ts", imagefile("two"));
    await project.good();
    expect(project.read("out/image.txt")).toBe("base\ntwo\n");
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test.each([
    ["a directory", (file: string) => mkdirSync(join(file, "x"), { recursive: true })],
    ["a link", (file: string) => symlinkSync("/etc/passwd", file)],
    ["a pipe", (file: string) => execFileSync("mkfifo", [file])],
  ])("%s in the place of a stored file: one build mends it, and so does cache verify", async (_, put) => {
    const project = await built();
    const stored = project.path(".imagemake/store/files");
    for (const mend of [["cache", "verify"], []])
      for (const part of readdirSync(stored))
        for (const name of readdirSync(join(stored, part))) {
          instead(join(stored, part, name), () => put(join(stored, part, name)));
          await project.run(...mend);
          await project.good();
          expect(statSync(join(stored, part, name)).isFile()).toBe(true);
        }
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test("a layer that was touched, on a tree whose manifest is gone: one build mends both", async () => {
    const project = await built();
    rmSync((await stored(project, "base")).manifest);
    const { path } = await stored(project, "platform");
    execFileSync("chmod", ["u+x,u-x", join(path, "etc/more")]);
    project.write(
      "Imagefile.ts",
      `${imagefile("one")}export const late = run({ inputs: { IN: platform }, cmd: 'cat "$IN"/etc/* > "$OUT"', out: "late.txt" });\n`,
    );
    await project.good("late");
    expect(project.read("out/late.txt")).toBe("base\nmore one\n");
  });

  test("a damaged layer that is made again is not kept for its name", async () => {
    const project = await built();
    const { path } = await stored(project, "base");
    flip(join(path, "etc/base.txt"));
    await project.good("-B", "base");
    expect(readFileSync(join(path, "etc/base.txt"), "utf8")).toBe("base\n");
  });

  test("a byte in a layer while an action reads it: what it made is not published", async () => {
    const project = await built();
    project.write(
      "Imagefile.ts",
      imagefile("one").replace(
        "export default",
        `export const slow = run({ inputs: { IN: base }, env: { DIR: process.cwd() }, out: "slow.txt",
  cmd: 'touch "$DIR/started"; until [ -e "$DIR/go" ]; do sleep 0.05; done; cat "$IN"/etc/* > "$OUT"' });\nexport default`,
      ),
    );
    const building = finish(project.start({}, "slow"));
    while (!project.exists("started")) await setTimeout(50);
    flip(join((await stored(project, "base")).path, "etc/base.txt"));
    project.write("go", "");
    const ended = await building;
    expect([ended.status, ended.stderr]).toEqual([3, expect.stringContaining("damaged in the store while")]);
    await project.good("slow");
    expect(project.read("out/slow.txt")).toBe("base\n");
  });

  test.each([
    ["a large file", "large", "large.txt"],
    ["a layer", "base", "etc/base.txt"],
  ])(
    "a byte in %s while an action reads it that is put back: what it made is not published",
    async (_, name, path) => {
      const project = await built();
      const wait = (file: string): string =>
        `touch "$DIR/${file}"; until [ -e "$DIR/${file}.go" ]; do sleep 0.05; done`;
      project.write(
        "Imagefile.ts",
        `${imagefile("one")}export const large = run({ inputs: {}, cmd: 'head -c 20000000 /dev/zero > "$OUT"', out: "large.txt" });
export const slow = run({ inputs: { IN: ${name} }, env: { DIR: process.cwd() }, out: "slow.txt",
  cmd: '${wait("first")}; head -c 1 "$IN"${name === "base" ? "/etc/base.txt" : ""} > "$OUT"; ${wait("second")}' });\n`,
      );
      await project.good(name);
      const file =
        name === "base" ? join((await stored(project, "base")).path, path) : project.path("out", path);
      const right = readFileSync(file).subarray(0, 1);
      const building = finish(project.start({}, "slow"));
      const change = async (at: string): Promise<void> => {
        while (!project.exists(at)) await setTimeout(50);
        flip(file, 0);
        project.write(`${at}.go`, "");
      };
      await change("first");
      await change("second");
      const ended = await building;
      expect(readFileSync(file).subarray(0, 1)).toEqual(right);
      expect([ended.status, ended.stderr]).toEqual([
        3,
        expect.stringContaining("damaged in the store while"),
      ]);
      await project.good("slow");
      expect(readFileSync(project.path("out/slow.txt"))).toEqual(right);
    },
  );

  test("a byte in a package file: it is fetched again", async () => {
    const project = makePackageProject(makeTinyRepo());
    projects.push(project);
    await project.good();
    const packages = project.path(".imagemake/store/packages");
    for (const name of readdirSync(packages)) flip(join(packages, name), 200);
    const again = await project.run("-B", "platformfs-b");
    expect([again.status, again.stderr]).toEqual([0, expect.stringMatching(/package .*nano.* damaged/)]);
    expect(readdirSync(packages).length).toBeGreaterThan(3);
    const damaged = JSON.parse((await project.run("cache", "verify", "-n", "--json")).stdout) as {
      readonly findings: readonly { readonly name: string }[];
    };
    const nano = again.stderr.match(/[0-9a-f]{64}/g) ?? [];
    expect(nano.length).toBeGreaterThan(0);
    expect(damaged.findings.filter(({ name }) => nano.some((one) => one === name))).toEqual([]);
  });
});

describe("a repository's snapshot", () => {
  /** What is asked for from now on is resolved by a list of packages in which `other` needs vim. */
  async function damaged(): Promise<TestProject> {
    const project = makePackageProject(makeTinyRepo());
    projects.push(project);
    await project.good();
    const [snapshot = ""] = project.names(".imagemake/store/snapshots");
    const dir = project.path(".imagemake/store/snapshots", snapshot);
    const lists = join(
      dir,
      "lists",
      readdirSync(join(dir, "lists")).find((name) => name.endsWith("_Packages")) ?? "",
    );
    const text = readFileSync(lists, "utf8");
    writeFileSync(lists, text.replace("Package: other\n", "Package: other\nDepends: vim\n"));
    expect(readFileSync(lists, "utf8")).not.toBe(text);
    for (const name of readdirSync(dir)) if (name.endsWith("cache.bin")) rmSync(join(dir, name));
    project.write("lists/b.list", "nano\nother\n");
    return project;
  }

  test("that was changed resolves nothing: another is taken, and that is said", async () => {
    const project = await damaged();
    const looked = await project.run("-n");
    expect(looked.stdout).toContain("packages not resolved");
    const { stderr, events } = await project.events({});
    expect(JSON.stringify(events) + stderr).toMatch(/snapshot of apt tiny main.* is damaged in the store/);
    const pinned = JSON.parse((await project.good("show", "platformfs-b.tree", "--json")).stdout) as {
      readonly packages: { readonly closure: readonly { readonly name: string }[] };
    };
    expect(JSON.stringify(pinned)).toContain('"other"');
    expect(JSON.stringify(pinned)).not.toContain('"vim"');
    expect((await project.good("cache", "verify")).stdout).toMatch(
      /, \d+ packages and 1 snapshot: all whole/,
    );
  });

  test("is digested by cache verify, too", async () => {
    const project = await damaged();
    const { status, stdout } = await project.run("cache", "verify");
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^damaged: snapshot [0-9a-f]{64}$/m)]);
    expect(project.names(".imagemake/store/snapshots")).toEqual([]);
    await project.good();
  });
});

describe("verify voids what was built since from what is damaged", () => {
  test("readers of a tree, and theirs", async () => {
    const project = await built();
    flip(join((await stored(project, "base")).path, "etc/base.txt"));
    const found = await project.run("cache", "verify");
    expect(found.status).toBe(1);
    for (const id of ["platform", "image", "second"])
      expect(found.stdout).toMatch(new RegExp(`^void: ${id} `, "m"));
    expect(found.stdout).not.toMatch(/^void: (base|reader)/m);
    const told = await project.events({});
    expect(told.which("built")).toEqual(["base", "image", "platform", "second"]);
    expect((await project.good()).stderr).toEqual(NOTHING);
  });

  test("with --json, and with -n only said", async () => {
    const project = await built();
    flip((await stored(project, "reader/in")).path);
    const said = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await project.run("cache", "verify", "--json", ...args)).stdout);
    const voided = [expect.objectContaining({ target: "reader" })];
    expect(await said("-n")).toMatchObject({ repaired: false, voided });
    expect(await said()).toMatchObject({ repaired: true, voided });
    expect((await project.events({})).which("built")).toEqual(["reader", "reader/in"]);
  });
});

describe("what is remembered", () => {
  test("a graph with any byte changed is neither believed nor fatal", async () => {
    const project = await built();
    const file = onlyFile(project, ".imagemake/graphs", "graph-");
    const [whole, list] = [readFileSync(file), (await project.good("list")).stdout];
    const places = ['"actions"', "tr a-z", '"targets"', '"project"'];
    for (const place of places) {
      const at = whole.indexOf(place) + place.length - 2;
      expect(at).toBeGreaterThan(place.length);
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      writeFileSync(file, bytes);
      for (const args of [["list"], ["-n"], ["-q"], ["clean", "-n"], ["cache", "gc", "-n"]]) {
        const ended = await project.run(...args);
        expect([place, args, ended.status]).toEqual([place, args, 0]);
        if (args[0] === "list") expect(ended.stdout).toBe(list);
        expect(ended.stderr).not.toContain("internal error");
      }
    }
    expect((await project.events({})).which("built")).toEqual([]);
    const graphIn = (text: Buffer): unknown => (JSON.parse(text.toString()) as { graph: unknown }).graph;
    expect(graphIn(readFileSync(file))).toEqual(graphIn(whole));
    writeFileSync(file, whole.subarray(0, whole.length / 2));
    await project.good("clean");
  });

  test.each([
    ["that means something else", (text: string) => text.replace("tr a-z", "tr b-z")],
    ["that means nothing", (text: string) => text.replace("const ", "c nst ")],
    ["cut off", (text: string) => text.slice(0, text.length / 2)],
  ])("a transpiled Imagefile %s is neither run nor fatal", async (_, change) => {
    const project = await built();
    const file = onlyFile(project, ".imagemake/modules", "");
    const whole = readFileSync(file, "utf8");
    writeFileSync(file, change(whole));
    for (const name of project.names(".imagemake/graphs")) rmSync(project.path(".imagemake/graphs", name));
    expect((await project.events({})).which("built")).toEqual([]);
    expect(readFileSync(file, "utf8")).toBe(whole);
  });

  test("a record of nothing to do with any byte changed is no record", async () => {
    const project = await built();
    // What was written just now is not recorded.
    await setTimeout(3_100);
    expect((await project.good()).stderr).toEqual(NOTHING);
    const file = onlyFile(project, ".imagemake/graphs", "quick-");
    const whole = readFileSync(file);
    project.write("base.txt", "bass\n");
    let tried = 0;
    for (let at = 0; at < whole.length; at += 97, tried += 1) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0x11;
      writeFileSync(file, bytes);
      const ended = await project.run("-q");
      expect([at, ended.status, ended.stderr]).toEqual([at, 1, ""]);
    }
    expect(tried).toBeGreaterThan(10);
    writeFileSync(file, whole.subarray(0, whole.length - 40));
    expect((await project.run("-q")).status).toBe(1);
  });
});

describe("releases", () => {
  const damages: Readonly<Record<string, (text: string) => string>> = {
    "cut off": (text) => text.slice(0, text.length / 2),
    empty: () => "",
    "with another digit": (text) => text.replace(/"opened": "2/, '"opened": "3'),
    "with a part of another kind": (text) => text.replace('"rejected": []', '"rejected": 10'),
  };

  test.each(Object.keys(damages))("an implicit one %s is set aside, and no command fails", async (how) => {
    const project = await built();
    const file = onlyFile(project, ".imagemake/releases", "2");
    const text = readFileSync(file, "utf8");
    const damaged = damages[how]?.(text) ?? "";
    expect(damaged).not.toBe(text);
    writeFileSync(file, damaged);
    for (const args of [
      ["list"],
      ["-n"],
      ["release", "status"],
      ["clean", "-n"],
      ["cache", "gc", "-n"],
      ["why", "image"],
    ]) {
      const ended = await project.run(...args);
      expect([args, ended.status, ended.stderr]).toEqual([args, 0, expect.not.stringContaining("fault")]);
    }
    expect(readFileSync(file, "utf8")).toBe(damaged);
    const told = await project.events({});
    expect([told.status, told.which("built")]).toEqual([0, []]);
    expect(warnings(told)).toContain("set aside");
    expect(readFileSync(`${file}.set-aside`, "utf8")).toBe(damaged);
    expect((await project.good()).stderr).toEqual(NOTHING);
  });

  test("an explicit one is an error that names it", async () => {
    const project = await built();
    await project.good("release", "start");
    const file = onlyFile(project, "releases", "2");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, 100));
    const ended = await project.run();
    expect([ended.status, ended.stderr]).toEqual([2, expect.stringContaining(file)]);
  });
});

describe("an index", () => {
  const damages: Readonly<Record<string, string>> = {
    "that lacks a table": "DROP TABLE stamps",
    "that lacks the table of results": "DROP TABLE results",
    "with a column of another name": "ALTER TABLE artifacts RENAME COLUMN layer TO lager",
    "with a column too many": "ALTER TABLE builds ADD COLUMN more TEXT",
    "whose outputs do not go with their builds":
      "DROP TABLE outputs; CREATE TABLE outputs (build TEXT NOT NULL, name TEXT NOT NULL, artifact TEXT NOT NULL, PRIMARY KEY (build, name)) WITHOUT ROWID",
  };

  test.each(Object.keys(damages))("%s is set aside and made anew", async (how) => {
    const project = await built();
    const file = project.path(".imagemake/index.db");
    const db = new Database(file);
    db.exec(damages[how] ?? "");
    db.close();
    project.write("base.txt", "bass\n");
    for (const args of [["list"], ["-n"], ["why", "image"], ["cache", "ls"]]) {
      const ended = await project.run(...args);
      expect([args, ended.status, ended.stderr]).toEqual([args, 0, expect.not.stringContaining("fault")]);
    }
    const told = await project.events({});
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(warnings(told)).toContain("set aside");
    expect((await project.good()).stderr).toEqual(NOTHING);
  });
});
