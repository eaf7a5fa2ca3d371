// Real pacman repositories of tiny packages, made with bsdtar and repo-add, and an Arch of a dozen of them.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { staticBusybox } from "./tiny-debian.js";

/** What a package holds at a path: text (executable if it begins with `#!`), a copy of a file, a link, bytes. */
export type ArchFile = string | { readonly copy: string } | { readonly link: string } | Buffer;

/** A package as a test wants it. Left out: version 1.0-1, every architecture, nothing in it. */
export interface ArchPackage {
  readonly name: string;
  readonly version?: string;
  readonly arch?: string;
  readonly depends?: readonly string[];
  /** More lines of .PKGINFO: `group`, `provides`, `conflict`, `backup`, … */
  readonly info?: readonly (readonly [string, string])[];
  /** Path in the image → what is there; one that ends in a slash is a directory. */
  readonly files?: Readonly<Record<string, ArchFile>>;
  /** Modes that are not 755 and 644. */
  readonly modes?: Readonly<Record<string, number>>;
  /** Text of .INSTALL. */
  readonly install?: string;
  /** When it was built, in seconds since 1970. */
  readonly built?: number;
}

/** A repository in a directory of its own. */
export interface ArchRepo {
  readonly dir: string;
  readonly name: string;
  readonly gpgHome: string | null;
}

/** When tiny packages were built, unless they say: 2023-11-14T22:13:20Z. */
export const BUILT = 1_700_000_000;

const PROGRAMS = ["pacman", "pacstrap", "repo-add", "bsdtar", "zstd", "gpg"];
/** Programs that are not here; without them there is nothing to test. */
export const lackingForPacman = (): readonly string[] =>
  PROGRAMS.filter((name) => !existsSync(`/usr/bin/${name}`));

const run = (cwd: string, env: Record<string, string>, command: string, ...args: string[]): string =>
  execFileSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", TZ: "UTC", ...env },
  });

/** Makes `<dir>/<name>` a repository; signed, with its packages, by the key in `gpgHome` where that is given. */
export function makeArchRepo(
  dir: string,
  name: string,
  packages: readonly ArchPackage[],
  gpgHome: string | null = null,
): ArchRepo {
  const repo: ArchRepo = { dir: join(dir, name), name, gpgHome };
  mkdirSync(repo.dir, { recursive: true });
  addPackages(repo, ...packages);
  return repo;
}

/** Adds packages, or other versions of those that are there: repo-add lists the one that is added last. */
export function addPackages(repo: ArchRepo, ...packages: readonly ArchPackage[]): void {
  const files = packages.map((pkg) => writePackage(repo, pkg));
  run(repo.dir, {}, "repo-add", "--quiet", `${repo.name}.db.tar.gz`, ...files);
  for (const kind of ["db", "files"]) {
    // Servers give files, not links.
    rmSync(join(repo.dir, `${repo.name}.${kind}`), { force: true });
    copyFileSync(join(repo.dir, `${repo.name}.${kind}.tar.gz`), join(repo.dir, `${repo.name}.${kind}`));
  }
  if (repo.gpgHome !== null)
    sign(repo.gpgHome, ...[...files, `${repo.name}.db`].map((one) => join(repo.dir, one)));
}

/** Deletes a package's files and leaves the database as it is, as a mirror that is being updated does. */
export function dropFiles(repo: ArchRepo, name: string): void {
  for (const file of readdirSync(repo.dir)) {
    if (file.startsWith(`${name}-`)) rmSync(join(repo.dir, file));
  }
}

/** A package's file in the repository. */
export const packageFile = (repo: ArchRepo, name: string, version = "1.0-1", arch = "any"): string =>
  join(repo.dir, `${name}-${version}-${arch}.pkg.tar.zst`);

/** Writes one package; returns the name of its file. */
function writePackage(repo: ArchRepo, pkg: ArchPackage): string {
  const { name, version = "1.0-1", arch = "any", built = BUILT } = pkg;
  const file = `${name}-${version}-${arch}.pkg.tar.zst`;
  const root = mkdtempSync(join(tmpdir(), "tiny-arch-"));
  try {
    const info: readonly (readonly [string, string])[] = [
      ["pkgname", name],
      ["pkgbase", name],
      ["pkgver", version],
      ["pkgdesc", `tiny ${name}`],
      ["url", "https://example.invalid"],
      ["builddate", String(built)],
      ["packager", "Nobody <nobody@example.invalid>"],
      ["size", "4096"],
      ["arch", arch],
      ["license", "MIT"],
      ...(pkg.depends ?? []).map((one) => ["depend", one] as const),
      ...(pkg.info ?? []),
    ];
    for (const [path, content] of Object.entries(pkg.files ?? {})) writeFile(join(root, path), content);
    for (const [path, mode] of Object.entries(pkg.modes ?? {})) chmodSync(join(root, path), mode);
    const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
    writeFileSync(join(root, ".PKGINFO"), info.map(([key, value]) => `${key} = ${value}\n`).join(""));
    if (pkg.install !== undefined) writeFileSync(join(root, ".INSTALL"), pkg.install);
    const meta = pkg.install === undefined ? [".PKGINFO"] : [".PKGINFO", ".INSTALL"];
    for (const path of [...meta, ...paths]) lutimesSync(join(root, path), built, built);
    const script = `
      bsdtar -cnf - --format=mtree --options='!all,use-set,type,uid,gid,mode,time,size,md5,sha256,link' "$@" |
        gzip -n > .MTREE
      touch -d "@${built}" .MTREE
      first=$1; shift
      bsdtar -cnf - --uid 0 --gid 0 --no-fflags "$first" .MTREE "$@" | zstd -qf -o "$FILE"`;
    run(root, { FILE: join(repo.dir, file) }, "sh", "-euc", script, "sh", ...meta, ...paths);
    return file;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Writes what a package holds at a path; one that ends in a slash is a directory. */
export function writeFile(path: string, content: ArchFile): void {
  if (path.endsWith("/")) {
    mkdirSync(path, { recursive: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  if (typeof content === "string") {
    writeFileSync(path, content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  } else if (Buffer.isBuffer(content)) writeFileSync(path, content, { mode: 0o755 });
  else if ("copy" in content) {
    copyFileSync(content.copy, path);
    chmodSync(path, statSync(content.copy).mode & 0o111 ? 0o755 : 0o644);
  } else symlinkSync(content.link, path);
}

/** Makes a key in `home` (not there yet); returns the file of its public half. */
export function makeKey(home: string): string {
  mkdirSync(home, { mode: 0o700, recursive: true });
  const who = "Tiny <tiny@example.invalid>";
  gpg(home, ["--passphrase", "", "--quick-generate-key", who, "ed25519", "sign", "never"]);
  gpg(home, ["--output", join(home, "public.gpg"), "--export"]);
  return join(home, "public.gpg");
}

/** Signs files with the key in `home`, each beside it as `.sig`. */
export function sign(home: string, ...files: readonly string[]): void {
  gpg(home, ...files.map((file) => ["--detach-sign", "--no-armor", "--output", `${file}.sig`, file]));
}

/** Runs gpg for each. It starts an agent for the key, which ends with the last of them here. */
function gpg(home: string, ...calls: readonly (readonly string[])[]): void {
  for (const args of calls) run(home, {}, "gpg", "--homedir", home, "--batch", "--quiet", "--yes", ...args);
  run(home, {}, "gpgconf", "--homedir", home, "--kill", "gpg-agent");
}

/** A pacman.conf with these repositories; what a running system's has beside them must not count. */
export const confOf = (
  repos: readonly Pick<ArchRepo, "name" | "dir">[],
  more: { readonly sigLevel?: string; readonly options?: string; readonly server?: string } = {},
): string => `# as /etc/pacman.conf
[options]
HoldPkg = pacman glibc
Architecture = auto
CacheDir = /nonexistent/cache
HookDir = /nonexistent/hooks
CheckSpace
ParallelDownloads = 5
SigLevel = ${more.sigLevel ?? "Never"}
${more.options ?? ""}
${repos.map((repo) => `[${repo.name}]\nServer = ${more.server ?? `file://${dirname(repo.dir)}/$repo`}\n`).join("\n")}`;

const APPLETS = "sh cat chmod cp date echo env grep ls mkdir mv rm sed test touch".split(" ");

/** A dozen packages: what roots and platforms are made of. */
export const tinyArch = (): readonly ArchPackage[] => [
  {
    name: "filesystem",
    version: "2026.01.01-1",
    files: {
      ...Object.fromEntries(
        "dev/ etc/ home/ mnt/ opt/ proc/ root/ run/ srv/ sys/ tmp/ usr/bin/ usr/lib/ usr/share/ var/cache/ var/lib/ var/log/"
          .split(" ")
          .map((path) => [path, ""]),
      ),
      bin: { link: "usr/bin" },
      sbin: { link: "usr/bin" },
      lib: { link: "usr/lib" },
      lib64: { link: "usr/lib" },
      "usr/sbin": { link: "bin" },
      "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
      "etc/group": "root:x:0:\n",
      "etc/shadow": "root:*:14871::::::\n",
      "usr/share/doc/filesystem/Főtanúsítvány": "a name that is not ASCII\n",
    },
    modes: { tmp: 0o1777, root: 0o750, proc: 0o555, sys: 0o555, "etc/shadow": 0o600 },
  },
  {
    name: "busybox",
    arch: "x86_64",
    version: "1:1.35.0-2",
    depends: ["filesystem"],
    info: [["provides", "sh=1.35"]],
    files: {
      "usr/bin/busybox": { copy: staticBusybox() },
      ...Object.fromEntries(APPLETS.map((name) => [`usr/bin/${name}`, { link: "busybox" }])),
    },
  },
  {
    name: "mirrorlist",
    files: {
      "etc/pacman.d/mirrorlist": "#Server = https://mirror.example.invalid/$repo/os/$arch\n",
      "etc/pacman.conf": "[options]\n[core]\nInclude = /etc/pacman.d/mirrorlist\n",
    },
    info: [
      ["backup", "etc/pacman.conf"],
      ["backup", "etc/pacman.d/mirrorlist"],
    ],
  },
  { name: "base", depends: ["filesystem", "busybox", "mirrorlist"] },
  { name: "libone", files: { "usr/lib/libone": "one 1.0\n" } },
  { name: "app", depends: ["libone>=1", "sh"], files: { "usr/bin/app": "#!/bin/sh\necho app\n" } },
  { name: "nano", files: { "usr/bin/nano": "#!/bin/sh\n" } },
  { name: "vim", version: "9.0-3", info: [["conflict", "vi"]], files: { "usr/bin/vim": "#!/bin/sh\n" } },
  { name: "vi", files: { "usr/bin/vi": "#!/bin/sh\n" } },
  {
    name: "witness",
    built: BUILT + 60,
    depends: ["sh"],
    // What scripts and hooks see of the build goes into a file, so two builds can be compared.
    install: `post_install() {
  env | sort > /var/lib/witness-env
  cat /proc/self/cmdline > /dev/null
  touch /tmp/left /run/left
}
`,
    files: {
      "usr/share/libalpm/hooks/50-witness.hook": `[Trigger]
Operation = Install
Type = Package
Target = *
[Action]
Description = Noting what came...
When = PostTransaction
Exec = /usr/bin/sh -c 'sort >> /var/lib/witness-hook'
NeedsTargets
`,
    },
  },
  { name: "one-of-two", info: [["group", "two"]] },
  { name: "two-of-two", info: [["group", "two"]], depends: ["libone"] },
  // What cannot be.
  { name: "failing", install: "post_install() { echo no use >&2; false; }\n" },
  {
    name: "hooked",
    files: {
      "usr/share/libalpm/hooks/9.hook": `[Trigger]
Operation = Install
Type = Package
Target = hooked
[Action]
When = PostTransaction
Exec = /usr/bin/test -e /nonexistent
`,
    },
  },
  { name: "escaping", files: { "usr/share/escape/file": "out\n" } },
  { name: "ghostly", depends: ["ghost>=2"] },
];

/**
 * A stand-in for a shell of aarch64: whatever it is told, it makes the file `/ran-as-aarch64` and succeeds. Eight
 * instructions in an ELF file, so no compiler is needed; the kernel runs it with qemu-user or not at all.
 */
export function aarch64ShellStandIn(): Buffer {
  const text = Buffer.from("/ran-as-aarch64\0");
  const code = [
    0x92800c60, // mov x0, #-100 (AT_FDCWD)
    0x10000101, // adr x1, text: 32 bytes on
    0xd2800822, // mov x2, #0x41 (O_CREAT | O_WRONLY)
    0xd2803483, // mov x3, #0644
    0xd2800708, // mov x8, #56 (openat)
    0xd4000001, // svc #0
    0xd2800000, // mov x0, #0
    0xd2800ba8, // mov x8, #93 (exit)
    0xd4000001, // svc #0
  ];
  const [base, start] = [0x400000, 64 + 56];
  const size = start + code.length * 4 + text.length;
  const elf = Buffer.alloc(size);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.writeUInt16LE(2, 16); // ET_EXEC
  elf.writeUInt16LE(183, 18); // EM_AARCH64
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(BigInt(base + start), 24); // e_entry
  elf.writeBigUInt64LE(64n, 32); // e_phoff
  elf.writeUInt16LE(64, 52);
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // PT_LOAD
  elf.writeUInt32LE(5, 68); // readable and executable
  elf.writeBigUInt64LE(BigInt(base), 64 + 16);
  elf.writeBigUInt64LE(BigInt(base), 64 + 24);
  elf.writeBigUInt64LE(BigInt(size), 64 + 32);
  elf.writeBigUInt64LE(BigInt(size), 64 + 40);
  elf.writeBigUInt64LE(0x1000n, 64 + 48);
  code.forEach((word, i) => elf.writeUInt32LE(word, start + i * 4));
  elf.set(text, start + code.length * 4);
  return elf;
}
