// Options of a build through the real command line: how many at a time, dry runs, questions, and the streams
// that scripts read.
import { execFileSync } from "node:child_process";
import { chmodSync, rmSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { BuildEvent } from "../engine/events.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { asStranger, USER } from "./support/sandbox.js";

jest.setTimeout(60_000);

const IMAGEFILE = `
export const one = run({ inputs: { SRC: files("one.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "one-{date}.txt" });
export const two = run({ inputs: { IN: one }, cmd: 'cat "$IN" "$IN" > "$OUT"', out: "two.txt" });
export const bad = run({ inputs: {}, cmd: "echo no; exit 1", out: "bad.txt" });
`;

/** Everything below the project, with what a change would show in. */
const picture = (project: TestProject, dir = "."): readonly string[] =>
  project.names(dir).flatMap((name) => {
    const path = `${dir}/${name}`;
    const stats = statSync(project.path(path));
    const line = `${path} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs} ${stats.ino}`;
    return stats.isDirectory() ? [line, ...picture(project, path)] : [line];
  });

describe("a project that was never built", () => {
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "one.txt": "1\n" });
  });
  afterAll(() => project.remove());

  test("dry runs, questions and listings say what is out of date and leave no trace", async () => {
    const before = picture(project);
    const [dry, json, question, list, why, show, graph, status, print] = await Promise.all([
      project.run("-n", "two"),
      project.run("-n", "--json", "two"),
      project.run("-q", "two"),
      project.run("list"),
      project.run("why", "two"),
      project.run("show", "two"),
      project.run("graph"),
      project.run("release", "status"),
      project.run("one-all-print"),
    ]);
    expect(picture(project)).toEqual(before);
    expect(dry.stdout).toBe("one: never built\ntwo: input one is out of date\n");
    expect(dry.stderr).toMatch(/^release \d{8} would be opened\n2 to build\n$/);
    expect(JSON.parse(json.stdout)).toEqual([
      { target: "one", kind: "build", reason: { kind: "never-built" } },
      { target: "two", kind: "build", reason: { kind: "input-pending", targets: ["one"] } },
    ]);
    expect(question).toEqual({ status: 1, stdout: "", stderr: "" });
    expect(list.stdout).toMatch(/^target +output +rule\none +one-\d{8}\.txt +run\ntwo /);
    expect(why.stdout).toBe("two: input one is out of date\none: never built\n");
    expect(show.stdout).toContain("two (rule run, Imagefile.ts:4)");
    expect(graph.stdout).toContain('"one" -> "two"');
    expect(status.stdout).toMatch(/^no release is open/);
    expect(print.stdout).toMatch(/^one-\d{8}\.txt\n$/);
    for (const ended of [dry, json, list, why, show, graph, status, print]) expect(ended.status).toBe(0);
  });
});

describe("a project that was built", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE, "one.txt": "1\n" });
    await project.good("two");
  });
  afterAll(() => project.remove());

  test("-q answers by its exit status alone, also where something is out of date", async () => {
    const [idle, never, bad] = await Promise.all([
      project.run("-q", "two"),
      project.run("-q", "bad"),
      project.run("-q", "--quiet", "-k", "bad", "two"),
    ]);
    expect(idle).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(never).toEqual({ status: 1, stdout: "", stderr: "" });
    expect(bad).toEqual({ status: 1, stdout: "", stderr: "" });
  });

  test("-n says nothing to do, -n -v also what is up to date, -n -B what would be forced", async () => {
    const [dry, verbose, forced] = await Promise.all([
      project.run("-n", "two"),
      project.run("-n", "-v", "two"),
      project.run("-n", "-B", "one"),
    ]);
    expect(dry.stdout).toBe("nothing to do\n");
    expect(dry.stderr).toMatch(/^release \d{8}\n$/);
    expect(verbose.stdout).toBe("one: up to date\ntwo: up to date\n");
    expect(forced.stdout).toBe("one: forced\n");
  });

  test("-C and -f find the Imagefile from elsewhere, and out/ stays beside it", async () => {
    const elsewhere = await project.call({ cwd: "/" }, "-C", project.dir, "-n", "two");
    const file = await project.call({ cwd: "/" }, "-f", project.path("Imagefile.ts"), "two");
    expect(elsewhere.stdout).toBe("nothing to do\n");
    expect(file.stderr).toContain("nothing to do");
  });

  test("--events and --trace write what happened, beside what is said", async () => {
    const paths = ["events.jsonl", "trace.json"] as const;
    const ended = await project.run("-B", "two", "--events", paths[0], "--trace", paths[1]);
    expect(ended.status).toBe(0);
    expect(ended.stderr).toMatch(/built two/);
    const events = project.read(paths[0]).trimEnd().split("\n");
    const types = events.map((line) => (JSON.parse(line) as BuildEvent).type);
    expect(types).toEqual(["begin", "release", "plan", "started", "built", "started", "built", "done"]);
    const trace = JSON.parse(project.read(paths[1])) as { name: string; ph: string }[];
    expect(trace.filter(({ ph }) => ph === "X").map(({ name }) => name)).toEqual(["one", "two"]);
  });

  test("--progress json is events on stdout and nothing on stderr; -v names outputs and digests", async () => {
    const told = await project.events({}, "-B", "one");
    expect(told.stderr).toBe("");
    expect(told.about("built", "one")).toMatchObject({
      outputs: [expect.stringMatching(/\/out\/one-\d{8}\.txt$/)],
      digests: [expect.stringMatching(/^f:[0-9a-f]{64}$/)],
    });
    expect(told.events.at(-1)).toMatchObject({ type: "done", built: 1, failed: 0 });
    const verbose = await project.run("-v", "-B", "one");
    expect(verbose.stderr).toMatch(
      /start one\n {2}forced\nbuilt one .*\n {2}.*one-\d{8}\.txt .*[0-9a-f]{64}/,
    );
  });
});

describe("outputs that somebody changed", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `
export const many = each(["edited", "gone", "both", "other", "x"], k => run({ inputs: {}, cmd: \`echo \${k} > "$OUT"; test \${k} != x || chmod +x "$OUT"\`, out: k }));
`,
    });
    await project.good("many");
  });
  afterAll(() => project.remove());

  test("are what they were after the next run, and so is what the store holds", async () => {
    const out = (name: string): string => project.path("out", name);
    // A person with the right to do so writes through the link, with the same number of bytes.
    const scribble = (name: string): void => {
      chmodSync(out(name), 0o644);
      writeFileSync(out(name), project.read(`out/${name}`).toUpperCase());
    };
    scribble("edited");
    rmSync(out("gone"));
    scribble("both");
    rmSync(out("both"));
    rmSync(out("other"));
    writeFileSync(out("other"), "other\n");
    chmodSync(out("x"), 0o644);
    expect((await project.run("-q", "many")).status).toBe(1);
    const told = await project.events({}, "many");
    expect(told.status).toBe(0);
    for (const name of ["edited", "gone", "both", "other", "x"]) {
      expect(project.read(`out/${name}`)).toBe(`${name}\n`);
      expect([name, statSync(out(name)).mode & 0o777]).toEqual([name, name === "x" ? 0o555 : 0o444]);
    }
    expect(told.which("built")).not.toContain("many-gone");
    expect((await project.good("cache", "verify")).status).toBe(0);
    expect((await project.good("many")).stderr).toContain("nothing to do");
  });
});

describe("a project that was built under sudo", () => {
  test("is the user's: he can look at it and go on with it", async () => {
    const project = makeProject({
      "Imagefile.ts": `export const a = run({ inputs: { SRC: files("a.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "a.txt" });`,
      "a.txt": "a\n",
    });
    try {
      execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
      const sudo = { env: { SUDO_UID: String(USER), SUDO_GID: String(USER) } };
      expect((await project.call(sudo, "a")).status).toBe(0);
      const user = { under: asStranger() };
      const [looked, idle] = await Promise.all([project.call(user, "-n", "a"), project.call(user, "a")]);
      expect([looked.stdout, looked.status]).toEqual(["nothing to do\n", 0]);
      expect([idle.stderr, idle.status]).toEqual([expect.stringContaining("nothing to do"), 0]);
      project.write("a.txt", "b\n");
      const built = await project.call(user, "a");
      expect([built.status, project.read("out/a.txt")]).toEqual([0, "b\n"]);
      expect((await project.call(sudo, "a")).stderr).toContain("nothing to do");
    } finally {
      project.remove();
    }
  });
});

describe("a user without a range of ids", () => {
  test("is told before anything starts which targets need more, as doctor says it", async () => {
    const project = makeProject({
      "Imagefile.ts": `import { apt, rule, run } from "imagemake";
const repo = apt({ url: "http://127.0.0.1:9/debian", suite: "nowhere" });
export const rootfs = rule.rootfs({ repo, arch: "amd64", packages: ["base-files"], out: "rootfs.tar.xz" });
export const plain = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "plain.txt" });`,
    });
    try {
      execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
      const user = { under: asStranger() };
      const fix = `apt-get install uidmap, and a range for ${USER} in /etc/subuid and /etc/subgid; or sudo`;
      const refused = await project.call(user, "plain", "rootfs");
      expect(refused).toEqual({
        status: 3,
        stdout: "",
        stderr: `imagemake: rootfs.tree, rootfs: it makes files of many owners, and you have only one user id\n  ${fix}\n  -k builds the rest\n`,
      });
      expect(project.names("out")).toEqual([]);
      const doctor = await project.call(user, "doctor", "rootfs");
      expect([doctor.status, doctor.stdout]).toEqual([3, expect.stringContaining(fix)]);
      expect((await project.call(user, "plain")).status).toBe(0);
    } finally {
      project.remove();
    }
  });
});

describe("two actions that wait for each other", () => {
  const meet = (me: string, other: string): string =>
    `touch "$MEET/${me}"; until [ -e "$MEET/${other}" ]; do sleep 0.02; done; echo > "$OUT"`;
  let project: TestProject;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts": `
export const a = run({ inputs: { MEET: env("MEET") }, cmd: ${JSON.stringify(meet("a", "b"))}, out: "a.txt", timeout: 60 });
export const b = run({ inputs: { MEET: env("MEET") }, cmd: ${JSON.stringify(meet("b", "a"))}, out: "b.txt", timeout: 60 });
export const c = each(["1", "2", "3"], k => run({ inputs: {}, cmd: \`sleep 0.1; echo > "$OUT"\`, out: \`c\${k}.txt\` }));
`,
      "meet/.keep": "",
    });
  });
  afterAll(() => project.remove());

  test("-j 2 runs them side by side", async () => {
    const told = await project.events({ env: { MEET: project.path("meet") } }, "-j", "2", "a", "b");
    expect(told.which("built")).toEqual(["a", "b"]);
  });

  test("-j without a number runs as many as there are, and takes no target for one", async () => {
    const more = { env: { MEET: project.path("meet") } };
    const [first, last] = await Promise.all([
      project.call(more, "-n", "-j", "a"),
      project.call(more, "-n", "a", "--jobs"),
    ]);
    expect([first.stdout, last.stdout]).toEqual(["nothing to do\n", "nothing to do\n"]);
  });

  test("-j1 runs one at a time, in declared order", async () => {
    const told = await project.events({}, "-j1", "c");
    const said = told.events.flatMap((event) =>
      event.type === "started" || event.type === "built" ? [`${event.type} ${event.target}`] : [],
    );
    expect(said).toEqual(["1", "2", "3"].flatMap((key) => [`started c-${key}`, `built c-${key}`]));
  });
});
