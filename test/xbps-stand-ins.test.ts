// The command lines that the xbps driver and its recipes use, by stand-ins that record their calls: so they are
// checked on machines without xbps too.
import { afterAll, expect, test } from "@jest/globals";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { makeProject } from "./support/cli.js";
import { staticBusybox } from "./support/tiny-debian.js";
import { xbpsStandIns } from "./support/xbps-stand-ins.js";

const dir = mkdtempSync(join(tmpdir(), "xbps-stand-ins-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const asRoot = process.getuid?.() === 0 ? test : test.skip;

asRoot(
  "resolving is a dry run with private root, configuration and cache, and only the snapshot's places",
  async () => {
    const standIns = xbpsStandIns(dir, "x86_64-musl");
    const project = makeProject({
      "Imagefile.ts": `import { rule, xbps } from "imagemake";
export const rootfs = rule.rootfs({ repo: xbps("${standIns.repo}"), arch: "x86_64-musl", packages: ["one"] });`,
    });
    const ended = await project.call({ under: standIns.under }, "rootfs");
    project.remove();
    const calls = standIns.calls();
    const install = calls.filter((call) => call.startsWith("xbps-install"));
    const resolving =
      /^xbps-install XBPS_ARCH=x86_64-musl XBPS_TARGET_ARCH= --dry-run --ignore-conf-repos --rootdir (\S+) --config \1\/etc\/xbps.d --cachedir \1\/cache --repository=\S+\/0 -- one$/;
    expect(install[0]).toMatch(resolving);
    expect(calls).toContain(
      "xbps-rindex XBPS_ARCH=x86_64-musl XBPS_TARGET_ARCH=x86_64-musl --add ./one-1.0_1.noarch.xbps",
    );
    const installing =
      /^xbps-install XBPS_ARCH=x86_64-musl XBPS_TARGET_ARCH= --reproducible --ignore-conf-repos --repository=\S+\/repo --cachedir=\S+\/cache --rootdir=\S+ --unpack-only --yes -- one$/;
    expect(install[1]).toMatch(installing);
    // The stand-in installs nothing, and that is noticed.
    expect(ended.stderr).toContain("resolved, but not installed by xbps: one");
    expect(ended.status).toBe(1);
  },
);

asRoot(
  "a root file system has no password but what its packages have, and needs no program for one",
  async () => {
    const shadow = "root:*:19700:0:99999:7:::\n";
    const { repo, under } = xbpsStandIns(join(dir, "whole"), "x86_64", {
      // What configures packages in the tree has nothing to run.
      "bin/sh": { copy: staticBusybox() },
      "usr/bin/xbps-reconfigure": "#!/bin/sh\n",
      "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
      "etc/shadow": shadow,
      "var/db/xbps/pkgdb-0.38.plist": "a stand-in\n",
    });
    const project = makeProject({
      "Imagefile.ts": `import { rule, xbps } from "imagemake";
export const rootfs = rule.rootfs({ repo: xbps("${repo}"), arch: "x86_64", packages: ["one"], out: "root.tar" });`,
    });
    const ended = await project.call({ under }, "rootfs");
    expect([ended.status, ended.stderr]).toEqual([0, expect.any(String)]);
    const inTar = (path: string): string =>
      execFileSync("tar", ["-xOf", project.path("out/root.tar"), path], { encoding: "utf8" });
    expect(inTar("./etc/shadow")).toBe(shadow);
    project.remove();
  },
);

asRoot(
  "a package whose name leads out of the stage is refused: its repository's index is signed by nobody",
  async () => {
    const { repo, under, file, sha256 } = xbpsStandIns(
      join(dir, "evil"),
      "x86_64",
      {},
      "../../../../evil/one",
    );
    const project = makeProject({
      "Imagefile.ts": `import { rule, xbps } from "imagemake";
export const rootfs = rule.rootfs({ repo: xbps("${repo}"), arch: "x86_64", packages: ["one"] });`,
    });
    // As if it had been fetched.
    mkdirSync(project.path(".imagemake/store/packages"), { recursive: true, mode: 0o700 });
    copyFileSync(file, project.path(".imagemake/store/packages", sha256));
    const ended = await project.call({ under }, "rootfs");
    expect(project.names("evil")).toEqual([]);
    expect([ended.stderr, ended.status]).toEqual([
      expect.stringContaining("the repository has a package whose name cannot be right"),
      3,
    ]);
    project.remove();
  },
);
