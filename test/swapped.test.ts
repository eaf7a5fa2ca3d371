// A link that takes the place of a directory while imagemake writes there: whoever owns the directory could have root
// write elsewhere.
import { lchownSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { holdDirectory } from "../cache/held.js";
import type { Step } from "../cache/steps.js";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";
import { builtRelease, DAY } from "./support/release.js";
import { startAt, type StepsEnd } from "./support/steps.js";

jest.setTimeout(60_000);

let [elsewhere, project]: [string, TestProject | undefined] = ["", undefined];
beforeAll(async () => {
  elsewhere = mkdtempSync(join(tmpdir(), "imagemake-elsewhere-"));
  project = await builtRelease("signify()", 'into: "rel"');
});
afterAll(() => {
  project?.remove();
  rmSync(elsewhere, { recursive: true });
});

const there = (): TestProject => {
  if (project === undefined) throw new Error("no project");
  return project;
};

/** Runs, and puts a link to elsewhere in the place of a directory when the step is reached for the first time. */
async function swap(dir: string, step: Step, ...words: string[]): Promise<StepsEnd> {
  const run = startAt(there(), { step, nth: 1 }, ...words);
  await run.stopped();
  renameSync(there().path(dir), there().path("aside"));
  symlinkSync(elsewhere, there().path(dir));
  run.go();
  const end = await run.ended();
  expect(readdirSync(elsewhere)).toEqual([]);
  return end;
}

/** Undoes it. */
function putBack(dir: string): void {
  rmSync(there().path(dir), { recursive: true, force: true });
  renameSync(there().path("aside"), there().path(dir));
}

test("out/: nothing is published elsewhere, and the next build publishes", async () => {
  rmSync(there().path(`out/image-a-${DAY}.txt`));
  const { status, stderr } = await swap("out", "looked at", "image-a");
  expect(stderr).toContain("out became a symbolic link while imagemake ran");
  expect(status).toBe(2);
  putBack("out");
  expect((await there().good("image-a")).stderr).toContain("restored");
});

test.each(["files", "layers"])("the store's %s: nothing is stored elsewhere", async (name) => {
  const dir = `.imagemake/store/${name}`;
  const { status, stderr } = await swap(dir, "staged", "-B", "image-a");
  expect(stderr).toContain(`store/${name} became a symbolic link while imagemake ran`);
  expect(status).toBe(3);
  putBack(dir);
  await there().good("image-a");
});

test("a source: what a link leads to that took its place is not read", async () => {
  const project = makeProject({
    "Imagefile.ts": `import { files, run } from "imagemake";
export const copy = run({ inputs: { SRC: files("a.txt") }, cmd: 'cp "$SRC" "$OUT"', out: "copy.txt" });`,
    "a.txt": "mine\n",
    "b/secret": "another's\n",
  });
  try {
    const run = startAt(project, { step: "plan made", nth: 1 }, "copy");
    await run.stopped();
    rmSync(project.path("a.txt"));
    symlinkSync("b/secret", project.path("a.txt"));
    run.go();
    const { status, stderr } = await run.ended();
    expect(stderr).toContain("a.txt became a symbolic link while imagemake ran");
    expect(status).toBe(1);
    expect(project.names("out")).toEqual([]);
  } finally {
    project.remove();
  }
});

describe("collect", () => {
  beforeEach(async () => {
    await there().run("release", "reopen");
    for (const dir of ["rel", "aside"]) rmSync(there().path(dir), { recursive: true, force: true });
    mkdirSync(there().path("rel"));
  });

  test.each([`rel/.${DAY}.collecting/new`, `rel/.${DAY}.collecting`, "rel"])(
    "%s: nothing is written elsewhere",
    async (dir) => {
      const { status } = await swap(dir, "link named", "release", "collect");
      if (dir === "rel") expect(readdirSync(there().path("aside", DAY))).toHaveLength(3);
      else expect([2, 3]).toContain(status);
    },
  );

  test.each([
    ["a directory", (path: string) => mkdirSync(join(path, "mine"), { recursive: true })],
    ["a link", (path: string) => symlinkSync(elsewhere, path)],
  ])("leaves %s of somebody else's beside the release alone, and says so", async (_, make) => {
    const path = there().path(`rel/.${DAY}.collecting`);
    make(path);
    const { status, stderr } = await there().run("release", "collect");
    expect(stderr).toContain(`.${DAY}.collecting is in the way, and imagemake did not make it`);
    expect(status).toBe(2);
    expect(there().names("rel")).toEqual([`.${DAY}.collecting`]);
  });
});

describe("signing", () => {
  beforeAll(async () => {
    rmSync(there().path("rel"), { recursive: true });
    await there().good("release", "collect");
  });
  const sign = (): Promise<Ended> => there().run("release", "sign");

  test.each([
    `release-keys/.${DAY}.making`,
    `release-keys/.${DAY}.making/mine`,
    // By now there is a key.
    `rel/.${DAY}.signing`,
    "rel/.current.making",
  ])("%s of somebody else's is left alone, and that is said", async (path) => {
    there().write(path, "mine\n");
    const { status, stderr } = path.includes("current")
      ? await there().run("release", "promote")
      : await sign();
    expect(stderr).toContain("is in the way, and imagemake did not make it");
    expect(status).toBe(2);
    expect(there().read(path)).toBe("mine\n");
    rmSync(there().path(path.replace(/\/mine$/, "")), { recursive: true });
    if (path.includes("signing")) await there().good("release", "sign");
  });

  test("a key directory that is a link is said; one that another user made is refused", async () => {
    renameSync(there().path("release-keys"), there().path("elsewhere"));
    symlinkSync("elsewhere", there().path("release-keys"));
    const said = `${there().path("release-keys")} leads to ${there().path("elsewhere")}`;
    expect(await sign()).toMatchObject({ status: 0, stderr: expect.stringContaining(said) });
    lchownSync(there().path("release-keys"), 4343, 4343);
    const refused = "release-keys is a symbolic link, and nothing is written through it";
    expect(await sign()).toMatchObject({ status: 2, stderr: expect.stringContaining(refused) });
    rmSync(there().path("release-keys"));
    mkdirSync(there().path("release-keys"));
    symlinkSync(there().path("elsewhere", DAY), there().path("release-keys", DAY));
    const kept = `release-keys/${DAY} is a symbolic link, and keys are not kept through it`;
    expect(await sign()).toMatchObject({ status: 2, stderr: expect.stringContaining(kept) });
  });
});

test("a release file goes through no link of another user's to a directory", async () => {
  const project = makeProject({
    "8.2.ts": `import { run } from "imagemake";
export const image = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "image" });`,
  });
  try {
    mkdirSync(project.path("releases"));
    symlinkSync(elsewhere, project.path("releases/8.2"));
    lchownSync(project.path("releases/8.2"), 4343, 4343);
    const start = ["-f", "8.2.ts", "release", "start"];
    const { status, stderr } = await project.call({ env: { SUDO_UID: "4343", SUDO_GID: "4343" } }, ...start);
    expect(stderr).toContain("releases/8.2 is a symbolic link, and nothing is written through it");
    expect([status, readdirSync(elsewhere)]).toEqual([2, []]);
    // Whoever may edit the Imagefile may lead them where they want.
    lchownSync(project.path("releases/8.2"), 0, 0);
    await project.good(...start);
    expect(readdirSync(elsewhere)).toHaveLength(1);
  } finally {
    project.remove();
    for (const name of readdirSync(elsewhere)) rmSync(join(elsewhere, name));
  }
});

test("a way is gone through the links of those who are trusted, and ends in words at another's", () => {
  const base = mkdtempSync(join(tmpdir(), "imagemake-held-"));
  try {
    mkdirSync(join(base, "a/b"), { recursive: true });
    symlinkSync("../a/./b", join(base, "a/link"));
    const make = { owner: null };
    const held = holdDirectory(base, "a/link/new", { trusted: [0], make });
    expect(readdirSync(join(base, "a/b"))).toEqual(["new"]);
    renameSync(join(base, "a"), join(base, "moved"));
    mkdirSync(join(held.path, "there"));
    held.close();
    expect(readdirSync(join(base, "moved/b/new"))).toEqual(["there"]);
    lchownSync(join(base, "moved/link"), 4343, 4343);
    const another = (): unknown => holdDirectory(base, "moved/link/x", { trusted: [0], make });
    expect(another).toThrow(`${join(base, "moved/link")} is a symbolic link`);
    symlinkSync("circle", join(base, "circle"));
    expect(() => holdDirectory(base, "circle", { trusted: [0] })).toThrow("leads in a circle");
  } finally {
    rmSync(base, { recursive: true });
  }
});
