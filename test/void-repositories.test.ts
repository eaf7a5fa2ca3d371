// Several repositories of xbps are asked in their order, and packages that replace others: with the real xbps.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { renameSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { skipping } from "./support/skipping.js";
import { addPackages, hasXbps, tinyVoid } from "./support/void-repo.js";

jest.setTimeout(180_000);

const able = hasXbps() && process.getuid?.() === 0;
if (!able) skipping("void-repositories", "the programs of xbps (or root) are missing");

const imagefile = (places: readonly string[]): string => `import { rule, xbps } from "imagemake";
const repo = xbps(${JSON.stringify(places)});
const root = rule.rootfs({ repo, arch: "x86_64", packages: ["base-container-full", "alt", "which"] });
export const tarball = rule.platformfs({ from: root, packages: ["dialog"], out: "tarball.tar" });
export const layer = rule.platformfs({ from: root, packages: ["new"], out: "layer.tar" });
export const first = rule.rootfs({ repo, arch: "x86_64", packages: ["base-files", "new", "alt"], out: "first.tar" });
export const second = rule.platformfs({ from: root, packages: ["new2", "alt2"], out: "second.tar" });
`;

(able ? describe : describe.skip)("repositories of xbps", () => {
  let project: TestProject;
  const which = (): string =>
    execFileSync("tar", ["-xOf", project.path("out/tarball.tar"), "./etc/which"], { encoding: "utf8" });

  beforeAll(() => {
    project = makeProject({ "Imagefile.ts": imagefile(["a", "b", "repo"]) });
    for (const place of ["a", "b"]) {
      addPackages(project.path(place), [{ name: "which", files: { "etc/which": `from ${place}` } }]);
    }
    addPackages(project.path("repo"), [
      ...tinyVoid(),
      { name: "alt" },
      { name: "new", version: "2.0_1", replaces: ["alt<=2"] },
      { name: "alt2" },
      { name: "new2", version: "2.0_1", replaces: ["alt2<=2"] },
    ]);
  });
  afterAll(() => project.remove());

  test("the first that has a package gives it; in another order they are another configuration", async () => {
    await project.good("tarball");
    expect(which()).toBe("from a");
    project.write("Imagefile.ts", imagefile(["b", "a", "repo"]));
    expect((await project.run("-q", "tarball")).status).toBe(1);
    const told = await project.events({}, "tarball");
    expect([told.status, JSON.stringify(told.events)]).toEqual([
      0,
      expect.stringMatching(/the configuration or the keys of xbps .* a new snapshot was taken/),
    ]);
    expect(which()).toBe("from b");
  });

  test("where they lie is no configuration", async () => {
    renameSync(project.path("b"), project.path("c"));
    renameSync(project.path("a"), project.path("b"));
    project.write("Imagefile.ts", imagefile(["c", "b", "repo"]));
    expect((await project.run("-q", "tarball")).status).toBe(0);
  });

  test("a package that would remove one of the tree beneath is refused, with the name of that", async () => {
    const { status, stderr } = await project.run("layer");
    expect([stderr, status]).toEqual([
      expect.stringMatching(/removed what the tree beneath holds.*: alt\n/),
      1,
    ]);
  });

  test("of two packages of one list, one of which replaces the other, no tree beneath is spoken of", async () => {
    for (const [target, name] of [
      ["first", "alt"],
      ["second", "alt2"],
    ] as const) {
      const { status, stderr } = await project.run(target);
      expect([stderr, status]).toEqual([
        expect.stringContaining(`${name}-1.0_1 is replaced by another package that is asked for`),
        3,
      ]);
      expect(stderr).not.toMatch(/tree beneath|resolves both again/);
    }
  });
});
