// Images from several sources through the real command line: what is in them, what `why` says of their packages, and what
// happens to package files of the user's own and to debconf's answers.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { addPackage, hostArch, makeAptRepo, poolFile, type AptRepo } from "./support/apt-repo.js";
import { makePackageProject, makeTinyRepo, type PackageProject } from "./support/packages.js";
import { tinyApt } from "./support/tiny-apt.js";
import { TINY_DEBIAN } from "./support/tiny-debian.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

/** Writes down what debconf was told when it is installed. */
const ASKS = `#!/bin/sh
cat /var/cache/debconf/config.dat >/etc/answers
`;

/** The Imagefile with more in its root filesystem. */
const imagefile = (url: string, more = ""): string => `
import { apt, files, project, rule, step } from "imagemake";
const repo = apt({
  url: ${JSON.stringify(url)},
  suite: "tiny",
  inImage: "https://mirror.example.org/debian",
  signedBy: "/usr/share/keyrings/tiny.gpg",
  sources: [
    { suite: "tiny-updates" },
    { name: "vendor", suite: "tiny-vendor", architectures: ["${hostArch()}"], inImage: "https://vendor.example.org/apt" },
    { name: "staging", suite: "tiny-staging", inImage: null },
  ],
  pins: [{ packages: "nano", pin: "release n=tiny-vendor", priority: 990 }],
  debs: files("debs"),
});
export const rootfs = rule.rootfs({
  repo, arch: "${hostArch()}", variant: "busybox", out: "rootfs-{date}.tar",
  packages: [${[...TINY_DEBIAN, "apt", "nano", "asks"].map((name) => `"${name}"`).join(", ")}],
  debconf: ["asks asks/where select Here and there", "asks asks/secret password hidden"],
  steps: [step.install(["mine"], { debconf: files("preseed.cfg") })],${more}
});
export default project({ default: [rootfs] });
`;

describe("several sources", () => {
  let project: PackageProject;
  let own: AptRepo;

  /** The text of a file of the image. */
  const inImage = (path: string): string => {
    const [tar = ""] = project.names("out").filter((name) => name.endsWith(".tar"));
    return execFileSync("tar", ["-xOf", project.path("out", tar), `./${path}`], { encoding: "utf8" });
  };
  const putDeb = (version: string): void =>
    copyFileSync(poolFile(own, "mine", version), project.path("debs", "mine.deb"));

  beforeAll(() => {
    const repo = makeTinyRepo([
      tinyApt(),
      { name: "asks", postinst: ASKS },
      { name: "debconf", files: { "/var/cache/debconf/": "" } },
    ]);
    const suite = (name: string, version: string): AptRepo =>
      makeAptRepo(repo.dir, [{ name: "nano", version }], { suite: `tiny-${name}`, pool: `pool/${name}` });
    suite("updates", "2.0");
    suite("vendor", "1.5");
    suite("staging", "0.9");
    project = makePackageProject(repo, {
      "Imagefile.ts": imagefile(repo.url),
      "preseed.cfg": "# later\nmine mine/port string 8080\n",
    });
    own = makeAptRepo(project.path("own"), [
      { name: "mine", postinst: ASKS, files: { "/usr/share/mine": "one\n" } },
    ]);
    mkdirSync(project.path("debs"));
    putDeb("1.0");
  });
  afterAll(() => project.remove());

  test("build an image that has all of them, its pins, and debconf's answers before packages ask", async () => {
    await project.run("release", "start");
    expect(await project.run()).toMatchObject({ status: 0 });
    const field = "Components: main";
    const signed = "Signed-By: /usr/share/keyrings/tiny.gpg";
    const debian = "URIs: https://mirror.example.org/debian";
    expect(inImage("etc/apt/sources.list.d/tiny.sources")).toBe(
      [
        `Types: deb\n${debian}\nSuites: tiny\n${field}\n${signed}\n`,
        `Types: deb\n${debian}\nSuites: tiny-updates\n${field}\n${signed}\n`,
        `Types: deb\nURIs: https://vendor.example.org/apt\nSuites: tiny-vendor\n${field}\nArchitectures: ${hostArch()}\n${signed}\n`,
      ].join("\n"),
    );
    expect(inImage("etc/apt/sources.list")).toBe("");
    expect(inImage("etc/apt/preferences.d/tiny.pref")).toBe(
      "Package: nano\nPin: release n=tiny-vendor\nPin-Priority: 990\n",
    );
    expect(inImage("var/lib/dpkg/status")).toMatch(/Package: nano\n(?:.+\n)*Version: 1\.5\n/);
    const answers = inImage("etc/answers");
    expect(answers).toContain("Name: asks/where\nTemplate: asks/where\nValue: Here and there\n");
    expect(answers).toContain("Name: mine/port\nTemplate: mine/port\nValue: 8080\n");
    expect(answers).not.toContain("hidden");
    expect(inImage("var/cache/debconf/passwords.dat")).toContain("Value: hidden");
    expect(await project.run()).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("nothing to do"),
    });
  });

  test("are named where packages change, and counted by show", async () => {
    expect((await project.run("show", "rootfs.tree")).stdout).toMatch(/\b1 apt packages .* \(1 local\)/);
    addPackage(own, { name: "mine", version: "2.0", postinst: ASKS });
    putDeb("2.0");
    const before = project.read(`releases/${project.names("releases")[0] ?? ""}`);
    expect((await project.run("why", "rootfs.tree")).stdout).toContain("mine 1.0 → 2.0 (local)");
    expect(await project.run()).toMatchObject({ status: 0, stderr: expect.stringContaining("built") });
    expect(inImage("var/lib/dpkg/status")).toMatch(/Package: mine\n(?:.+\n)*Version: 2\.0\n/);
    const snapshots = (text: string): unknown => (JSON.parse(text) as { snapshots: unknown }).snapshots;
    expect(snapshots(project.read(`releases/${project.names("releases")[0] ?? ""}`))).toEqual(
      snapshots(before),
    );
  });

  test("an answer that debconf cannot read is refused, and so is a package file that is none", async () => {
    writeFileSync(project.path("preseed.cfg"), "mine mine/port\n");
    const said = await project.run();
    expect([said.status, said.stderr]).toEqual([
      1,
      expect.stringContaining("debconf cannot take its answers"),
    ]);
    writeFileSync(project.path("preseed.cfg"), "mine mine/port string 8080\n");
    writeFileSync(project.path("debs", "broken.deb"), "none");
    const broken = await project.run();
    expect([broken.status, broken.stderr]).toEqual([
      2,
      expect.stringContaining("debs/broken.deb is not a package that dpkg can read"),
    ]);
    project.write(
      "Imagefile.ts",
      imagefile(project.repo.url).replace('files("debs")', 'files("gone/*.deb")'),
    );
    expect(await project.run("-n")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("package files: nothing matches gone/*.deb"),
    });
  });
});
