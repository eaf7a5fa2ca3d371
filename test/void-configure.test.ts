// Scripts of Void's packages that fail: of many packages the one that is to blame is named. With the real
// xbps-reconfigure in the tree, which writes nothing of what it did when it fails.
import { execFileSync } from "node:child_process";
import { afterAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { librariesOf } from "./support/tiny-debian.js";
import { addPackages, hasXbps, tinyVoid, type VoidPackage } from "./support/void-repo.js";

jest.setTimeout(120_000);

/** The host's, with the libraries that the others of its packages do not bring. */
function realReconfigure(): VoidPackage {
  const program = execFileSync("sh", ["-c", "command -v xbps-reconfigure"], { encoding: "utf8" }).trim();
  const others = new Set(tinyVoid().flatMap(({ files = {} }) => Object.keys(files)));
  const libraries = librariesOf([program])
    .map(
      (path) =>
        [
          path.replace(/^\/usr\/local\/lib\//, "/usr/lib/x86_64-linux-gnu/").slice(1),
          { copy: path },
        ] as const,
    )
    .filter(([path]) => !others.has(path));
  return {
    name: "xbps",
    files: { "usr/bin/xbps-reconfigure": { copy: program }, ...Object.fromEntries(libraries) },
  };
}

const eleven = (culprit: number): VoidPackage[] =>
  Array.from({ length: 11 }, (_, at) => ({
    name: `pkg${String(at)}`,
    files: {
      INSTALL: `#!/bin/sh\n[ "$1" = pre ] || echo "script of pkg${String(at)}"\n${at === culprit ? '[ "$1" = pre ]' : ":"}\n`,
    },
  }));

(hasXbps() ? describe : describe.skip)("of eleven packages the one whose script fails is named", () => {
  let project: TestProject;
  afterAll(() => project.remove());

  test("in a root filesystem, and on one", async () => {
    project = makeProject({
      "Imagefile.ts": `import { rule, xbps } from "imagemake";
const repo = xbps("./repo");
const eleven = Array.from({ length: 11 }, (_, at) => "pkg" + String(at));
const base = ["base-container-full", "xbps"];
export const root = rule.rootfs({ repo, arch: "x86_64", packages: [...base, ...eleven], out: "root.tar" });
export const on = rule.platformfs({
  from: rule.rootfs({ repo, arch: "x86_64", packages: base }), packages: eleven, out: "on.tar",
});
`,
    });
    const packages = [...tinyVoid().filter(({ name }) => name !== "xbps"), realReconfigure(), ...eleven(6)];
    addPackages(project.path("repo"), packages);
    for (const target of ["root", "on"]) {
      const { status, stderr } = await project.run(target);
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining("  | pkg6-1.0_1 could not be configured\n"),
      ]);
    }
  });
});
