// Values of variables may be secrets: none of them lies in clear text where others can read it, neither those of an older
// imagemake. `why` still tells that one changed.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import Database from "better-sqlite3";
import { makeProject, type TestProject } from "./support/cli.js";

const SECRET = "tok-5f1c0e9a";
const IMAGEFILE = `import { arg, env, run } from "imagemake";
export const a = run({ inputs: { KEY: env("PASSED") }, env: { TOKEN: arg("TOKEN", "none") }, out: "a.txt",
  cmd: 'test -n "$TOKEN" && test -n "$KEY" && echo a > "$OUT"' });
export const b = run({ inputs: { A: a }, env: { TOKEN: arg("TOKEN", "none") }, cmd: "exit 3", out: "b.txt" });
`;

let project: TestProject;
const call = (...args: string[]) => project.call({ env: { PASSED: SECRET } }, ...args, `TOKEN=${SECRET}`);

/** Files below the project that an ordinary user can read, with the secret in them. */
const readable = (): string => {
  const script = `find . -type d ! -perm -o=x -prune -o -type f -perm -o=r -print0 | xargs -0 grep -la -e "$1" || :`;
  return execFileSync("sh", ["-c", script, "sh", SECRET], { cwd: project.dir, encoding: "utf8" });
};

describe("what arg() and env() give", () => {
  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE });
    await call("release", "start", "a");
    const { status } = await call("a", "b", "-k", "--trace", "trace.json", "--events", "events.json");
    expect(status).toBe(1);
    expect((await call("release", "export", "a", "exported")).status).toBe(0);
  });
  afterAll(() => project.remove());

  test("stands in no file that others can read, and in no index", () => {
    expect(readable()).toBe("");
    for (const name of project.names(".imagemake").filter((one) => one.startsWith("index.db")))
      expect(project.read(`.imagemake/${name}`)).not.toContain(SECRET);
    expect(project.read("exported/index.json")).not.toContain(SECRET);
  });

  test("is told of when it changes, but not said", async () => {
    const { stdout } = await project.call({ env: { PASSED: SECRET } }, "why", "a", "TOKEN=other");
    expect(stdout).toContain("environment TOKEN changed");
    expect(stdout).not.toContain(SECRET);
    const json = await project.call({ env: { PASSED: "x" } }, "why", "a", "--json", `TOKEN=${SECRET}`);
    expect(json.stdout).toContain("input KEY");
    expect(json.stdout).not.toContain(SECRET);
  });

  test("goes from an index of an older imagemake", async () => {
    const file = project.path(".imagemake/index.db");
    const db = new Database(file);
    db.prepare("UPDATE components SET value = ? WHERE name = 'env TOKEN'").run(SECRET);
    db.exec("DROP TABLE origins");
    db.pragma("user_version = 2");
    db.close();
    expect(project.read(".imagemake/index.db")).toContain(SECRET);
    expect((await call("a")).status).toBe(0);
    for (const name of project.names(".imagemake").filter((one) => one.startsWith("index.db")))
      expect(project.read(`.imagemake/${name}`)).not.toContain(SECRET);
  });
});
