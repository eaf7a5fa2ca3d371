// Broken stores: what `imagemake cache verify` finds, and that the next build makes exactly that anew. And without
// it: a row without its blob, or a blob that is half there, is not believed.
import {
  chmodSync,
  existsSync,
  openSync,
  closeSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

const IMAGEFILE = `import { files, project, rule, run, step } from "imagemake";
export const base = run({ inputs: { SRC: files("base.txt") }, tree: true, cmd: 'mkdir "$OUT/etc"; cp $SRC "$OUT/etc/"' });
export const platform = rule.platformfs({ from: base, steps: [step.write("etc/more", "more")] });
export const image = run({ inputs: { IN: platform }, cmd: 'cat "$IN"/etc/* > "$OUT"', out: "image.txt" });
export const other = run({ inputs: { SRC: files("base.txt") }, cmd: 'tr a-z A-Z < $SRC > "$OUT"', out: "other.txt" });
export default project({ default: [image, other] });
`;

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

async function built(): Promise<TestProject> {
  const project = makeProject({ "Imagefile.ts": IMAGEFILE, "base.txt": "base\n" });
  projects.push(project);
  await project.good();
  return project;
}

interface Artifact {
  readonly id: string;
  readonly action: string | null;
  readonly layer: string | null;
}

/** Where the output of an action lies in the store: a file, or the directory of a layer. */
async function stored(project: TestProject, action: string): Promise<string> {
  const rows = JSON.parse((await project.good("cache", "ls", "--json")).stdout) as Artifact[];
  const row = rows.find((one) => one.action === action);
  const store = project.path(".imagemake/store");
  if (row === undefined) throw new Error(`${action} made nothing`);
  if (row.layer !== null) return join(store, "layers", row.layer);
  const digest = row.id.slice(2);
  return join(store, "files", digest.slice(0, 2), digest);
}

/** Changes one byte in the middle; size and mode stay. */
function flip(path: string): void {
  chmodSync(path, 0o644);
  const byte = readFileSync(path).at(2) ?? 0;
  const fd = openSync(path, "r+");
  writeSync(fd, Buffer.from([byte ^ 1]), 0, 1, 2);
  closeSync(fd);
  chmodSync(path, 0o444);
}

/** What a build makes and restores. */
const does = async (project: TestProject): Promise<string[]> => {
  const told = await project.events({});
  expect(told.status).toBe(0);
  return [
    ...told.which("built").map((id) => `built ${id}`),
    ...told.which("restored").map((id) => `restored ${id}`),
  ];
};

describe("verify", () => {
  test("says that all is whole, with how much it looked at", async () => {
    const project = await built();
    const verified = await project.good("cache", "verify");
    expect(verified.stdout).toBe("2 files, 2 trees and 0 packages: all whole\n");
    expect(JSON.parse((await project.good("cache", "verify", "--json")).stdout)).toMatchObject({
      files: 2,
      trees: 2,
      findings: [],
    });
  });

  test("notices one flipped byte in a file; the next build makes that file alone", async () => {
    const project = await built();
    const blob = await stored(project, "other");
    flip(blob);
    const found = await project.run("cache", "verify");
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(/^damaged: file f:[0-9a-f]{64} \(made by other\)\n/);
    expect(existsSync(blob)).toBe(false);
    expect(await does(project)).toEqual(["built other"]);
    expect(project.read("out/other.txt")).toBe("BASE\n");
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test("with -n it only says", async () => {
    const project = await built();
    const blob = await stored(project, "other");
    flip(blob);
    const bytes = readFileSync(blob);
    for (const args of [["-n"], ["-n", "--json"]]) {
      const found = await project.run("cache", "verify", ...args);
      expect([found.status, found.stdout]).toEqual([1, expect.stringContaining("damaged")]);
    }
    expect(readFileSync(blob)).toEqual(bytes);
    expect((await project.run("cache", "verify", "-n")).stdout).toMatch(/: 1 no good\n$/);
  });

  test("notices a changed file in a tree; the tree is made anew, and what was made from it since", async () => {
    const project = await built();
    const layer = await stored(project, "base");
    writeFileSync(join(layer, "etc/base.txt"), "bass\n");
    const found = await project.run("cache", "verify");
    expect([found.status, found.stdout]).toEqual([1, expect.stringContaining("(made by base)")]);
    expect(existsSync(layer)).toBe(false);
    expect(await does(project)).toEqual(["built base", "built image", "built platform"]);
    expect(readFileSync(join(layer, "etc/base.txt"), "utf8")).toBe("base\n");
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test.each(["mode", "owner", "time", "file too many", "xattr"] as const)(
    "notices a changed %s in a layer",
    async (what) => {
      const project = await built();
      const layer = await stored(project, "platform");
      const { execFileSync } = await import("node:child_process");
      const change = {
        mode: 'chmod 600 "$1/etc/more"',
        owner: 'chown 7 "$1/etc/more"',
        time: 'touch -d @5 "$1/etc/more"',
        "file too many": 'mkdir "$1/extra"',
        xattr: 'setfattr -n user.mark -v x "$1/etc/more"',
      }[what];
      execFileSync("sh", ["-euc", change, "sh", layer]);
      const found = await project.run("cache", "verify");
      expect([found.status, found.stdout]).toEqual([1, expect.stringContaining("(made by platform)")]);
      expect(await does(project)).toEqual(["built image", "built platform"]);
    },
  );

  test("a damaged manifest costs its tree; what lies on it cannot be judged, and stays", async () => {
    const project = await built();
    const base = (JSON.parse((await project.good("cache", "ls", "--json")).stdout) as Artifact[]).find(
      ({ action }) => action === "base",
    );
    const manifest = project.path(".imagemake/store/manifests", base?.id.slice(2) ?? "");
    flip(manifest);
    const found = await project.run("cache", "verify");
    expect(found.status).toBe(1);
    expect(found.stdout).toMatch(/^damaged: tree t:\w+ \(made by base; its manifest\)$/m);
    expect(found.stdout).toMatch(/^not verified: tree t:\w+ \(made by platform; the manifest of its parent/m);
    expect(await does(project)).toEqual(["built base", "built image", "built platform"]);
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });

  test("what is missing is said and made anew", async () => {
    const project = await built();
    rmSync(await stored(project, "other"));
    rmSync(await stored(project, "platform"), { recursive: true });
    const found = await project.run("cache", "verify");
    expect([found.status, found.stdout.match(/^missing: /gm)?.length]).toEqual([1, 2]);
    expect(await does(project)).toEqual(["built other", "built platform"]);
  });

  test("a package file that is not what its name says is removed", async () => {
    const project = await built();
    project.write(`.imagemake/store/packages/${"0".repeat(64)}`, "not that");
    const found = await project.run("cache", "verify");
    expect([found.status, found.stdout]).toEqual([1, expect.stringContaining("damaged: package 000")]);
    expect(project.names(".imagemake/store/packages")).toEqual([]);
    expect((await project.good("cache", "verify")).status).toBe(0);
  });

  test("damage in a file that no row names any more is found as well", async () => {
    const project = await built();
    const blob = await stored(project, "other");
    rmSync(project.path(".imagemake/index.db"));
    flip(blob);
    expect((await project.run("cache", "verify")).status).toBe(1);
    expect(existsSync(blob)).toBe(false);
  });

  test("where nothing was built there is nothing to verify", async () => {
    const project = makeProject({ "Imagefile.ts": IMAGEFILE });
    projects.push(project);
    expect((await project.good("cache", "verify")).stdout).toBe(
      "0 files, 0 trees and 0 packages: all whole\n",
    );
    expect(project.exists(".imagemake")).toBe(false);
  });
});

describe("without verify", () => {
  test("a row whose blob is gone: what it promised is built, nothing else", async () => {
    const project = await built();
    rmSync(await stored(project, "other"));
    expect(await does(project)).toEqual(["built other"]);
    rmSync(project.path("out/other.txt"));
    rmSync(await stored(project, "other"));
    expect(await does(project)).toEqual(["built other"]);
    expect(project.read("out/other.txt")).toBe("BASE\n");
  });

  test("a blob that is half there is not believed", async () => {
    const project = await built();
    const blob = await stored(project, "other");
    rmSync(project.path("out/other.txt"));
    truncateSync(blob, 2);
    expect(await does(project)).toEqual(["built other"]);
    expect([project.read("out/other.txt"), readFileSync(blob, "utf8")]).toEqual(["BASE\n", "BASE\n"]);
  });

  test("a blob under its temporary name is nothing, and goes with the next gc", async () => {
    const project = await built();
    const blob = await stored(project, "other");
    const half = `${blob}.1234-0.tmp`;
    writeFileSync(half, "BA");
    await project.good("cache", "gc");
    expect(readdirSync(dirname(blob))).toEqual([blob.slice(dirname(blob).length + 1)]);
    expect((await project.good()).stderr).toContain("nothing to do");
  });

  test("a layer without its record, or a record without its layer, is made anew", async () => {
    const project = await built();
    rmSync(await stored(project, "platform"), { recursive: true });
    expect(await does(project)).toEqual(["built platform"]);
    expect((await project.good("cache", "verify")).stdout).toContain("all whole");
  });
});
