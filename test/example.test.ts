// The example Imagefile for real: Debian's mirror, mmdebstrap, a kernel, and QEMU. Slow, so there is little of it.
import { afterAll, describe, expect, test } from "@jest/globals";
import { createHash } from "node:crypto";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeProject, type TestProject } from "./support/cli.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MINUTES = 60_000;

function exampleProject(): TestProject {
  const project = makeProject({});
  for (const name of ["Imagefile.ts", "fixtures"])
    cpSync(join(ROOT, name), project.path(name), { recursive: true });
  return project;
}

/** Name → SHA-256 of everything in out/. */
const sums = (project: TestProject): Record<string, string> =>
  Object.fromEntries(
    project.names("out").map((name) => [
      name.replace(/\d{8}/, "DATE"),
      createHash("sha256")
        .update(readFileSync(project.path("out", name)))
        .digest("hex"),
    ]),
  );

describe("the example", () => {
  const [first, second] = [exampleProject(), exampleProject()];
  afterAll(() => {
    first.remove();
    second.remove();
  });

  test(
    "the mini netboot tarball is the same bit for bit from two directories on two days",
    async () => {
      const built = await first.run();
      expect(built).toMatchObject({ status: 0 });
      const again = await second.call({ under: ["faketime", "2031-05-06 07:08:09"] });
      expect(again).toMatchObject({ status: 0 });
      expect(second.names("out")).toEqual(["debian-mini-NETBOOT-20310506.tar.gz"]);
      expect(sums(second)).toEqual(sums(first));
    },
    10 * MINUTES,
  );

  test("a second run of it does nothing, in less than a second", async () => {
    // The first idle run may still find files that changed too lately to be believed.
    await first.run();
    const started = performance.now();
    const idle = await first.run();
    expect(idle.stderr).toContain("nothing to do");
    expect(performance.now() - started).toBeLessThan(1000);
  });

  test(
    "it boots over the network to a login",
    async () => {
      const booted = await first.run("boots-pxe-mini");
      expect(booted).toMatchObject({ status: 0 });
      const log = await first.run("log", "boots-pxe-mini");
      expect(log.stdout).toMatch(/login:/);
    },
    10 * MINUTES,
  );

  // With UEFI it takes as long again, and CI has not the time; the smaller image boots so in live-boots.test.ts.
  test.each(process.env["IMAGEMAKE_EXPENSIVE"] === "1" ? ["bios", "uefi"] : ["bios"])(
    "the live image of Debian boots to a login, with %s",
    async (firmware) => {
      const booted = await first.run(`boots-iso-standard-${firmware}-cd`);
      expect(booted.stderr).not.toContain("failed");
      expect(booted).toMatchObject({ status: 0 });
    },
    20 * MINUTES,
  );

  test(
    "the live image of Debian is the same bit for bit when all of it is built again",
    async () => {
      await first.good("iso-standard");
      const before = sums(first);
      await first.good("-B", "iso-standard");
      expect(sums(first)).toEqual(before);
    },
    15 * MINUTES,
  );

  test(
    "a root filesystem of another architecture is built under emulation",
    async () => {
      const built = await first.run("rootfs-arm64-mini.tree");
      expect(built).toMatchObject({ status: 0 });
    },
    10 * MINUTES,
  );

  test(
    "a platform filesystem is layers on its root filesystem, which is not packed for it",
    async () => {
      const built = await first.run("platformfs-cloud.tree");
      expect(built).toMatchObject({ status: 0 });
      expect(first.names("out").filter((name) => name.includes("ROOTFS"))).toEqual([]);
      expect((await first.run("-q", "platformfs-cloud.tree")).status).toBe(0);
    },
    10 * MINUTES,
  );
});
