// The checkout is the truth: what an edit to its Makefile and scripts says is in what is resolved, in both ways, or the
// build says what it cannot follow. The checkout is a stand-in (support/void-checkout.ts).
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";
import { skipping } from "./support/skipping.js";
import { voidRepository, writeCheckout } from "./support/void-checkout.js";
import { hasXbps } from "./support/void-repo.js";

jest.setTimeout(240_000);

const HAS_XBPS = hasXbps();
const withXbps = HAS_XBPS ? describe : describe.skip;
if (!HAS_XBPS) skipping("void-followed", "the programs of xbps are missing");

let dir: string;
let project: TestProject;
const checkout = (...path: string[]): string => join(dir, "mklive", ...path);
const words = (...more: string[]): string[] => [
  `REPOSITORY=${join(dir, "repo")}`,
  `MKLIVE=${checkout()}`,
  "MKLIVE_REV=abc",
  ...more,
];
const imagemake = (...more: string[]): Promise<Ended> => project.run(...words(...more));

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-void-"));
  const fixture = new URL("../../fixtures/void/Imagefile.ts", import.meta.url);
  project = makeProject({ "Imagefile.ts": readFileSync(fixture, "utf8") });
  writeCheckout(checkout());
  if (HAS_XBPS) voidRepository(join(dir, "repo"));
});
afterAll(() => {
  project.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** Replaces `from` by `to` in a file of the checkout while `look` looks. */
async function edited<T>(name: string, from: string, to: string, look: () => Promise<T>): Promise<T> {
  const before = readFileSync(checkout(name), "utf8");
  expect(before).toContain(from);
  writeFileSync(checkout(name), before.replace(from, to));
  try {
    return await look();
  } finally {
    writeFileSync(checkout(name), before);
  }
}

describe("names", () => {
  test.each([
    [
      "T_PLATFORMS = ",
      "T_PLATFORMS = rock64 ",
      "platformfs-all-print",
      "void-rock64-PLATFORMFS-20260101.tar.xz",
    ],
    [
      "\nARCHS := $(shell echo ",
      "\nARCHS := $(shell echo armv5tel ",
      "rootfs-all-print",
      "void-armv5tel-ROOTFS-20260101.tar.xz",
    ],
    [
      "LIVE_FLAVORS := ",
      "LIVE_FLAVORS := mine ",
      "live-iso-all-i686-print",
      "void-live-i686-20260101-mine.iso",
    ],
    ["WSL_ARCHS := ", "WSL_ARCHS := i686 ", "wsl-all-print", "void-i686-20260101.wsl"],
  ])("an edit of the Makefile, %s to %s, is in the first line of %s", async (from, to, group, expected) => {
    const { stdout } = await edited("Makefile", from, to, () =>
      project.good(...words("DATECODE=20260101", group)),
    );
    expect(stdout.split("\n")[0]).toBe(expected);
  });

  test.each([
    ["PLATFORMS=rock64", "platformfs-all-print", "void-rock64-PLATFORMFS-20260101.tar.xz\n"],
    [
      "SBC_IMGS=rock64 pinebookpro",
      "images-all-sbc-print",
      "void-pinebookpro-20260101.img.xz\nvoid-rock64-20260101.img.xz\n",
    ],
  ])("%s, which no list has and lib.sh knows, works as with make", async (variable, group, expected) => {
    expect((await project.good(...words("DATECODE=20260101", variable, group))).stdout).toBe(expected);
  });

  test("a platform that lib.sh does not know is wrong usage on the command line, and said of the Makefile", async () => {
    const unknown = await imagemake("PLATFORMS=no-board", "platformfs-all-print");
    expect(unknown.stderr).toContain("PLATFORMS=no-board: not one of");
    expect(unknown.status).toBe(2);
    const listed = await edited("Makefile", "T_PLATFORMS = ", "T_PLATFORMS = no-board ", () =>
      imagemake("list"),
    );
    expect(listed.stderr).toContain("no architecture is known for the platform no-board of lib.sh");
    expect(listed.status).toBe(2);
  });

  test("a Makefile that make cannot read is said in make's words", async () => {
    const { status, stderr } = await edited("Makefile", "SUDO := sudo", "ifeq (", () => imagemake("list"));
    expect(stderr).toMatch(/what the Makefile of .* says of the release is not available/);
    expect(stderr).toContain("Makefile:");
    expect(status).toBe(3);
  });

  test("the evaluated Imagefile is kept until a file that was read changes", async () => {
    project.write(
      "kept.ts",
      `import { arg, preset, run } from "imagemake";
console.error("evaluated");
export const { rootfs } = preset.voidLinux({ build: "native", mklive: arg("MKLIVE", ".") });
export const hello = run({ inputs: {}, cmd: \`echo hello > "$OUT"\`, out: "hello.txt" });
`,
    );
    const evaluated = async (): Promise<boolean> =>
      (await project.good("-f", "kept.ts", ...words("hello"))).stderr.includes("evaluated\n");
    expect(await evaluated()).toBe(true);
    expect(await evaluated()).toBe(false);
    writeFileSync(checkout("README.md"), "read me\n");
    expect(await evaluated()).toBe(false);
    await edited("Makefile", "sudo", "doas", async () => expect(await evaluated()).toBe(true));
  });
});

describe("options of the preset", () => {
  const preset = (options: string): string =>
    `export const { rootfs, platformfs, liveIso } = preset.voidLinux({ mklive: arg("MKLIVE", "."), ${options} });\n`;
  const list = (options: string, ...more: readonly string[]) => {
    project.write("options.ts", `import { arg, list, preset, step } from "imagemake";\n${preset(options)}`);
    return imagemake("-f", "options.ts", ...(more.length === 0 ? ["list"] : more));
  };

  test.each([
    [
      'build: "scripts", steps: { rootfs: [] }',
      "steps: expected nothing, because the scripts run unmodified",
    ],
    [
      'build: "scripts", packages: { rootfs: ["vim"] }',
      "packages.rootfs: expected nothing, because mkrootfs.sh has no option for more packages",
    ],
    ['build: "scripts", rootPassword: "locked"', 'rootPassword: expected nothing or "voidlinux"'],
    [
      'build: "scripts", packages: { platformfs: list("names") }',
      "packages.platformfs: the scripts take names, and no list()",
    ],
    [
      'build: "native", flavours: { mine: { like: "no-such" } }',
      "flavours.mine: expected a new name, and in like one of base, ",
    ],
    ['build: "native", kernel: ["linux", "linux-lts"]', "kernel: expected the name of a kernel's package"],
    [
      'build: "native", platforms: ["no-board"]',
      "no architecture is known for the platform no-board of lib.sh",
    ],
  ])("%s is refused in words", async (options, said) => {
    const { status, stderr } = await list(options);
    expect(stderr).toContain(said);
    expect(status).toBe(2);
  });

  test.each(["scripts", "native"])(
    "names, platforms and flavours are those that are said, with %s",
    async (way) => {
      const options = `build: "${way}", name: "mine", platforms: ["rock64"], flavours: { desk: { like: "base", packages: ["vim"] } }`;
      const print = async (group: string) => {
        const { status, stdout, stderr } = await list(options, "DATECODE=20260101", group);
        expect([status, stderr]).toEqual([0, ""]);
        return stdout.trimEnd().split("\n");
      };
      expect((await print("rootfs-all-print")).every((name) => name.startsWith("mine-"))).toBe(true);
      expect(await print("platformfs-all-print")).toContain("mine-rock64-PLATFORMFS-20260101.tar.xz");
      expect(await print("live-iso-all-x86_64-print")).toContain("mine-live-x86_64-20260101-desk.iso");
    },
  );

  test("half a checkout is said", async () => {
    renameSync(checkout("lib.sh"), checkout("lib.away"));
    try {
      const { status, stderr } = await imagemake("list");
      expect(stderr).toContain("has mkrootfs.sh, but not both Makefile and lib.sh");
      expect(status).toBe(2);
    } finally {
      renameSync(checkout("lib.away"), checkout("lib.sh"));
    }
  });
});

withXbps("packages", () => {
  /** What an edit asks for more, and is not there: the message names it with its list. */
  const EDITS = [
    [
      "mkrootfs.sh",
      "pkg=base-container-full",
      'pkg="base-container-full lacking"',
      "rootfs-x86_64",
      "mkrootfs.sh for x86_64",
    ],
    ["Makefile", "-b wsl-base", '-b "wsl-base lacking"', "wsl-x86_64", "mkrootfs.sh for x86_64"],
    [
      "mkplatformfs.sh",
      "system GCP-base",
      "system GCP-base lacking",
      "platformfs-GCP",
      "mkplatformfs.sh for GCP",
    ],
    ["mknet.sh", "linux dracut", "linux lacking dracut", "pxe-x86_64", "mknet.sh for x86_64"],
    ["mkimage.sh", "cloud-guest-utils", "lacking", "images-cloud-GCP", "mkimage.sh for GCP"],
    ["mkiso.sh", 'pkgs="base-live"', 'pkgs="lacking"', "live-iso-x86_64-base", "mkiso.sh for x86_64 base"],
    [
      "mklive.sh",
      "base-system jq",
      "base-system lacking",
      "live-iso-x86_64-base",
      "mkiso.sh for x86_64 base",
    ],
  ] as const;
  describe.each(["scripts", "native"])("built by %s", (way) => {
    test.each(EDITS)("%s: %s as %s is resolved for %s", async (name, from, to, target, list) => {
      const { status, stderr } = await edited(name, from, to, () => imagemake(`BUILD=${way}`, target));
      // Of several that are not there, those of the stand-in's repository, any may be the first.
      if (name !== "mkiso.sh" && name !== "mklive.sh")
        expect(stderr).toContain("no package lacking for x86_64");
      expect(stderr).toContain("lacking");
      expect(stderr).toContain(`the package list of ${list}`);
      expect(status).toBe(3);
    });

    test("what cannot be followed is said before anything is built", async () => {
      const inside = await edited(
        "mkrootfs.sh",
        'install "$pkg"',
        'install "$pkg"; chroot "$ROOTFS" xbps-install -y more',
        () => imagemake(`BUILD=${way}`, "rootfs-x86_64"),
      );
      expect(inside.stderr).toContain("asks for packages in a way that cannot be followed");
      expect(inside.stderr).toContain("chroot ROOT xbps-install -y more");
      const failing = await edited("mkrootfs.sh", 'install "$pkg"', "no-such-program || exit 7", () =>
        imagemake(`BUILD=${way}`, "rootfs-x86_64"),
      );
      expect(failing.stderr).toContain("./mkrootfs.sh could not be followed");
      expect(failing.stderr).toContain("it ended with status 7");
      const other = await edited("Makefile", "\t$(SUDO) ./mknet.sh $<", "\tcurl -O everything", () =>
        imagemake(`BUILD=${way}`, "pxe-x86_64"),
      );
      expect(other.stderr).toContain('the Makefile runs "curl -O everything", which only make can do');
      expect([inside.status, failing.status, other.status]).toEqual([3, 3, 3]);
    });
  });

  test.each([
    ["\t$(SUDO) ./mkrootfs.sh", "\t$(SUDO) ./mkrootfs.sh -C mine.conf", "rootfs-x86_64", "./mkrootfs.sh -C"],
    [
      "./mkimage.sh -x $(COMPRESSOR_THREADS) $<",
      "./mkimage.sh -s 2GiB $<",
      "images-cloud-GCP",
      "./mkimage.sh -s",
    ],
    ["\t$(SUDO) ./mkiso.sh", "\t$(SUDO) ./mkiso.sh -q 1", "live-iso-x86_64-base", "./mkiso.sh -q"],
  ])("native refuses options that it does not follow: %s as %s", async (from, to, target, odd) => {
    const { status, stderr } = await edited("Makefile", from, to, () => imagemake("BUILD=native", target));
    expect(stderr).toContain(`the Makefile gives ${odd}, which build: "native" does not follow`);
    expect(status).toBe(3);
  });
});
