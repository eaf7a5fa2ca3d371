// Real RPM repositories of tiny packages, made with rpmbuild and createrepo_c: some 0.15 s a package. The same
// packages make the same repository, but for signatures.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { makeKey, writeFile, type ArchFile } from "./pacman-repo.js";

/** What a package holds at a path. */
export type RpmFile = ArchFile;

/** A package as a test wants it. Left out: version 1.0, release 1, every architecture, nothing in it. */
export interface RpmPackage {
  readonly name: string;
  readonly version?: string;
  readonly release?: string;
  /** `noarch`, `x86_64`, `i686`, `aarch64`, …; `src` makes a source package, of nothing but its spec file. */
  readonly arch?: string;
  /** As in a spec file: `libone >= 1.0`, `/bin/sh`. Nothing is added but what `post` is run with. */
  readonly requires?: readonly string[];
  readonly recommends?: readonly string[];
  readonly provides?: readonly string[];
  /** More tags of the spec file: `Conflicts`, `Obsoletes`, `Epoch`, … */
  readonly tags?: readonly (readonly [string, string])[];
  /** Path in the image → what is there; one that ends in a slash is a directory. */
  readonly files?: Readonly<Record<string, RpmFile>>;
  /** Modes that are not 755 and 644. */
  readonly modes?: Readonly<Record<string, number>>;
  /** Owners that are not root, `user:group`. */
  readonly owners?: Readonly<Record<string, string>>;
  /** Text of the scriptlet, which makes the package require `/bin/sh`. */
  readonly post?: string;
  /** When it was built, in seconds since 1970. */
  readonly built?: number;
}

/** A repository in a directory: `Packages` and `repodata`; `url` is for a .repo file's `baseurl`. */
export interface RpmRepo {
  readonly dir: string;
  readonly url: string;
  readonly signing: Signing | null;
}

export interface RpmRepoOptions {
  /** Signs packages and metadata with a key in it. */
  readonly gpgHome?: string;
  /** Which key; left out: the one that `makeRpmKey` made. */
  readonly keyId?: string;
}

interface Signing {
  readonly gpgHome: string;
  readonly keyId: string;
}

/** When tiny packages were built, unless they say: 2023-11-14T22:13:20Z. */
export const BUILT = 1_700_000_000;

const PROGRAMS = "rpm rpmbuild rpmsign rpmkeys rpm2cpio createrepo_c dnf gpg".split(" ");
/** Programs that are not here; without them there is nothing to test. */
export const lackingForRpm = (): readonly string[] =>
  PROGRAMS.filter((name) => !existsSync(`/usr/bin/${name}`));

/** Runs a program with none of the user's settings. */
const run = (cwd: string, env: Record<string, string>, command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      LC_ALL: "C.UTF-8",
      TZ: "UTC",
      HOME: "/nonexistent",
      ...env,
    },
  });

/** Makes `dir` a repository; signed, with its packages, where `gpgHome` is given. */
export function makeRpmRepo(
  dir: string,
  packages: readonly RpmPackage[],
  { gpgHome, keyId = "tiny@example.invalid" }: RpmRepoOptions = {},
): RpmRepo {
  const signing = gpgHome === undefined ? null : { gpgHome, keyId };
  const repo: RpmRepo = { dir, url: `file://${dir}`, signing };
  mkdirSync(join(dir, "Packages"), { recursive: true });
  addRpms(repo, ...packages);
  return repo;
}

/** Adds packages, or other versions beside those that are there. */
export function addRpms(repo: RpmRepo, ...packages: readonly RpmPackage[]): void {
  const work = mkdtempSync(join(tmpdir(), "tiny-rpm-"));
  try {
    const groups = new Map<string, RpmPackage[]>();
    for (const pkg of packages) {
      const group = `${pkg.arch ?? "noarch"} ${pkg.built ?? BUILT}`;
      groups.set(group, [...(groups.get(group) ?? []), pkg]);
    }
    for (const [index, group] of [...groups.values()].entries()) {
      const files = build(join(work, String(index)), group);
      if (repo.signing !== null) signPackages(repo.signing, files);
      for (const file of files) {
        const built = group[0]?.built ?? BUILT;
        utimesSync(file, built, built);
        move(file, join(repo.dir, "Packages", basename(file)));
      }
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  index(repo);
}

/** Deletes the files of all versions of a package and leaves the metadata, as a mirror that is being updated does. */
export function dropRpm(repo: RpmRepo, name: string): void {
  for (const file of readdirSync(join(repo.dir, "Packages"))) {
    if (/^(.+)-[^-]+-[^-]+$/.exec(file)?.[1] === name) rmSync(join(repo.dir, "Packages", file));
  }
}

/** A package's file in the repository. */
export const rpmFile = (
  repo: RpmRepo,
  { name, version = "1.0", release = "1", arch = "noarch" }: RpmPackage,
): string => join(repo.dir, "Packages", `${name}-${version}-${release}.${arch}.rpm`);

/** Makes a key in `home` (not there yet); returns the file of its public half, in the form that `gpgkey=` names. */
export function makeRpmKey(home: string): string {
  makeKey(home);
  const file = join(home, "RPM-GPG-KEY-tiny");
  run(home, {}, "gpg", "--homedir", home, "--batch", "--armor", "--output", file, "--export");
  return file;
}

/** Builds packages of one target and time in `work` (not there yet); returns their files. */
function build(work: string, packages: readonly RpmPackage[]): readonly string[] {
  const { arch = "noarch", built = BUILT } = packages[0] ?? { name: "" };
  const specs = packages.map((pkg, i) => {
    const top = join(work, String(i));
    const [spec, root] = [join(top, `${pkg.name}.spec`), join(top, "root")];
    mkdirSync(root, { recursive: true });
    for (const [path, content] of Object.entries(pkg.files ?? {})) writeFile(join(root, path), content);
    for (const [path, mode] of Object.entries(pkg.modes ?? {})) chmodSync(join(root, path), mode);
    writeFileSync(spec, specOf(pkg, `%{_topdir}/${i}/root`));
    utimesSync(spec, built, built);
    return spec;
  });
  const target = ["noarch", "src"].includes(arch) ? [] : ["--target", arch];
  const env = { SOURCE_DATE_EPOCH: String(built), HOME: work };
  const macros = [`_topdir ${work}`, ...MACROS].flatMap((macro) => ["--define", macro]);
  run(work, env, "rpmbuild", "--quiet", arch === "src" ? "-bs" : "-bb", ...target, ...macros, ...specs);
  const out = join(work, arch === "src" ? "SRPMS" : "RPMS");
  return readdirSync(out, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".rpm"))
    .sort()
    .map((file) => join(out, file));
}

/** Nothing of the machine or of the hour in a package, and of its files only what it was given. */
const MACROS = [
  "_buildshell /bin/bash",
  "_build_id_links none",
  "_buildhost imagemake",
  "_binary_payload w3.zstdio",
  "__os_install_post %{nil}",
  "debug_package %{nil}",
  "use_source_date_epoch_as_buildtime 1",
  "clamp_mtime_to_source_date_epoch 1",
];

/** The spec file of a package whose files are in `root`. */
function specOf(pkg: RpmPackage, root: string): string {
  const { name, version = "1.0", release = "1", arch = "noarch" } = pkg;
  const tags: readonly (readonly [string, string])[] = [
    ["Name", name],
    ["Version", version],
    ["Release", release],
    ["Summary", `tiny ${name}`],
    ["License", "MIT"],
    ["AutoReqProv", "no"],
    ...(arch === "noarch" ? ([["BuildArch", arch]] as const) : []),
    ...(pkg.requires ?? []).map((one) => ["Requires", one] as const),
    ...(pkg.recommends ?? []).map((one) => ["Recommends", one] as const),
    ...(pkg.provides ?? []).map((one) => ["Provides", one] as const),
    ...(pkg.tags ?? []),
  ];
  const listed = Object.keys(pkg.files ?? {}).map((path) => {
    const absolute = join("/", path).replace(/(?<=.)\/$/, "");
    const [user, group] = pkg.owners?.[path]?.split(":") ?? [];
    const owner = user === undefined ? "" : `%attr(-,${user},${group ?? user}) `;
    return `${owner}${path.endsWith("/") ? "%dir " : ""}"${absolute}"\n`;
  });
  const head = `${tags.map(([key, value]) => `${key}: ${value}\n`).join("")}
%description
tiny ${name}
`;
  // A source package holds the expanded text, which must not name a directory of this run.
  if (arch === "src") return head;
  return `${head}%install
cp -a "${root}/." "%{buildroot}"
${pkg.post === undefined ? "" : `%post\n${pkg.post.trimEnd().replaceAll("%", "%%")}\n`}
%files
%defattr(-,root,root,-)
${listed.join("")}`;
}

/** Moves a file, to another file system too. */
function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    run(dirname(from), {}, "mv", "--", from, to);
  }
}

/** Writes the repository's metadata, and its signature. */
function index(repo: RpmRepo): void {
  const dated = ["--revision", String(BUILT), "--set-timestamp-to-revision"];
  run(repo.dir, {}, "createrepo_c", "--quiet", "--no-database", ...dated, ".");
  if (repo.signing === null) return;
  const { gpgHome, keyId } = repo.signing;
  const args = ["--batch", "--yes", "--local-user", keyId, "--armor", "--detach-sign"];
  run(repo.dir, {}, "gpg", "--homedir", gpgHome, ...args, join("repodata", "repomd.xml"));
  endAgent(gpgHome);
}

function signPackages({ gpgHome, keyId }: Signing, files: readonly string[]): void {
  const macros = [`_gpg_name ${keyId}`, `_gpg_path ${gpgHome}`, "__gpg /usr/bin/gpg"];
  run(gpgHome, {}, "rpmsign", ...macros.flatMap((one) => ["--define", one]), "--addsign", ...files);
  endAgent(gpgHome);
}

const endAgent = (home: string): string => run(home, {}, "gpgconf", "--homedir", home, "--kill", "gpg-agent");
