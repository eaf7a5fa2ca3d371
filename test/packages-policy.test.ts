// What the configuration of a repository demands holds at once: signatures that are asked for from now on, other keys,
// packages that are left out. Through the real command line and the real package managers; a build that was made under
// another configuration is never "nothing to do" before its packages were verified.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fingerprint } from "../rules/drivers/xbps/keys.js";
import { served } from "./support/apt-driver.js";
import { makeAptRepo } from "./support/apt-repo.js";
import { archProject, cleanUp as cleanUpArch } from "./support/arch-project.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { makePackageProject, makeTinyRepo, platforms } from "./support/packages.js";
import { confOf, lackingForPacman, makeKey } from "./support/pacman-repo.js";
import { cleanUp, newDir, rpmProject, TINY_SYSTEM, yumConf, type RpmProject } from "./support/rpm-project.js";
import { lackingForRpm, makeRpmKey, makeRpmRepo } from "./support/rpm-repo.js";
import { skipping } from "./support/skipping.js";
import { addPackages, hasXbps } from "./support/void-repo.js";

jest.setTimeout(180_000);

afterAll(() => {
  cleanUp();
  cleanUpArch();
});

/** Exit 3 with these words, however often it is tried, and never up to date. */
async function refused(project: TestProject, words: RegExp, ...args: string[]): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    const { status, stderr } = await project.run(...args);
    expect([stderr, status]).toEqual([expect.stringMatching(words), 3]);
    expect((await project.run("-q", ...args)).status).toBe(1);
  }
}

const RENEWED =
  /the configuration or the keys of .* are not those of its snapshot .* a new snapshot was taken/;

/** All is done, a new snapshot is told of, and only `built` ran; then there is nothing to do. */
async function renewed(project: TestProject, built: readonly string[], ...args: string[]): Promise<void> {
  const told = await project.events({}, ...args);
  expect([JSON.stringify(told.events), told.status]).toEqual([expect.stringMatching(RENEWED), 0]);
  expect(told.which("built")).toEqual(built);
  expect((await project.run("-q", ...args)).status).toBe(0);
}

const withRpm = lackingForRpm().length === 0 ? describe : describe.skip;
if (lackingForRpm().length > 0) skipping("packages-policy", `there is no ${lackingForRpm().join(", ")}`);

withRpm("dnf", () => {
  let project: RpmProject;
  const CHECKED = "gpgcheck=1\nrepo_gpgcheck=0\n";
  const UNCHECKED = "gpgcheck=0\nrepo_gpgcheck=0\n";

  test("gpgcheck=1 after gpgcheck=0: what is not signed does not stay, in this release or another", async () => {
    const unsigned = makeRpmRepo(join(newDir(), "unsigned"), TINY_SYSTEM);
    const mine = rpmProject({ "yum.conf": yumConf(unsigned.url, UNCHECKED) });
    await mine.good("rootfs");
    mine.write("yum.conf", yumConf(unsigned.url, CHECKED));
    const words = /not signed by any of the keys in keys\/\*: base 1\.0-1 \(noarch\)/;
    await refused(mine, words, "rootfs");
    await refused(mine, words, "rootfs", "--release", "20400101");
    mine.write("yum.conf", yumConf(unsigned.url, UNCHECKED));
    await renewed(mine, [], "rootfs");
  });

  test("a whole distribution that is not signed is a few names and a number", async () => {
    const crowd = Array.from({ length: 30 }, (_, i) => `p${i}`);
    const unsigned = makeRpmRepo(join(newDir(), "crowd"), [
      ...TINY_SYSTEM,
      ...crowd.map((name) => ({ name })),
    ]);
    const mine = rpmProject({ "yum.conf": yumConf(unsigned.url, CHECKED) });
    mine.write("packages.lst", ["base", ...crowd].join("\n"));
    await refused(
      mine,
      /not signed by any of the keys in keys\/\*: (?:[^,\n]+, ){9}[^,\n]+ and 2\d more$/m,
      "rootfs",
    );
  });

  describe("what is signed", () => {
    beforeAll(async () => {
      project = rpmProject();
      project.write("yum.conf", yumConf(project.repo.url, UNCHECKED));
      await project.good();
    });

    test("is verified when that is asked for, and not built again", async () => {
      project.write("yum.conf", yumConf(project.repo.url, CHECKED));
      await renewed(project, []);
      project.write("yum.conf", yumConf(project.repo.url, "gpgcheck=1\nrepo_gpgcheck=1\n"));
      await renewed(project, []);
    });

    test("by a key that is none any more is refused, whether that is in a file of the same name or not", async () => {
      const mine = project.read("keys/RPM-GPG-KEY-tiny");
      const other = makeRpmKey(join(newDir(), "gnupg"));
      copyFileSync(other, project.path("keys/RPM-GPG-KEY-tiny"));
      await refused(project, /signed by none of the keys|not signed by any of the keys/);
      project.write("yum.conf", yumConf(project.repo.url, CHECKED));
      await refused(project, /not signed by any of the keys in keys\/\*: /);
      // Beside the other it is one of the keys.
      project.write("keys/zz-again", mine);
      await renewed(project, []);
    });

    test("and left out from now on is not in what is resolved anew", async () => {
      await project.good("MORE=extra");
      project.write("yum.conf", yumConf(project.repo.url, `${CHECKED}excludepkgs=extra\n`));
      const { status, stderr } = await project.run("MORE=extra");
      expect([stderr, status]).toEqual([expect.stringContaining("there is no package extra in tiny"), 2]);
      project.write("yum.conf", yumConf(project.repo.url, `${CHECKED}includepkgs=a*,b*,f*,w*\n`));
      const included = await project.run();
      expect([included.stderr, included.status]).toEqual([expect.stringContaining("libone"), 2]);
    });

    test("what [main] leaves out is left out where a section has a list of its own", async () => {
      const conf = yumConf(project.repo.url, `${CHECKED}excludepkgs=ocaml\n`);
      project.write("yum.conf", conf.replace("[main]\n", "[main]\nexclude=extra, other*\n"));
      const { status, stderr } = await project.run("MORE=extra");
      expect([stderr, status]).toEqual([expect.stringContaining("there is no package extra in tiny"), 2]);
      await project.good();
    });

    test("where it lies is no part of it", async () => {
      const moved = join(newDir(), "moved");
      cpSync(project.repo.dir, moved, { recursive: true, preserveTimestamps: true });
      project.write("yum.conf", yumConf(`file://${moved}`, CHECKED));
      await project.good();
      project.write("yum.conf", yumConf(project.repo.url, CHECKED));
      const { stderr } = await project.good();
      expect(stderr).not.toMatch(RENEWED);
    });
  });
});

const withPacman = lackingForPacman().length === 0 ? describe : describe.skip;
if (lackingForPacman().length > 0)
  skipping("packages-policy", `there is no ${lackingForPacman().join(", ")}`);

withPacman("pacman", () => {
  test("SigLevel, another keyring, and what is not to be installed", async () => {
    const project = archProject();
    const conf = (sigLevel: string, options = ""): void =>
      project.write("pacman.conf", confOf([project.repo], { sigLevel, options }));
    conf("Never");
    expect((await project.run("rootfs")).status).toBe(0);
    conf("Required");
    await renewed(project, [], "rootfs");
    const key = project.path("keys/tiny.gpg");
    const mine = join(newDir(), "mine.gpg");
    copyFileSync(key, mine);
    const home = join(newDir(), "gnupg");
    makeKey(home);
    copyFileSync(join(home, "public.gpg"), key);
    await refused(project, /signed by none of the keys in/, "rootfs");
    conf("PackageRequired DatabaseNever");
    await refused(
      project,
      /packages from .* were not accepted; pacman says .*(?:signature|required key)/,
      "rootfs",
    );
    copyFileSync(mine, key);
    await renewed(project, [], "rootfs");
    conf("PackageRequired DatabaseNever", "IgnorePkg = wit*");
    const { status, stderr } = await project.run("rootfs");
    expect([stderr, status]).toEqual([expect.stringMatching(/witness.*IgnorePkg/), 2]);
  });
});

test("apt: another keyring, and a directory that is not signed where keys are named", async () => {
  const project = makePackageProject(makeTinyRepo([], { sign: true }));
  const other = makeAptRepo(newDir(), [], { sign: true });
  copyFileSync(project.repo.keyring ?? "", project.path("tiny.gpg"));
  const imagefile = (more: string): void =>
    project.write(
      "Imagefile.ts",
      platforms(project.repo.url).replace('suite: "tiny"', `suite: "tiny"${more}`),
    );
  imagefile(', keys: files("*.gpg")');
  await project.good();
  copyFileSync(other.keyring ?? "", project.path("tiny.gpg"));
  await refused(project, /cannot read apt tiny main .*(?:NO_PUBKEY|not signed|couldn't be verified)/s);
  copyFileSync(project.repo.keyring ?? "", project.path("zz.gpg"));
  await renewed(project, []);
  for (const name of ["InRelease", "Release.gpg"])
    rmSync(join(project.repo.dir, "dists/tiny", name), { force: true });
  imagefile("");
  await renewed(project, []);
  imagefile(', keys: files("*.gpg")');
  await refused(project, /cannot read apt tiny main .*not signed/s);
  project.remove();
});

const withXbps = hasXbps() ? test : test.skip;

withXbps("xbps: keys for what is not signed, packages that are not, and another key", async () => {
  const [dir, spare] = [newDir(), newDir()];
  const one = { name: "one", files: { "usr/bin/one": "#!/bin/sh\n" } };
  for (const place of [dir, spare]) addPackages(place, [one]);
  const key = join(newDir(), "key.pem");
  execFileSync("openssl", ["genrsa", "-out", key, "2048"], { stdio: "pipe" });
  const sign = (...words: readonly string[]): void =>
    void execFileSync("xbps-rindex", ["--privkey", key, "--signedby", "a test", ...words], {
      env: { ...process.env, XBPS_TARGET_ARCH: "x86_64" },
      stdio: "pipe",
    });
  sign("--sign", spare);
  const meta = execFileSync("tar", ["xOf", join(spare, "x86_64-repodata"), "index-meta.plist"]);
  await served(dir, async (url) => {
    const project = makeProject({
      "Imagefile.ts": `import { files, rule, xbps } from "imagemake";
const repo = xbps(["${url}"]);
export const rootfs = rule.rootfs({ repo, arch: "x86_64", packages: ["one"], out: "root.tar" });`,
    });
    // It is no whole system: an action that is begun fails, after all has been verified.
    const begun = async (): Promise<void> => {
      const { status, stderr } = await project.run("rootfs");
      expect([stderr, status]).toEqual([expect.stringContaining("xbps-reconfigure failed in the tree"), 1]);
    };
    await begun();
    project.write(
      "Imagefile.ts",
      project.read("Imagefile.ts").replace("])", '], { keys: files("keys/*") })'),
    );
    const public1 = createPublicKey(readFileSync(key));
    const file = project.path("keys", `${fingerprint(public1)}.plist`);
    mkdirSync(project.path("keys"));
    writeFileSync(file, meta);
    await refused(project, /is not signed, although keys are given for it/, "rootfs");
    sign("--sign", dir);
    await refused(project, /the signature of one 1\.0_1 cannot be fetched/, "rootfs");
    sign("--sign-pkg", join(dir, "one-1.0_1.noarch.xbps"));
    await begun();
    rmSync(file);
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = Buffer.from(publicKey.export({ type: "spki", format: "pem" })).toString("base64");
    const other = String(meta).replace(/(<key>public-key<\/key>\s*<data>)[^<]*/, `$1${pem}`);
    writeFileSync(project.path("keys", `${fingerprint(publicKey)}.plist`), other);
    await refused(project, /is signed with the key \S+, which is not among the keys given/, "rootfs");
    project.remove();
  });
});
