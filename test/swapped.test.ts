// A link that takes the place of a directory while imagemake writes there: whoever owns the directory could have root
// write elsewhere.
import { lchownSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { holdDirectory } from "../cache/held.js";
import type { Step } from "../cache/steps.js";
import type { TestProject } from "./support/cli.js";
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

describe("collect", () => {
  test.each([`rel/.${DAY}.collecting/new`, `rel/.${DAY}.collecting`, "rel"])(
    "%s: nothing is written elsewhere",
    async (dir) => {
      await there().run("release", "reopen");
      const { status } = await swap(dir, "link named", "release", "collect");
      if (dir === "rel") expect(readdirSync(there().path("aside", DAY))).toHaveLength(3);
      else expect(status).toBe(3);
      rmSync(there().path("rel"), { recursive: true });
      rmSync(there().path("aside"), { recursive: true });
      mkdirSync(there().path("rel"));
    },
  );

  test.each([
    ["a directory", (path: string) => mkdirSync(join(path, "mine"), { recursive: true })],
    ["a link", (path: string) => symlinkSync(elsewhere, path)],
  ])("leaves %s of somebody else's beside the release alone, and says so", async (_, make) => {
    await there().run("release", "reopen");
    const path = there().path(`rel/.${DAY}.collecting`);
    make(path);
    const { status, stderr } = await there().run("release", "collect");
    expect(stderr).toContain(`.${DAY}.collecting is in the way, and imagemake did not make it`);
    expect(status).toBe(2);
    expect(there().names("rel")).toEqual([`.${DAY}.collecting`]);
    rmSync(path, { recursive: true });
  });
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
