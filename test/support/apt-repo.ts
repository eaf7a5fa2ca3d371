// Real apt repositories of tiny packages, made with dpkg-deb and apt-ftparchive: some 10 ms a package.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** What a package holds at a path: text (executable if it begins with `#!`), a copy of a host's file, a link. */
export type TinyFile = string | { readonly copy: string } | { readonly link: string };

/** A package as a test wants it. Left out: version 1.0, the host's architecture, nothing in it. */
export interface TinyPackage {
  readonly name: string;
  readonly version?: string;
  /** The field's text: `libc6 (>= 2), awk`. */
  readonly depends?: string;
  readonly essential?: boolean;
  readonly arch?: string;
  /** Absolute path in the image → what is there. */
  readonly files?: Readonly<Record<string, TinyFile>>;
  /** Modes that are not 755 and 644, by path as in `files`. */
  readonly modes?: Readonly<Record<string, number>>;
  /** Text of the maintainer script. */
  readonly postinst?: string;
  /** More fields of the control file: `Recommends`, `Conflicts`, `Provides`, `Priority`, … */
  readonly fields?: Readonly<Record<string, string>>;
  /** When it was built, in seconds since 1970. */
  readonly built?: number;
}

/** A repository in a directory; `url` is for sources, `keyring` the file that verifies it where it is signed. */
export interface AptRepo {
  readonly dir: string;
  readonly url: string;
  readonly suite: string;
  readonly arch: string;
  readonly keyring: string | null;
  readonly gpgHome: string | null;
  /** Where its packages lie: suites of one directory may have one each. */
  readonly pool: string;
  /** More fields of its Release file. */
  readonly release: Readonly<Record<string, string>>;
}

export interface AptRepoOptions {
  readonly suite?: string;
  /** Architecture of its index, and of packages that name none. */
  readonly arch?: string;
  /** Signed by a key made for it; needs gpg, see `hasGpg`. */
  readonly sign?: boolean;
  /** Another directory than `pool` for its packages. */
  readonly pool?: string;
  /** More fields of its Release file, such as NotAutomatic. With Acquire-By-Hash its indexes have no other names. */
  readonly release?: Readonly<Record<string, string>>;
}

/** When tiny packages were built, unless they say: 2023-11-14T22:13:20Z. */
export const BUILT = 1_700_000_000;

const run = (cwd: string, env: Record<string, string>, command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", APT_CONFIG: "/dev/null", ...env },
  });

/** The host's architecture in dpkg's words. */
export const hostArch = (): string => run("/", {}, "dpkg", "--print-architecture").trim();

/** Whether repositories can be signed here. */
export const hasGpg = (): boolean => existsSync("/usr/bin/gpg");

/** Makes `dir` a repository with `packages`: `deb <url> <suite> main`. */
export function makeAptRepo(
  dir: string,
  packages: readonly TinyPackage[],
  options: AptRepoOptions = {},
): AptRepo {
  const { suite = "tiny", arch = hostArch(), sign = false, pool = "pool", release = {} } = options;
  mkdirSync(join(dir, pool), { recursive: true });
  mkdirSync(join(dir, "dists", suite, "main", `binary-${arch}`), { recursive: true });
  const gpgHome = sign ? join(dir, ".gnupg") : null;
  const keyring = sign ? join(dir, "keyring.gpg") : null;
  if (gpgHome !== null && keyring !== null && !existsSync(keyring)) makeKey(gpgHome, keyring);
  const repo: AptRepo = { dir, url: `file://${dir}`, suite, arch, keyring, gpgHome, pool, release };
  for (const tiny of packages) writePackage(repo, tiny);
  reindex(repo);
  return repo;
}

/** Adds packages, or other versions of those that are there, which stay. Returns the files of the pool. */
export function addPackage(repo: AptRepo, ...packages: readonly TinyPackage[]): readonly string[] {
  const files = packages.map((tiny) => writePackage(repo, tiny));
  reindex(repo);
  return files;
}

/** Drops a package (all versions, or one) from the index and from the pool, as a mirror does. */
export function removePackage(repo: AptRepo, name: string, version?: string): void {
  const start = version === undefined ? `${name}_` : `${name}_${fileVersion(version)}_`;
  for (const file of readdirSync(join(repo.dir, repo.pool))) {
    if (file.startsWith(start)) rmSync(join(repo.dir, repo.pool, file));
  }
  reindex(repo);
}

/** Path of a package's file in the pool. */
export const poolFile = (repo: AptRepo, name: string, version = "1.0", arch = repo.arch): string =>
  join(repo.dir, repo.pool, `${name}_${fileVersion(version)}_${arch}.deb`);

const fileVersion = (version: string): string => version.replace(":", "%3a");

function writePackage(repo: AptRepo, tiny: TinyPackage): string {
  const { name, version = "1.0", arch = repo.arch } = tiny;
  const root = mkdtempSync(join(tmpdir(), "tiny-deb-"));
  try {
    const control: Record<string, string | undefined> = {
      Package: name,
      Version: version,
      Architecture: arch,
      Maintainer: "Nobody <nobody@example.invalid>",
      Essential: tiny.essential === true ? "yes" : undefined,
      Depends: tiny.depends,
      ...tiny.fields,
      Description: `tiny ${name}`,
    };
    const lines = Object.entries(control).flatMap(([field, value]) =>
      value === undefined ? [] : [`${field}: ${value}\n`],
    );
    mkdirSync(join(root, "DEBIAN"));
    chmodSync(root, 0o755);
    writeFileSync(join(root, "DEBIAN", "control"), lines.join(""));
    if (tiny.postinst !== undefined) {
      writeFileSync(join(root, "DEBIAN", "postinst"), tiny.postinst, { mode: 0o755 });
    }
    for (const [path, content] of Object.entries(tiny.files ?? {})) writeTinyFile(join(root, path), content);
    for (const [path, mode] of Object.entries(tiny.modes ?? {})) chmodSync(join(root, path), mode);
    const file = poolFile(repo, name, version, arch);
    const epoch = { SOURCE_DATE_EPOCH: String(tiny.built ?? BUILT) };
    run(root, epoch, "dpkg-deb", "-Znone", "--root-owner-group", "--build", root, file);
    return file;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** A path that ends in a slash is a directory, whatever its content. */
function writeTinyFile(path: string, content: TinyFile): void {
  if (path.endsWith("/")) {
    mkdirSync(path, { recursive: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  if (typeof content === "string") {
    writeFileSync(path, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  } else if ("copy" in content) {
    copyFileSync(content.copy, path);
  } else {
    symlinkSync(content.link, path);
  }
}

/** Writes Packages and Release anew, and signs. */
function reindex({ dir, suite, arch, gpgHome, pool, release: more }: AptRepo): void {
  const dist = join(dir, "dists", suite);
  const packages = run(dir, {}, "apt-ftparchive", "packages", pool);
  const binary = join(dist, "main", `binary-${arch}`);
  writeFileSync(join(binary, "Packages"), packages);
  rmSync(join(binary, "by-hash"), { recursive: true, force: true });
  const settings = { Origin: "Tiny", Suite: suite, Codename: suite, Architectures: arch, Components: "main" };
  const options = Object.entries(settings).flatMap(([field, value]) => [
    "-o",
    `APT::FTPArchive::Release::${field}=${value}`,
  ]);
  for (const name of ["Release", "InRelease"]) rmSync(join(dist, name), { force: true });
  const fields = Object.entries(more).map(([field, value]) => `${field}: ${value}\n`);
  const release = `${fields.join("")}${run(dist, {}, "apt-ftparchive", ...options, "release", ".")}`;
  writeFileSync(join(dist, "Release"), release);
  if (more["Acquire-By-Hash"] === "yes") {
    const at = join(binary, "by-hash", "SHA256");
    mkdirSync(at, { recursive: true });
    renameSync(join(binary, "Packages"), join(at, createHash("sha256").update(packages).digest("hex")));
  }
  if (gpgHome === null) return;
  gpg(gpgHome, "--clearsign", "--output", join(dist, "InRelease"), join(dist, "Release"));
}

function makeKey(home: string, keyring: string): void {
  mkdirSync(home, { mode: 0o700 });
  gpg(
    home,
    "--passphrase",
    "",
    "--quick-generate-key",
    "Tiny <tiny@example.invalid>",
    "ed25519",
    "sign",
    "never",
  );
  gpg(home, "--output", keyring, "--export");
}

/** gpg starts an agent for the key; it ends with the command here. */
function gpg(home: string, ...args: string[]): void {
  run(home, {}, "gpg", "--homedir", home, "--batch", "--quiet", "--yes", ...args);
  run(home, {}, "gpgconf", "--homedir", home, "--kill", "gpg-agent");
}
