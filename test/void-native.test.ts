// Void's trees, built by the typed rules with the real xbps, beside those of void-mklive's own scripts. It needs the
// programs of xbps, and root; the comparison also a checkout of void-mklive, which the variable VOID_MKLIVE names.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";
import { compareTrees } from "./support/compare-trees.js";
import { wrongModes } from "./support/packages.js";
import { skipping } from "./support/skipping.js";
import { librariesOf } from "./support/tiny-debian.js";
import { KEY } from "./support/void-checkout.js";
import { addPackages, CHPASSWD, hasXbps, tinyVoid } from "./support/void-repo.js";

jest.setTimeout(300_000);

const able = hasXbps() && process.getuid?.() === 0;
const checkout = process.env["VOID_MKLIVE"] ?? "";
const withXbps = able ? describe : describe.skip;
const withScripts = able && existsSync(join(checkout, "mkrootfs.sh")) ? test : test.skip;
if (!able) skipping("void-native", "the programs of xbps (or root) are missing");
else if (withScripts === test.skip)
  skipping("void-native's comparison with the scripts", "VOID_MKLIVE names no checkout");

/** The host's. */
const XZ = "/usr/bin/xz";

/** "voidlinux", as Void documents it. */
const DOCUMENTED =
  "$6$voidlinux$BO7DcnHzNRbwd7FDDgoRbfoDnNgvv1Nyjm3LovBwtsm6Lj6jxpZsDKCCH2sr4hD6OYHVQAbnSwI0ThvCnaUL8.";

const IMAGEFILE = `
import { each, files, rule, step, xbps, arg } from "imagemake";
const repo = xbps(arg("REPOSITORY", "./repo"));
const steps = [step.users({ root: { password: { hash: "${DOCUMENTED}" } } })];
export const bare = rule.rootfs({ repo, arch: "x86_64", packages: ["base-container-full"], out: "bare.tar" });
export const rootfs = each(["x86_64"], (arch) =>
  rule.rootfs({ repo, arch, packages: ["base-container-full"], steps, out: \`void-\${arch}-ROOTFS-{date}.tar.xz\` }));
export const platformfs = { GCP: rule.platformfs({ from: rootfs.x86_64, packages: ["base-system", "GCP-base"],
  out: "void-GCP-PLATFORMFS-{date}.tar.xz" }) };
export const wsl = { x86_64: rule.rootfs({ repo, arch: "x86_64", packages: ["wsl-base"], steps, pack: "tar.xz", out: "void-x86_64-{date}.wsl" }) };
const module = (name: string, number: string) => step.overlay("dracut/" + name, { to: "usr/lib/dracut/modules.d/" + number + name });
export const pxe = { x86_64: rule.pxe({ from: rootfs.x86_64, menu: files("pxelinux.cfg/pxelinux.cfg.in"), splash: files("data/splash.png"),
  steps: [module("netmenu", "05"), step.overlay(files("installer.sh"), { to: "usr/lib/dracut/modules.d/05netmenu" }), module("autoinstaller", "01")],
  out: "void-x86_64-NETBOOT-{date}.tar.gz" }) };
`;

/** Of a checkout of void-mklive, what a netboot tarball reads; of its own making where there is none. */
const NETBOOT: Readonly<Record<string, string>> = {
  "dracut/netmenu/module-setup.sh": "#!/bin/sh\n",
  "dracut/autoinstaller/module-setup.sh": "#!/bin/sh\n",
  "installer.sh": "#!/bin/sh\n",
  "pxelinux.cfg/pxelinux.cfg.in":
    "MENU BACKGROUND @@SPLASHIMAGE@@\nTITLE @@BOOT_TITLE@@ @@KERNVER@@ @@ARCH@@\n",
  "data/splash.png": "no picture\n",
};

/** The same release by the preset. */
const PRESET = `import { arg, preset } from "imagemake";
const given = arg("ROOT", "");
const rootPassword = given === "" ? {} : { rootPassword: given.startsWith("$") ? { hash: given } : "locked" as const };
export const { rootfs, wsl } = preset.voidLinux({ build: "native", repository: "./repo", ...rootPassword });
`;

withXbps("a Void release, natively", () => {
  let project: TestProject;
  const out = (word: string): string => {
    const name = project.names("out").find((one) => one.includes(word));
    if (name === undefined) throw new Error(`out/ has no ${word}`);
    return project.path("out", name);
  };
  const unpack = (file: string, name: string): string => {
    const dir = project.path("trees", name);
    mkdirSync(dir, { recursive: true });
    execFileSync("tar", ["xf", file, "--xattrs", "--xattrs-include=*", "-C", dir]);
    return dir;
  };

  beforeAll(async () => {
    project = makeProject({ "Imagefile.ts": IMAGEFILE });
    addPackages(project.path("repo"), tinyVoid());
    for (const [path, text] of Object.entries(NETBOOT)) project.write(path, text);
    if (withScripts === test) {
      for (const path of ["dracut", "installer.sh", "pxelinux.cfg", "data"]) {
        cpSync(join(checkout, path), project.path(path), { recursive: true });
      }
    }
    await project.good("rootfs-all", "platformfs-all", "pxe-all", "wsl-all");
  });
  afterAll(() => project.remove());

  withScripts("differs from what the scripts make only as docs/void-native.md allows", () => {
    const mklive = project.path("mklive");
    cpSync(checkout, mklive, { recursive: true });
    rmSync(join(mklive, "keys"), { recursive: true });
    mkdirSync(join(mklive, "keys"));
    writeFileSync(join(mklive, "keys", "none.plist"), "no key: the repository is not signed\n");
    const script = (...words: string[]): void => {
      execFileSync("unshare", ["--mount", "--propagation=private", ...words], {
        cwd: mklive,
        env: { PATH: process.env["PATH"] ?? "", XBPS_REPOSITORY: " " },
        stdio: "pipe",
      });
    };
    const repo = ["-r", project.path("repo"), "-x", "1"];
    script("./mkrootfs.sh", ...repo, "-o", "void-x86_64-ROOTFS-1.tar.xz", "x86_64");
    script("./mkplatformfs.sh", ...repo, "-o", "GCP.tar.xz", "GCP", "void-x86_64-ROOTFS-1.tar.xz");
    script("./mkrootfs.sh", ...repo, "-b", "wsl-base", "-o", "void-x86_64-1.wsl", "x86_64");
    // It takes its repositories from the image beside those it is given.
    script("./mknet.sh", "-r", project.path("repo"), "void-x86_64-ROOTFS-1.tar.xz");
    const netboot = readdirSync(mklive).find((name) => name.includes("NETBOOT")) ?? "";
    const pairs = [
      ["netboot", join(mklive, netboot), out("NETBOOT")],
      ["rootfs", join(mklive, "void-x86_64-ROOTFS-1.tar.xz"), out("ROOTFS")],
      ["platformfs", join(mklive, "GCP.tar.xz"), out("PLATFORMFS")],
      ["wsl", join(mklive, "void-x86_64-1.wsl"), out(".wsl")],
    ] as const;
    const differences = pairs.flatMap(([name, theirs, ours]) =>
      compareTrees(unpack(theirs, `scripts-${name}`), unpack(ours, `native-${name}`)).map(
        (line) => `${name}/${line}`,
      ),
    );
    const allowed = allowedDifferences();
    const unexplained = differences.filter((line) => !allowed.some((one) => one.test(line)));
    // The checkout's keys are not under test: their stand-in is in one tree only.
    expect(unexplained.filter((line) => !line.includes("/var/db/xbps/keys"))).toEqual([]);
    expect(allowed.filter((one) => !differences.some((line) => one.test(line))).map(String)).toEqual([]);
  });

  test("has every mode that its packages say, beneath what was mounted over too", () => {
    const tree = unpack(out("PLATFORMFS"), "modes");
    const packages = project.names("repo").filter((name) => name.endsWith(".xbps"));
    expect(
      wrongModes(
        tree,
        packages.map((name) => project.path("repo", name)),
      ),
    ).toEqual([]);
    // The script of base-files gives these; what it leaves to the umask has 755.
    const modes = ["tmp", "var/tmp", "root", "proc", "sys", "dev", "run"].map((dir) =>
      (lstatSync(join(tree, dir)).mode & 0o7777).toString(8),
    );
    expect(modes).toEqual(["1777", "1777", "700", "755", "755", "755", "755"]);
  });

  test("root has no password where nobody gives one", async () => {
    await project.good("bare");
    expect(rootOf(project.path("out/bare.tar"))).toBe("*");
  });

  test("by the preset, root has the documented password, or what it is told", async () => {
    const other = makeProject({ "Imagefile.ts": PRESET, [KEY.file]: KEY.text });
    renameSync(project.path("repo"), other.path("repo"));
    for (const [words, wanted] of [
      [[], DOCUMENTED],
      [["ROOT=locked"], "!"],
      [["ROOT=$6$salt$own"], "$6$salt$own"],
    ] as const) {
      await other.good(...words, "rootfs-x86_64", "wsl-x86_64");
      const made = other.names("out").filter((name) => /ROOTFS|\.wsl/.test(name));
      expect(made.map((name) => rootOf(other.path("out", name)))).toEqual([wanted, wanted]);
    }
    renameSync(other.path("repo"), project.path("repo"));
    other.remove();
  });

  test("two builds of one closure give the same bytes", async () => {
    const before = [out("ROOTFS"), out("PLATFORMFS")].map((file) => readFileSync(file));
    await project.good("-B", "rootfs-all", "platformfs-all");
    const after = [out("ROOTFS"), out("PLATFORMFS")].map((file) => readFileSync(file));
    expect(after.map((bytes, i) => bytes.equals(before[i] ?? Buffer.alloc(0)))).toEqual([true, true]);
  });

  test("no trace of where packages came from stays in the image", () => {
    const tree = unpack(out("PLATFORMFS"), "trace");
    const files = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const traces = [project.dir, ".imagemake", "/stage/"].flatMap((word) =>
      files
        .filter((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(word))
        .map((entry) => `${entry.name}: ${word}`),
    );
    expect(traces).toEqual([]);
  });

  test("a repository that moved builds nothing again", async () => {
    renameSync(project.path("repo"), project.path("moved"));
    await project.good("release", "refresh", "REPOSITORY=./moved");
    const told = await project.events({}, "REPOSITORY=./moved", "rootfs-all", "platformfs-all");
    renameSync(project.path("moved"), project.path("repo"));
    expect(told.status).toBe(0);
    expect(told.which("built")).toEqual([]);
  });

  test("a new version of a package rebuilds what has it in its closure, after a refresh, and nothing else", async () => {
    addPackages(project.path("repo"), [{ name: "dracut", version: "2.0_1", depends: ["busybox"] }]);
    expect((await project.events({}, "rootfs-all", "platformfs-all")).which("built")).toEqual([]);
    const refreshed = await project.good("release", "refresh");
    expect(refreshed.stdout + refreshed.stderr).toMatch(/dracut.*1\.0_1.*2\.0_1/);
    const told = await project.events({}, "rootfs-all", "platformfs-all");
    expect(told.which("built")).toEqual(["platformfs-GCP", "platformfs-GCP.tree"]);
    const why = await project.good("why", "platformfs-GCP.tree");
    expect(why.stdout + why.stderr).toContain("dracut");
  });

  test("a failing INSTALL script fails the build", async () => {
    const other = makeProject({ "Imagefile.ts": IMAGEFILE });
    const broken = tinyVoid().map((pkg) =>
      pkg.name === "xbps"
        ? { ...pkg, files: { ...pkg.files, INSTALL: "#!/bin/sh\necho no luck\nexit 1\n" } }
        : pkg,
    );
    addPackages(other.path("repo"), broken);
    const ended = await other.run("rootfs-all");
    other.remove();
    expect(ended.status).toBe(1);
  });
});

/** Root's password in a tarball. */
const rootOf = (file: string): string =>
  /^root:([^:]*)/m.exec(execFileSync("tar", ["xOf", file, "./etc/shadow"], { encoding: "utf8" }))?.[1] ?? "";

/** A dracut that leaves in its archives what the real one may: times, inode numbers, an uncompressed archive first. */
const VARYING = `#!/bin/sh
set -e
echo "dracut (stand-in)"
while [ $# -gt 2 ]; do shift; done
w=$(mktemp -d /tmp/dracut.XXXXXX)
mkdir -p "$w/early/kernel" "$w/main/lib"
echo microcode >"$w/early/kernel/code"
echo one >"$w/main/lib/one"
ln "$w/main/lib/one" "$w/main/lib/same"
(cd "$w/early" && find . | sort | cpio -o -H newc) >"$1"
(cd "$w/main" && find . | sort | cpio -o -H newc) | /usr/bin/xz --check=crc32 >>"$1"
rm -r "$w"
chmod 600 "$1"
`;

withXbps("an initial RAM file system that holds the times of its build", () => {
  const projects: TestProject[] = [];
  afterAll(() => projects.forEach((project) => project.remove()));

  test("gives the same netboot tarball in two directories, with all that was in it", async () => {
    const libraries = librariesOf([XZ]).filter((path) => !librariesOf([CHPASSWD]).includes(path));
    const packages = tinyVoid().map((pkg) => {
      if (pkg.name === "dracut") return { ...pkg, files: { "usr/bin/dracut": VARYING } };
      const copies = [XZ, ...libraries].map((path) => [path.slice(1), { copy: path }] as const);
      return pkg.name === "xz" ? { ...pkg, files: Object.fromEntries(copies) } : pkg;
    });
    const made: Buffer[] = [];
    while (made.length < 2) {
      const project = makeProject({ "Imagefile.ts": IMAGEFILE, ...NETBOOT });
      projects.push(project);
      addPackages(project.path("repo"), packages);
      await project.good("pxe-all");
      const name = project.names("out").find((one) => one.includes("NETBOOT")) ?? "";
      made.push(readFileSync(project.path("out", name)));
    }
    const [one = Buffer.alloc(0), other] = made;
    const initrd = execFileSync("tar", ["xzO", "./initrd"], { input: one });
    const packed = initrd.indexOf(Buffer.from("fd377a585a00", "hex"));
    const names = (archive: Buffer): string[] =>
      execFileSync("cpio", ["-it", "--quiet"], { input: archive, encoding: "utf8" })
        .trim()
        .split("\n")
        .sort();
    expect(names(initrd.subarray(0, packed))).toEqual([".", "kernel", "kernel/code"]);
    const main = execFileSync("xz", ["-dc"], { input: initrd.subarray(packed) });
    expect(names(main)).toEqual([".", "lib", "lib/one", "lib/same"]);
    expect(other?.equals(one)).toBe(true);
  });
});

withXbps("what a person can mend is said in one line", () => {
  const dir = mkdtempSync(join(tmpdir(), "void-native-"));
  const say = async (
    repository: string,
    packages: string,
    keys = "",
  ): Promise<{ status: number | null; stderr: string }> => {
    const project = makeProject({
      "Imagefile.ts": `import { files, list, rule, xbps } from "imagemake";
export const rootfs = rule.rootfs({ repo: xbps("${repository}"${keys}), arch: "x86_64", packages: list("base.list") });`,
      "base.list": packages,
    });
    const ended = await project.run("rootfs");
    project.remove();
    return ended;
  };
  beforeAll(() => addPackages(join(dir, "repo"), tinyVoid()));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test.each([
    [
      "a package that is not there, and the list that asks for it",
      () => say(join(dir, "repo"), "busybox\nnosuch\n"),
      /nosuch.*base\.list/,
    ],
    ["a directory that is not there", () => say(join(dir, "none"), "busybox\n"), /none does not exist/],
    ["a directory without packages", () => say(dir, "busybox\n"), /has no packages for x86_64/],
    ["a server that does not answer", () => say("http://127.0.0.1:9/void", "busybox\n"), /cannot be reached/],
    [
      "a key that is none",
      () => say(join(dir, "repo"), "busybox\n", `, { keys: files("base.list") }`),
      /not an RSA key/,
    ],
  ])("%s", async (_, call, words) => {
    const ended = await call();
    expect(ended.stderr).toMatch(words);
    expect(ended.status).toBe(3);
  });

  test("a signed repository is refused without its key, and taken with it", async () => {
    const signed = join(dir, "signed");
    addPackages(signed, tinyVoid());
    const key = join(dir, "key.pem");
    execFileSync("openssl", ["genrsa", "-out", key, "2048"], { stdio: "pipe" });
    execFileSync("xbps-rindex", ["--privkey", key, "--sign", "--signedby", "a test", signed], {
      stdio: "pipe",
      env: { ...process.env, XBPS_TARGET_ARCH: "x86_64" },
    });
    const refused = await say(signed, "base-container-full\n");
    expect([refused.status, refused.stderr]).toEqual([
      3,
      expect.stringContaining("is not among the keys given"),
    ]);
    const print = /signed with the key ([0-9a-f:]{47})/.exec(refused.stderr)?.[1] ?? "";
    const meta = execFileSync("tar", ["xOf", join(signed, "x86_64-repodata"), "index-meta.plist"], {
      encoding: "utf8",
    });
    mkdirSync(join(dir, "keys"));
    writeFileSync(join(dir, "keys", `${print}.plist`), meta.replace(/>\s+</g, "><"));
    const taken = await say(signed, "base-container-full\n", `, { keys: files("${dir}/keys/*.plist") }`);
    expect([taken.status, taken.stderr]).toEqual([0, expect.any(String)]);
  });
});

withXbps("a signed repository over HTTP", () => {
  let project: TestProject;
  let server: Server;
  const place = (): string => {
    const address = server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  };
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `import { arg, files, rule, xbps } from "imagemake";
const repo = xbps(arg("REPOSITORY", "./repo"), { keys: files("*.plist", { from: arg("KEYS", "keys") }) });
export const rootfs = rule.rootfs({ repo, arch: "x86_64", packages: ["base-container-full"] });`,
    });
    addPackages(project.path("repo"), tinyVoid());
    signRepository(project.path("repo"), project.path("key.pem"), project.path("keys"));
    server = createServer((request, response) => {
      const file = project.path("repo", (request.url ?? "").replace(/^\/+/, ""));
      if (!existsSync(file)) response.writeHead(404).end();
      else response.end(readFileSync(file));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterAll(() => {
    server.close();
    project.remove();
  });
  const forget = (): void => rmSync(project.path(".imagemake"), { recursive: true, force: true });

  test("builds, and has the key of the same repository in a directory", async () => {
    await project.good(`REPOSITORY=${place()}`, "rootfs");
    await project.good("release", "refresh");
    const told = await project.events({}, "rootfs");
    expect([told.status, told.which("built")]).toEqual([0, []]);
  });

  test("keys in a checkout elsewhere have the key of those in the project", async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), "void-keys-"));
    cpSync(project.path("keys"), elsewhere, { recursive: true });
    const words = [`REPOSITORY=${place()}`, `KEYS=${elsewhere}`];
    await project.good("release", "refresh", ...words);
    const told = await project.events({}, ...words, "rootfs");
    rmSync(elsewhere, { recursive: true });
    expect([told.status, told.which("built")]).toEqual([0, []]);
  });

  test("a package with another one's signature is refused", async () => {
    forget();
    const sig = (name: string): string => project.path("repo", `${name}-1.0_1.noarch.xbps.sig2`);
    const good = readFileSync(sig("busybox"));
    cpSync(sig("shadow"), sig("busybox"));
    const ended = await project.run(`REPOSITORY=${place()}`, "rootfs");
    writeFileSync(sig("busybox"), good);
    expect(ended.stderr).toMatch(
      /busybox\S*sig2 is not a signature of busybox 1\.0_1 by one of the keys given/,
    );
    expect(ended.status).toBe(3);
  });

  test("a package that the server has no more is named, with what helps", async () => {
    forget();
    rmSync(project.path("repo", "busybox-1.0_1.noarch.xbps"));
    const ended = await project.run(`REPOSITORY=${place()}`, "rootfs");
    expect(ended.stderr).toMatch(/has dropped busybox 1\.0_1[^]*release refresh/);
    expect(ended.status).toBe(3);
  });
});

/** Signs index and packages with a new key, whose public half goes to `keys`. */
function signRepository(repo: string, key: string, keys: string): void {
  const env = { ...process.env, XBPS_TARGET_ARCH: "x86_64" };
  const index = (...words: string[]) =>
    execFileSync("xbps-rindex", ["--privkey", key, ...words], { stdio: "pipe", env });
  execFileSync("openssl", ["genrsa", "-out", key, "2048"], { stdio: "pipe" });
  index("--sign", "--signedby", "a test", repo);
  index(
    "--sign-pkg",
    ...readdirSync(repo)
      .filter((name) => name.endsWith(".xbps"))
      .map((name) => join(repo, name)),
  );
  const said = execFileSync("xbps-query", ["-i", "-vL", `--repository=${repo}`], { encoding: "utf8", env });
  const print = /[0-9a-f]{2}(?::[0-9a-f]{2}){15}/.exec(said)?.[0] ?? "";
  mkdirSync(keys);
  const meta = execFileSync("tar", ["xOf", join(repo, "x86_64-repodata"), "index-meta.plist"], {
    encoding: "utf8",
  });
  writeFileSync(join(keys, `${print}.plist`), meta);
}

/** The table's patterns. */
function allowedDifferences(): readonly RegExp[] {
  const text = readFileSync(new URL("../../docs/void-native.md", import.meta.url), "utf8");
  return [...text.matchAll(/^\| `(\^[^`]*)` +\| .+ \|$/gm)].map((row) => new RegExp(row[1] ?? ""));
}
