// Who may run an Imagefile under sudo and may not edit it names no files: root would read them to him, write over them,
// or make directories that are his, wherever he likes. Through the real command line.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const asRoot = process.getuid?.() === 0 ? test : test.skip;
const CALLER = 4343;
const sudo = { env: { SUDO_UID: String(CALLER), SUDO_GID: String(CALLER) } };
const DAY = "20310506";

let [project, roots]: [TestProject | undefined, string] = [undefined, ""];
beforeAll(async () => {
  roots = mkdtempSync(join(tmpdir(), "imagemake-roots-"));
  chmodSync(roots, 0o700);
  writeFileSync(join(roots, "shadow"), "root:secret\n");
  mkdirSync(join(roots, "empty"));
  project = makeProject({
    "Imagefile.ts": `import { project, run } from "imagemake";
export const a = run({ inputs: {}, cmd: 'echo a > "$OUT"', out: "a.txt" });
export default project({ default: [a], release: { into: "rel" } });`,
  });
  await project.good("release", "start", "--release", DAY);
  await project.good();
  await project.good("release", "collect");
});
afterAll(() => {
  project?.remove();
  rmSync(roots, { recursive: true });
});

const there = (): TestProject => {
  if (project === undefined) throw new Error("no project");
  return project;
};

const untouched = (): void => {
  expect(readdirSync(roots).sort()).toEqual(["empty", "shadow"]);
  expect(readdirSync(join(roots, "empty"))).toEqual([]);
  expect(readFileSync(join(roots, "shadow"), "utf8")).toBe("root:secret\n");
};

describe("under sudo, for who may not edit the Imagefile", () => {
  asRoot.each([
    ["--expect", (at: string) => ["a-print", "--expect", join(at, "shadow")]],
    ["--trace", (at: string) => ["-B", "a", "--trace", join(at, "shadow")]],
    ["--events", (at: string) => ["-B", "a", "--events", join(at, "new")]],
    ["--export", (at: string) => ["release", "sign", "--export", join(at, "new")]],
    ["--public-key", (at: string) => ["release", "verify", "--public-key", join(at, "shadow")]],
    ["--passphrase-file", (at: string) => ["release", "sign", "--passphrase-file", join(at, "shadow")]],
  ])("%s is refused, and nothing of root's is shown or changed", async (option, words) => {
    const { status, stdout, stderr } = await there().call(sudo, ...words(roots));
    expect(stderr).toContain(`may not name files (${option}) under sudo`);
    expect(stdout + stderr).not.toContain("secret");
    expect(status).toBe(2);
    untouched();
  });

  asRoot.each([
    ["an export", "export under sudo", ["release", "export"], "new"],
    ["an export into an empty directory of root's", "export under sudo", ["release", "export"], "empty"],
    ["an Imagefile", "write an Imagefile under sudo", ["init", "-C"], "empty"],
    ["a guest, whose monitor is root's", "start guests as root under sudo", ["boot", "a", "--keep"], "new"],
  ])("%s is refused", async (_, said, words, name) => {
    // The directory in which it is called is root's, wherever the command is sent.
    const { status, stderr } = await there().call(sudo, ...words, join(roots, name));
    expect([stderr, status]).toEqual([expect.stringContaining(said), 2]);
    untouched();
  });

  asRoot("no remote cache is looked at: root's headers and certificates would go there", async () => {
    const words = ["doctor", "--remote", "--remote-cache", "grpc://127.0.0.1:1"];
    const { status, stderr } = await there().call(sudo, ...words);
    expect([stderr, status]).toEqual([expect.stringContaining("may not name a cache under sudo"), 2]);
  });

  asRoot("isolation stays on: actions would have this machine's /dev and network as root", async () => {
    for (const words of [
      ["-B", "a"],
      ["-n", "a"],
      ["why", "a"],
    ]) {
      const { status, stderr } = await there().call(sudo, ...words, "--no-isolation");
      expect([stderr, status]).toEqual([expect.stringContaining("may not turn isolation off under sudo"), 2]);
    }
  });

  asRoot("all of it stays for the owner of the Imagefile's directory", async () => {
    const mine = makeProject({
      "Imagefile.ts": `export const a = run({ inputs: {}, cmd: 'echo a > "$OUT"', out: "a.txt" });`,
      list: "a.txt\n",
    });
    try {
      chownSync(mine.dir, CALLER, CALLER);
      expect((await mine.call(sudo, "a", "--trace", "trace", "--events", "events")).status).toBe(0);
      expect((await mine.call(sudo, "a", "--no-isolation")).status).toBe(0);
      expect((await mine.call(sudo, "a-all-print", "--expect", "list")).status).toBe(0);
      expect((await mine.call(sudo, "release", "export", "there")).status).toBe(0);
    } finally {
      mine.remove();
    }
  });
});
