// RPM repositories as distributions publish them, through the real command line: every kind of index that createrepo_c
// writes, what a resolver has to know beside names, modules and their streams, and packages that change in place.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeProject } from "./support/cli.js";
import {
  comps,
  list,
  metalink,
  modules,
  PRESTODELTA,
  recompress,
  reindex,
  unlist,
  UPDATEINFO,
} from "./support/rpm-index.js";
import { addRpms, lackingForRpm, makeRpmRepo, type RpmPackage } from "./support/rpm-repo.js";
import { cleanUp, newDir, rpmProject, TINY_SYSTEM, type RpmProject } from "./support/rpm-project.js";
import { skipping } from "./support/skipping.js";

jest.setTimeout(120_000);

const lacking = lackingForRpm();
if (lacking.length > 0) skipping("dnf-repositories", `there is no ${lacking.join(", ")}`);
const withRpm = lacking.length === 0 ? describe : describe.skip;
afterAll(cleanUp);

/** One target from what yum.conf names. PACKAGES= is what is in it, ABOVE= what is put on it. */
const IMAGEFILE = `
import { arg, dnf, files, rule } from "imagemake";
const repo = dnf(files("yum.conf"));
const words = (name: string): string[] => arg(name, "").split(",").filter((one) => one !== "");
export const rootfs = rule.rootfs({ repo, arch: "x86_64", packages: words("PACKAGES"), out: "rootfs.tar" });
export const above = rule.platformfs({ from: rootfs, packages: words("ABOVE"), out: "above.tar" });
export const mirror = rule.mirror({ repo, arch: "x86_64", out: "mirror.tar" });
`;

/** A project over repositories that are there already: sections by their ids, with their options. */
const projectOf = (sections: Readonly<Record<string, string>>): RpmProject =>
  rpmProject({
    "Imagefile.ts": IMAGEFILE,
    "yum.conf": Object.entries(sections)
      .map(([id, options]) => `[${id}]\nname=${id}\n${options}\n`)
      .join(""),
  });

/** The packages of `rootfs.tree`, as `name version.arch`. */
async function packagesOf(
  project: RpmProject,
  target: string,
  ...args: string[]
): Promise<readonly string[]> {
  await project.good(target, ...args);
  const { stdout } = await project.good("show", `${target}.tree`, "--json", ...args);
  const { packages } = JSON.parse(stdout) as {
    readonly packages: readonly { readonly name: string; readonly version: string; readonly arch: string }[];
  };
  return packages.map(({ name, version, arch }) => `${name} ${version}.${arch}`).sort();
}

/** What a run says that ends with `status`. */
async function refused(project: RpmProject, status: number, ...args: string[]): Promise<string> {
  const ran = await project.run(...args);
  expect([ran.status, ran.status === status ? "" : ran.stderr]).toEqual([status, ""]);
  return ran.stderr;
}

withRpm("an index", () => {
  let top: string;
  const KINDS = [
    ["fedora", "updateinfo, prestodelta, groups, modules, a certificate, zchunk beside gzip"],
    ["el7", "bzip2, and databases"],
    ["xz", "xz"],
    ["zst", "zstd"],
    ["sha512", "SHA-512"],
    ["sha384", "SHA-384"],
    ["simple", "no digests in its names"],
    ["bare", "no lists of files"],
    ["elsewhere", "packages at another address"],
    ["mirrorlist", "found by a list of mirrors"],
    ["metalink", "found by a metalink"],
    ["epel7", "found by a list of mirrors that is a metalink"],
  ] as const;
  const at = (id: string): string => join(top, id);
  beforeAll(() => {
    top = newDir();
    const all = KINDS.map(([id]): RpmPackage => ({ name: `of-${id}`, files: { [`/opt/${id}`]: id } }));
    const { dir } = makeRpmRepo(join(top, "all"), all);
    for (const [id] of KINDS) {
      mkdirSync(join(at(id), "Packages"), { recursive: true });
      cpSync(
        join(dir, "Packages", `of-${id}-1.0-1.noarch.rpm`),
        join(at(id), `Packages/of-${id}-1.0-1.noarch.rpm`),
      );
    }
    writeFileSync(join(top, "comps.xml"), comps({ core: ["of-fedora"] }));
    reindex(at("fedora"), "--zck", "--groupfile", join(top, "comps.xml"));
    list(at("fedora"), "updateinfo", "updateinfo.xml", UPDATEINFO, "--zck");
    list(at("fedora"), "prestodelta", "prestodelta.xml", PRESTODELTA);
    list(at("fedora"), "modules", "modules.yaml", modules("nothing", { 1: [] }), "--compress-type", "xz");
    list(at("fedora"), "productid", "productid", "certificate\n");
    reindex(at("el7"), "--database", "--general-compress-type", "bz2");
    reindex(at("xz"), "--general-compress-type", "xz");
    for (const id of ["zst", "bare", "mirrorlist", "metalink", "epel7"]) reindex(at(id), "--no-database");
    recompress(at("zst"));
    unlist(at("bare"), "filelists");
    for (const kind of ["sha512", "sha384"]) reindex(at(kind), "--checksum", kind);
    reindex(at("simple"), "--simple-md-filenames");
    reindex(at("elsewhere"), "--baseurl", `file://${join(top, "all")}`);
    rmSync(join(at("elsewhere"), "Packages"), { recursive: true });
    writeFileSync(join(top, "mirrors"), `file:///nonexistent\nfile://${at("mirrorlist")}\n`);
    writeFileSync(join(top, "metalink.xml"), metalink(at("metalink")));
    writeFileSync(join(top, "epel7-metalink.xml"), metalink(at("epel7")));
  });

  test(`of any kind is read: ${KINDS.map(([, what]) => what).join("; ")}`, async () => {
    const sections = KINDS.map(([id]): [string, string] => [id, `baseurl=file://${at(id)}`]);
    const project = projectOf({
      ...Object.fromEntries(sections),
      mirrorlist: `mirrorlist=file://${join(top, "mirrors")}`,
      metalink: `metalink=file://${join(top, "metalink.xml")}`,
      epel7: `mirrorlist=file://${join(top, "epel7-metalink.xml")}`,
    });
    const names = KINDS.map(([id]) => `of-${id}`);
    expect(await packagesOf(project, "rootfs", `PACKAGES=${names.join(",")}`)).toEqual(
      names.map((name) => `${name} 1.0-1.noarch`).sort(),
    );
    const files = execFileSync("tar", ["-tf", project.path("out/rootfs.tar")], { encoding: "utf8" });
    for (const [id] of KINDS) expect(files).toContain(`./opt/${id}\n`);
    // What resolving has no use for was not fetched.
    const [digest = ""] = project.names(".imagemake/store/snapshots");
    const held = project.names(`.imagemake/store/snapshots/${digest}/0/repodata`).join(" ");
    expect(held).toMatch(/primary\.xml\.gz/);
    expect(held).not.toMatch(/updateinfo|prestodelta|productid|other\.xml|sqlite|zck/);
    // A package whose digest is longer is kept, and looked after, as any other.
    expect((await project.good("cache", "verify")).stdout).toMatch(/12 packages/);
    const again = await project.good("-B", "rootfs", `PACKAGES=${names.join(",")}`);
    expect(again.stderr).not.toMatch(/damaged|^fetch/m);
  });

  test.each([
    ["md5", ["--checksum", "md5"], [], "it has md5 checksums of its packages"],
    ["sha", ["--checksum", "sha"], [], "it has sha1 checksums of its packages"],
    ["sha224", ["--checksum", "sha224"], [], "it has sha224 checksums of its packages"],
    ["weak in the index alone", ["--repomd-checksum", "sha1"], [], "it has sha1 checksums of its primary"],
    ["zchunk alone", ["--zck", "--no-database"], ["primary", "filelists", "other"], "in zchunk alone"],
    ["a database alone", ["--database"], ["primary"], "as a sqlite database alone"],
    [
      "files in zchunk alone",
      ["--zck", "--no-database"],
      ["filelists"],
      "its list of files is there in zchunk alone",
    ],
    [
      "files in a database alone",
      ["--database"],
      ["filelists"],
      "its list of files is there as a sqlite database",
    ],
  ] as const)("that cannot be read in full is named: %s", async (_, args, without, said) => {
    const dir = join(newDir(), "repo");
    cpSync(at("bare"), dir, { recursive: true });
    reindex(dir, ...args);
    unlist(dir, ...without);
    const project = projectOf({ odd: `baseurl=file://${dir}` });
    const stderr = await refused(project, 3, "rootfs", "PACKAGES=of-bare");
    expect(stderr).toContain("cannot read the repository odd of dnf odd");
    expect(stderr).toContain(said);
  });

  test("that ends too early, as its checksum has it, is named", async () => {
    const dir = join(newDir(), "repo");
    cpSync(at("bare"), dir, { recursive: true });
    reindex(dir, "--no-database");
    recompress(dir, 8);
    const stderr = await refused(
      projectOf({ odd: `baseurl=file://${dir}` }),
      3,
      "rootfs",
      "PACKAGES=of-bare",
    );
    expect(stderr).toContain("its metadata cannot be unpacked: zstd ended with status 1");
  });
});

withRpm("groups and modules", () => {
  // Without its list of modules a package of a stream that is not enabled would be taken, in silence.
  test.each([
    ["group", "groups", "@core"],
    ["modules", "modules", "app"],
  ] as const)("in zchunk alone are named: %s", async (type, called, want) => {
    const top = newDir();
    const { dir } = makeRpmRepo(join(top, "repo"), [{ name: "app" }, { name: "app", version: "2.0" }]);
    writeFileSync(join(top, "comps.xml"), comps({ core: ["app"] }));
    reindex(dir, "--zck", "--no-database", "--groupfile", join(top, "comps.xml"));
    const streams = { 1: ["app-0:1.0-1.noarch"], 2: ["app-0:2.0-1.noarch"] };
    list(dir, "modules", "modules.yaml", modules("tool", streams), "--zck");
    unlist(dir, ...(type === "group" ? ["group", "group_gz"] : ["modules"]));
    const project = projectOf({ odd: `baseurl=file://${dir}` });
    expect(await refused(project, 3, "rootfs", `PACKAGES=${want}`)).toContain(
      `its list of ${called} is there in zchunk alone, which librepo of this machine does not read`,
    );
  });
});

describe("variables of a configuration", () => {
  test("are filled, and one that nobody fills is named with how", async () => {
    const project = makeProject({
      "Imagefile.ts": `
import { dnf, files, rule } from "imagemake";
const repo = dnf(files("rocky.repo"), { releasever: "9", vars: { rltype: "", contentdir: "pub" } });
export const rootfs = rule.rootfs({ repo, arch: "x86_64", packages: ["bash"] });
`,
      "rocky.repo": `[baseos]
mirrorlist=https://mirrors.example.org/list?arch=$basearch&repo=BaseOS-$releasever$rltype
baseurl=https://mirror.example.org/$contentdir/\${releasever}/$basearch/os/
`,
    });
    const { stdout } = await project.good("show", "rootfs", "--json");
    expect(stdout).toContain('https://mirrors.example.org/list?arch=$basearch&repo=BaseOS-9"');
    expect(stdout).toContain("https://mirror.example.org/pub/9/$basearch/os/");
    // In a mirror each would lie in the other: both lie where their names say.
    project.write(
      "rocky.repo",
      ["a", "b/os"]
        .map(
          (at) => `[${at[0] ?? ""}]\nbaseurl=https://e.org/${at[0] ?? ""}/Every/$basearch/${at.slice(2)}\n`,
        )
        .join(""),
    );
    const both = (await project.good("show", "rootfs", "--json")).stdout;
    expect(both.match(/(?<="path": ")[^"]+/g)).toEqual(["a/$basearch", "b/$basearch"]);
    project.write("rocky.repo", `[cs]\nmetalink=https://mirror.example.org/?repo=$stream&arch=$basearch\n`);
    expect((await project.run("-n")).stderr).toContain(
      "rocky.repo: [cs] has $stream; dnf(…, { vars: { stream: … } }) says what that is",
    );
    project.remove();
  });
});

withRpm("a package", () => {
  const PACKAGES: readonly RpmPackage[] = [
    {
      name: "top",
      requires: ["/opt/deep/file", "newer >= 1:1.0", "(ifthere if both)", "both"],
      recommends: ["weak"],
    },
    { name: "deep", files: { "/opt/deep/file": "\n" } },
    { name: "newer", version: "2.0" },
    { name: "newer", version: "1.0", tags: [["Epoch", "1"]] },
    { name: "newer", version: "1.1", tags: [["Epoch", "1"]] },
    { name: "ifthere" },
    ...["x86_64", "i686"].map((arch) => ({ name: "both", arch, files: { [`/opt/${arch}`]: "\n" } })),
    { name: "weak" },
    { name: "top", version: "9", arch: "src" },
    { name: "other", arch: "aarch64" },
  ];
  let project: RpmProject;
  beforeAll(() => {
    const { url } = makeRpmRepo(join(newDir(), "repo"), PACKAGES);
    project = projectOf({ tiny: `baseurl=${url}` });
  });
  const NEEDED = ["deep 1.0-1.noarch", "ifthere 1.0-1.noarch", "newer 1:1.1-1.noarch", "top 1.0-1.noarch"];

  test("comes with what it needs by a file, an epoch, a condition; not in another architecture, version, or as its source", async () => {
    expect(await packagesOf(project, "rootfs", "PACKAGES=top")).toEqual(["both 1.0-1.x86_64", ...NEEDED]);
    const both = ["both 1.0-1.i686", "both 1.0-1.x86_64", ...NEEDED];
    expect(await packagesOf(project, "rootfs", "PACKAGES=top,both.x86_64,both.i686")).toEqual(both);
    expect(await refused(project, 2, "rootfs", "PACKAGES=other")).toContain("other");
  });
});

withRpm("modules", () => {
  let project: RpmProject;
  beforeAll(() => {
    const repo = makeRpmRepo(join(newDir(), "repo"), [
      ...TINY_SYSTEM.filter(({ name }) => ["filesystem", "busybox", "base"].includes(name)),
      { name: "release", provides: ["base-module(platform:el8)"] },
      { name: "app" },
      { name: "app", version: "2.0" },
      { name: "addon", version: "2.0" },
    ]);
    const streams = { 1: ["app-0:1.0-1.noarch"], 2: ["app-0:2.0-1.noarch", "addon-0:2.0-1.noarch"] };
    list(repo.dir, "modules", "modules.yaml", modules("tool", streams));
    project = projectOf({ tiny: `baseurl=${repo.url}` });
  });
  const BASE = "PACKAGES=base,app";

  test("have their default stream, for the platform that the repository's release package names", async () => {
    expect(await packagesOf(project, "rootfs", BASE)).toContain("app 1.0-1.noarch");
  });

  test("have another stream where it is asked for, and what is put on top has the same one", async () => {
    expect(await packagesOf(project, "rootfs", `${BASE},@tool:2/common`)).toContain("app 2.0-1.noarch");
    expect(await packagesOf(project, "above", `${BASE},@tool:2/common`, "ABOVE=addon")).toEqual([
      "addon 2.0-1.noarch",
    ]);
  });

  test("have another stream without a profile too, where it has no default one; a stream that is not there is named", async () => {
    expect(await packagesOf(project, "rootfs", `${BASE},@tool:2`)).toContain("app 2.0-1.noarch");
    expect(await refused(project, 2, "rootfs", `${BASE},@tool:3`)).toContain("no package @tool:3");
  });

  test("do not hide what a repository with hotfixes has, nor is taken what a repository leaves out", async () => {
    const { url } = makeRpmRepo(join(newDir(), "hot"), [{ name: "app", version: "3.0" }, { name: "odd" }]);
    project.write(
      "hot.conf",
      `${project.read("yum.conf")}[hot]\nbaseurl=${url}\nmodule_hotfixes=1\nexclude=even, odd\n`,
    );
    project.write("Hot.ts", IMAGEFILE.replace("yum.conf", "hot.conf").replaceAll('out: "', 'out: "hot-'));
    expect(await packagesOf(project, "rootfs", "-f", "Hot.ts", "PACKAGES=app")).toEqual(["app 3.0-1.noarch"]);
    expect(await refused(project, 2, "rootfs", "-f", "Hot.ts", "PACKAGES=odd")).toContain("no package odd");
  });

  test("whose stream is not enabled are named with what they hide", async () => {
    const stderr = await refused(project, 2, "rootfs", `${BASE},addon`);
    expect(stderr).toContain("addon is in tiny (x86_64) only in streams of modules that are not enabled");
    expect(stderr).toContain("@tool:2");
  });
});

withRpm("a mirror", () => {
  let project: RpmProject;
  let said: string;
  let dir: string;
  beforeAll(async () => {
    const top = newDir();
    const repo = makeRpmRepo(join(top, "os/x86_64"), [
      ...TINY_SYSTEM.filter(({ name }) => ["filesystem", "busybox", "base"].includes(name)),
      { name: "release", provides: ["base-module(platform:el8)"] },
      ...["x86_64", "i686", "aarch64", "riscv64"].map((arch) => ({ name: "both", arch })),
      { name: "app" },
      { name: "app", version: "2.0" },
    ]);
    // The same name, version and architecture twice: the same bytes, and others.
    const again = makeRpmRepo(join(newDir(), "again"), [{ name: "app", files: { "/opt/again": "\n" } }]);
    mkdirSync(join(repo.dir, "more"));
    cpSync(join(again.dir, "Packages"), join(repo.dir, "more/again"), { recursive: true });
    cpSync(join(repo.dir, "Packages/base-1.0-1.noarch.rpm"), join(repo.dir, "more/base-1.0-1.noarch.rpm"));
    writeFileSync(join(top, "comps.xml"), comps({ core: ["base", "app"] }));
    reindex(repo.dir, "--checksum", "sha512", "--zck", "--groupfile", join(top, "comps.xml"));
    list(repo.dir, "updateinfo", "updateinfo.xml", UPDATEINFO, "--compress-type", "bz2");
    list(repo.dir, "prestodelta", "prestodelta.xml", PRESTODELTA);
    const streams = { 1: ["app-0:1.0-1.noarch"], 2: ["app-0:2.0-1.noarch"] };
    list(repo.dir, "modules", "modules.yaml", modules("tool", streams), "--compress-type", "xz");
    list(repo.dir, "productid", "productid", "certificate\n");
    makeRpmRepo(join(top, "updates/x86_64"), []);
    project = projectOf({
      os: `baseurl=file://${top}/os/$basearch`,
      updates: `baseurl=file://${top}/updates/$basearch`,
    });
    said = (await project.good("mirror")).stderr;
    dir = newDir();
    execFileSync("tar", ["-xf", project.path("out/mirror.tar"), "-C", dir]);
  });

  test("has packages of every architecture and stream, and those of one name, version and architecture side by side", () => {
    const found = readdirSync(join(dir, "os/x86_64/Packages"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".rpm"))
      .map((file) => file.replace(/^[0-9a-f]{16}\//, "again/"));
    expect(found.sort()).toEqual([
      "again/app-1.0-1.noarch.rpm",
      "app-1.0-1.noarch.rpm",
      "app-2.0-1.noarch.rpm",
      "base-1.0-1.noarch.rpm",
      ...["aarch64", "i686", "riscv64", "x86_64"].map((arch) => `both-1.0-1.${arch}.rpm`),
      "busybox-1.35.0-1.x86_64.rpm",
      "filesystem-1.0-1.noarch.rpm",
      "release-1.0-1.noarch.rpm",
    ]);
  });

  test("has groups, modules, advisories and whatever else is listed, and says what it is without", () => {
    const index = readFileSync(join(dir, "os/x86_64/repodata/repomd.xml"), "utf8");
    const kinds = [
      "filelists",
      "group",
      "group_gz",
      "modules",
      "other",
      "primary",
      "productid",
      "updateinfo",
    ];
    expect([...index.matchAll(/data type="(.*?)"/g)].map(([, type]) => type).sort()).toEqual(kinds);
    expect(said).toContain(
      "the mirror of os (x86_64) is without prestodelta (packages are whole in a mirror)",
    );
  });

  test("is a repository in all of that, an empty one too", async () => {
    const own = projectOf({
      os: `baseurl=file://${dir}/os/$basearch`,
      updates: `baseurl=file://${dir}/updates/$basearch`,
    });
    expect(await packagesOf(own, "rootfs", "PACKAGES=@core")).toContain("app 1.0-1.noarch");
    expect(await packagesOf(own, "rootfs", "PACKAGES=base,@tool:2/common")).toContain("app 2.0-1.noarch");
  });
});

withRpm("packages that were built or signed again in place", () => {
  test("are an error that says `release refresh`, and after it words that say what changed", async () => {
    const repo = makeRpmRepo(join(newDir(), "repo"), [{ name: "one" }, { name: "two" }]);
    const project = projectOf({ tiny: `baseurl=${repo.url}` });
    await project.good("rootfs", "PACKAGES=one");
    addRpms(
      repo,
      { name: "one", files: { "/opt/again": "\n" } },
      { name: "two", files: { "/opt/again": "\n" } },
    );
    const stderr = await refused(project, 3, "rootfs", "PACKAGES=one,two");
    expect(stderr).toContain("cannot fetch two 1.0-1 (noarch)");
    expect(stderr).toContain("`imagemake release refresh` takes a new snapshot");
    const { stdout } = await project.good("release", "refresh", "PACKAGES=one,two");
    expect(stdout).toContain(
      "packages: one 1.0-1 (rebuilt, same version), two 1.0-1 (rebuilt, same version)",
    );
    await project.good("rootfs", "PACKAGES=one,two");
  });
});
