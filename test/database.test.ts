// The index database, broken in every way: it is set aside with a message or left alone, never trusted and never
// fatal; and losing it costs time only. Through the real command line.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import Database from "better-sqlite3";
import { afterEach, describe, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { PROJECT } from "./support/sandbox.js";

const IMAGEFILE = `
export const a = run({ inputs: { SRC: files("src.txt") }, cmd: 'cp $SRC "$OUT"', out: "a-{date}.txt" });
export const b = run({ inputs: { IN: a }, cmd: 'cp "$IN" "$OUT"', out: "b.txt" });
export default project({ default: [a, b] });
`;

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

function made(): TestProject {
  const project = makeProject({ "Imagefile.ts": IMAGEFILE, "src.txt": "x\n" });
  projects.push(project);
  return project;
}

/** A project that was built, and its database. */
async function built(): Promise<{ project: TestProject; file: string }> {
  const project = made();
  await project.good();
  return { project, file: project.path(".imagemake/index.db") };
}

/** Runs statements on the database, as another program would. */
function change(file: string, sql: string): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}

const BROKEN: Readonly<Record<string, (file: string) => void>> = {
  "cut off in the middle": (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2)),
  "something else entirely": (file) => writeFileSync(file, "this is no database\n".repeat(1000)),
  "of a newer version": (file) => change(file, "PRAGMA user_version = 99"),
  "overwritten in its middle": (file) => {
    const bytes = readFileSync(file);
    bytes.fill(0x55, 4096, bytes.length);
    writeFileSync(file, bytes);
  },
};

describe("a database that is no good", () => {
  test.each(Object.keys(BROKEN))(
    "%s is set aside and said; everything is built again, in the same release",
    async (how) => {
      const { project, file } = await built();
      const names = project.names("out");
      BROKEN[how]?.(file);
      const bytes = readFileSync(file);
      const again = await project.run(
        "--release",
        project.names(".imagemake/releases")[0]?.slice(0, 8) ?? "",
      );
      expect(again.status).toBe(0);
      expect(again.stderr).toContain(`it was set aside as ${file}.set-aside and is made anew`);
      expect(again.stderr).toContain("built 2");
      expect(readFileSync(`${file}.set-aside`)).toEqual(bytes);
      expect(project.names("out")).toEqual(names);
      expect((await project.good()).stderr).toContain("nothing to do");
    },
  );

  test.each(Object.keys(BROKEN))(
    "%s does not stop those who only look, and they leave it as it is",
    async (how) => {
      const { project, file } = await built();
      BROKEN[how]?.(file);
      const bytes = readFileSync(file);
      for (const args of [
        ["-n"],
        ["why", "a"],
        ["list"],
        ["show", "a"],
        ["cache", "stats"],
        ["cache", "ls"],
        ["cache", "gc", "-n"],
        ["clean", "-n"],
      ]) {
        const looked = await project.run(...args);
        expect([args, looked.status, looked.stderr]).toEqual([args, 0, expect.not.stringContaining("fault")]);
      }
      expect((await project.run("-q", "-B")).status).toBe(1);
      expect(readFileSync(file)).toEqual(bytes);
      expect(project.exists(".imagemake/index.db.set-aside")).toBe(false);
    },
  );

  test("an empty one is filled", async () => {
    const { project, file } = await built();
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    truncateSync(file, 0);
    project.write("src.txt", "y\n");
    const again = await project.good();
    expect(again.stderr).toContain("built 2");
    expect(again.stderr).not.toContain("set aside");
  });

  test("one from before the last build costs that build only", async () => {
    const { project, file } = await built();
    copyFileSync(file, `${file}.old`);
    project.write("src.txt", "y\n");
    await project.good();
    for (const suffix of ["-wal", "-shm"]) rmSync(file + suffix, { force: true });
    copyFileSync(`${file}.old`, file);
    const again = await project.events({});
    expect([again.status, again.which("built")]).toEqual([0, ["a", "b"]]);
    expect(project.read("out/b.txt")).toBe("y\n");
  });
});

describe("all of .imagemake deleted", () => {
  test("costs time and the implicit release, nothing else", async () => {
    const { project } = await built();
    await project.good("release", "start", "--release", "20260101");
    await project.good();
    rmSync(project.path(".imagemake"), { recursive: true });
    const again = await project.events({});
    expect([again.status, again.which("built")]).toEqual([0, ["a", "b"]]);
    expect(again.about("release")).toMatchObject({ datecode: "20260101", joined: true, explicit: true });
  });
});

/** As the version before left it: keys of the first kind, and an epoch with each artifact. */
const OF_VERSION_1 = `
  UPDATE components SET value = '1' WHERE name = 'schema';
  UPDATE results SET key = substr(key, 2) || 'e';
  UPDATE builds SET key = substr(key, 2) || 'e';
  ALTER TABLE artifacts ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE builds DROP COLUMN failure;
  ALTER TABLE builds DROP COLUMN replaces;
  DROP TABLE published;
  DROP TABLE origins;
  PRAGMA user_version = 1;`;

test("whoever has it open closes it: no log of SQLite's lies beside it afterwards", async () => {
  const { project } = await built();
  await project.good();
  expect(project.names(".imagemake").filter((name) => name.startsWith("index.db"))).toEqual(["index.db"]);
});

describe("a database of an older version", () => {
  test("is brought up and said: all is built again once, in the open release, and why says so", async () => {
    const { project, file } = await built();
    change(file, OF_VERSION_1);
    const bytes = readFileSync(file);
    expect((await project.good("why", "a")).stdout).toBe('a: how keys are made changed: "1" → "5"\n');
    expect(readFileSync(file)).toEqual(bytes);
    const release = project.names(".imagemake/releases");
    const again = await project.good();
    expect(again.stderr).toContain("this imagemake makes keys otherwise");
    expect(again.stderr).toContain("built 2");
    expect(again.stderr).not.toContain("set aside");
    expect(project.names(".imagemake/releases")).toEqual(release);
    project.write("src.txt", "y\n");
    expect((await project.good()).stderr).not.toContain("this imagemake makes keys otherwise");
  });
});

describe("a database that another program holds", () => {
  /** Holds it in a process of its own until the returned function is called. */
  async function held(file: string): Promise<() => Promise<void>> {
    const program = `
      const db = new (require("better-sqlite3"))(${JSON.stringify(file)});
      db.pragma("locking_mode = EXCLUSIVE"); db.exec("BEGIN EXCLUSIVE"); console.log("held"); process.stdin.resume();
      process.stdin.on("end", () => process.exit());`;
    const holder = spawn(process.execPath, ["-e", program], {
      cwd: PROJECT,
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    return async () => {
      holder.stdin.end();
      await once(holder, "close");
    };
  }

  test("is waited for, then left alone with a clear word and exit status 3; afterwards all goes on", async () => {
    const { project, file } = await built();
    const release = await held(file);
    project.write("src.txt", "y\n");
    try {
      const refused = await project.run();
      expect([refused.status, refused.stderr]).toEqual([
        3,
        expect.stringMatching(/index database .* locked/),
      ]);
      expect(refused.stderr).not.toContain("fault");
    } finally {
      await release();
    }
    expect(project.exists(".imagemake/index.db.set-aside")).toBe(false);
    expect((await project.good()).stderr).toContain("built 2");
  }, 60_000);
});

test("several first runs at once make one database, and build each target once", async () => {
  const project = made();
  const runs = await Promise.all([1, 2, 3, 4].map(() => project.events({})));
  // With what was said, for the day it fails.
  expect(runs.filter(({ status }) => status !== 0)).toEqual([]);
  expect(runs.flatMap((told) => told.which("built")).sort()).toEqual(["a", "b"]);
  expect(runs.map(({ stderr }) => stderr).join("")).not.toContain("set aside");
});
