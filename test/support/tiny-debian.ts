// A Debian of eight tiny packages that mmdebstrap bootstraps in two seconds: a static busybox, and the host's own dpkg
// and tar. Without a static busybox on the host it takes one from the host's mirror.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TinyFile, TinyPackage } from "./apt-repo.js";

/**
 * What to ask for in a root filesystem of variant busybox: the example's own list. It brings libc6 and tar
 * with it.
 */
export const TINY_DEBIAN = ["base-files", "base-passwd", "busybox-static", "debianutils", "dpkg", "libc-bin"];

/** The packages themselves, for `makeAptRepo`. All are of the host's architecture and version 1.0. */
export function tinyDebian(): readonly TinyPackage[] {
  return [
    {
      name: "base-files",
      depends: "busybox-static",
      files: {
        ...Object.fromEntries(DIRECTORIES.map((path) => [`${path}/`, ""])),
        "/etc/os-release": 'ID=tiny\nNAME="Tiny Debian"\nVERSION_ID="1"\n',
        "/etc/debian_version": "tiny\n",
      },
      modes: { "/tmp": 0o1777, "/var/tmp": 0o1777, "/root": 0o700 },
    },
    {
      name: "base-passwd",
      files: { "/usr/share/base-passwd/passwd.master": "root:*:0:0:root:/root:/bin/sh\n" },
    },
    {
      name: "busybox-static",
      fields: { Provides: "awk" },
      files: { "/bin/busybox": copyOf(staticBusybox()) },
    },
    { name: "debianutils", files: { "/usr/share/debianutils/shells": "/bin/sh\n" } },
    { name: "libc-bin", files: { "/sbin/ldconfig": copyOf("/sbin/ldconfig"), "/etc/ld.so.conf": "" } },
    { name: "libc6", files: copies(tinyLibraries()) },
    // dpkg unpacks with options that busybox's tar does not know.
    { name: "tar", depends: "libc6", files: copies([TAR]) },
    {
      name: "dpkg",
      depends: "libc6, libc-bin, tar, busybox-static",
      files: { "/etc/dpkg/dpkg.cfg.d/": "", "/var/lib/dpkg/": "", ...copies(DPKG) },
    },
  ];
}

const DIRECTORIES = [
  ..."/dev /etc /home /lib /mnt /proc /root /run /sbin /srv /sys /tmp /usr/bin /usr/lib /usr/sbin".split(" "),
  ..."/var/cache /var/lib /var/log /var/tmp".split(" "),
];

/** dpkg and the programs of its package that it calls. */
const DPKG = ["dpkg", "dpkg-deb", "dpkg-split", "dpkg-query", "dpkg-divert", "dpkg-trigger"].map(
  (name) => `/usr/bin/${name}`,
);
const TAR = "/bin/tar";

/** What its libc6 has. */
export const tinyLibraries = (): readonly string[] => librariesOf([...DPKG, TAR]);

const copyOf = (path: string): TinyFile => ({ copy: path });
const copies = (paths: readonly string[]): Record<string, TinyFile> =>
  Object.fromEntries(paths.map((path) => [path, copyOf(path)]));

/** The libraries that host programs are linked to, the dynamic linker included. */
export function librariesOf(programs: readonly string[]): readonly string[] {
  const said = execFileSync("ldd", programs, { encoding: "utf8" });
  return [...said.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map((match) => match[1] ?? "");
}

/** Path of a busybox that needs no libraries. One from the mirror is kept for later tests, in the system's tmp. */
export function staticBusybox(): string {
  const kept = join(tmpdir(), "imagemake-test-busybox", "bin/busybox");
  const found = ["/bin/busybox", kept].find((path) => existsSync(path) && isStatic(path));
  if (found !== undefined) return found;
  const dir = mkdtempSync(join(tmpdir(), "busybox-static-"));
  download(dir, "busybox-static");
  for (const file of readdirSync(dir)) {
    if (file.endsWith(".deb")) execFileSync("dpkg-deb", ["-x", join(dir, file), join(dir, "root")]);
  }
  rmSync(join(tmpdir(), "imagemake-test-busybox"), { recursive: true, force: true });
  renameSync(join(dir, "root"), join(tmpdir(), "imagemake-test-busybox"));
  rmSync(dir, { recursive: true, force: true });
  return kept;
}

/** Whether a program is linked statically: its file has no place for a dynamic linker's name. */
function isStatic(path: string): boolean {
  try {
    return !execFileSync("ldd", [path], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).includes(
      "=>",
    );
  } catch {
    return true;
  }
}

/** Downloads a package; with lists of its own where the host's are too old or not there. */
function download(dir: string, name: string): void {
  const apt = (...args: string[]): void => {
    execFileSync("apt-get", ["-qq", "-o", "APT::Sandbox::User=root", ...args], { cwd: dir, stdio: "ignore" });
  };
  try {
    apt("download", name);
  } catch {
    for (const sub of ["lists/partial", "cache/archives/partial"]) {
      mkdirSync(join(dir, sub), { recursive: true });
    }
    const own = ["-o", `Dir::State::lists=${dir}/lists`, "-o", `Dir::Cache=${dir}/cache`];
    apt(...own, "update");
    apt(...own, "download", name);
  }
}
