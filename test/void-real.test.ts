// The unmodified scripts of a real void-mklive checkout: one artifact of each kind that this can make anywhere. They
// run when VOID_MKLIVE names the checkout and VOID_REPO a repository that holds what they install.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { skipping } from "./support/skipping.js";
import { hasXbps } from "./support/void-repo.js";

jest.setTimeout(600_000);

const { VOID_MKLIVE: mklive, VOID_REPO: repo } = process.env;
const withScripts = hasXbps() && mklive !== undefined && repo !== undefined ? describe : describe.skip;
if (withScripts === describe.skip)
  skipping("void-real", "VOID_MKLIVE, VOID_REPO or the programs of xbps are missing");

withScripts("with VOID_MKLIVE, VOID_REPO and xbps", () => {
  let project: TestProject;
  const words = (...more: string[]): string[] => [
    `MKLIVE=${mklive ?? ""}`,
    `REPOSITORY=${repo ?? ""}`,
    ...more,
  ];
  const MADE = ["rootfs-x86_64", "platformfs-GCP", "pxe-x86_64", "wsl-x86_64"];
  beforeAll(async () => {
    const fixture = new URL("../../fixtures/void/Imagefile.ts", import.meta.url);
    project = makeProject({ "Imagefile.ts": readFileSync(fixture, "utf8") });
    await project.good("--release", "20260101", ...words(...MADE));
  });
  afterAll(() => project.remove());

  test("each has its name, and the scripts' own contents", () => {
    const files = {
      "void-x86_64-ROOTFS-20260101.tar.xz": "./etc/shadow",
      "void-GCP-PLATFORMFS-20260101.tar.xz": "./etc/shadow",
      "void-x86_64-NETBOOT-20260101.tar.gz": "./pxelinux.cfg/default",
      "void-x86_64-20260101.wsl": "./etc/shadow",
    };
    expect(project.names("out")).toEqual(Object.keys(files).sort());
    for (const [file, inside] of Object.entries(files)) {
      const names = execFileSync("tar", ["-tf", project.path("out", file)], { encoding: "utf8" });
      expect(names.split("\n")).toContain(inside);
    }
  });

  test("a second run has nothing to do", async () => {
    const { stderr } = await project.good("--release", "20260101", ...words(...MADE));
    expect(stderr).toContain("nothing to do");
  });

  test("a live image fails early where no vfat can be mounted, or has a boot loader for UEFI", async () => {
    const { status, stderr } = await project.run("--release", "20260101", ...words("live-iso-x86_64-base"));
    if (status === 0) expect(project.names("out")).toContain("void-live-x86_64-20260101-base.iso");
    else expect(stderr).toMatch(/needs the file system vfat|has no packages?|this machine lacks/);
  });
});
