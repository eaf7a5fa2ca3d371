// A Void repository of a dozen tiny packages, made with the real xbps-create and xbps-rindex in a second: enough for
// void-mklive's scripts to make a root filesystem, a platform filesystem and a netboot tarball of. What only pretends
// to be a program says so.
import { execFileSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { librariesOf, staticBusybox } from "./tiny-debian.js";

/** A file's text, what it is a copy of, or what it links to. */
type VoidFile = string | { readonly copy: string } | { readonly link: string };

/** One package. */
export interface VoidPackage {
  readonly name: string;
  readonly version?: string;
  readonly depends?: readonly string[];
  /** Patterns of what it takes the place of. */
  readonly replaces?: readonly string[];
  readonly files?: Readonly<Record<string, VoidFile>>;
}

const EPOCH = 1_704_067_200;

/** Whether a program is on PATH. */
export function onPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Whether the programs of xbps that the driver and this maker call are here. */
export const hasXbps = (): boolean =>
  ["create", "rindex", "install", "query", "reconfigure", "uhelper", "fetch"].every((one) =>
    onPath(`xbps-${one}`),
  );

/** Adds packages to the repository in `dir`, of architecture noarch, indexed for `archs`. */
export function addPackages(
  dir: string,
  packages: readonly VoidPackage[],
  archs: readonly string[] = ["x86_64"],
): void {
  mkdirSync(dir, { recursive: true });
  const work = mkdtempSync(join(tmpdir(), "void-repo-"));
  try {
    const names = packages.map((pkg) => pack(pkg, dir, work));
    for (const arch of archs) {
      execFileSync("xbps-rindex", ["--add", ...names], {
        cwd: dir,
        env: { ...process.env, XBPS_TARGET_ARCH: arch },
        stdio: "pipe",
      });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function pack(pkg: VoidPackage, dir: string, work: string): string {
  const { name, version = "1.0_1", depends = [], replaces = [], files = {} } = pkg;
  const root = join(work, name);
  const all = { ...files, [`usr/share/doc/${name}/README`]: `${name} ${version}, made for a test\n` };
  for (const [path, file] of Object.entries(all)) {
    const to = join(root, path);
    mkdirSync(dirname(to), { recursive: true });
    if (typeof file === "string") {
      writeFileSync(to, file);
      if (file.startsWith("#!")) chmodSync(to, 0o755);
    } else if ("copy" in file) cpSync(file.copy, to, { dereference: true });
    else symlinkSync(file.link, to);
  }
  execFileSync("find", [root, "-exec", "touch", "-h", "-d", `@${EPOCH}`, "{}", "+"]);
  const words = ["-q", "-A", "noarch", "-n", `${name}-${version}`, "-s", `${name} (test package)`];
  if (depends.length > 0) words.push("-D", depends.map((one) => `${one}>=0`).join(" "));
  if (replaces.length > 0) words.push("-R", replaces.join(" "));
  execFileSync("xbps-create", [...words, root], { cwd: dir, stdio: "pipe" });
  return `${name}-${version}.noarch.xbps`;
}

/** The host's: busybox is often built without it. */
export const CHPASSWD = "/usr/sbin/chpasswd";

/** Programs of busybox that scripts in and around the tree call. */
const APPLETS =
  "sh mkdir chmod ls cat cp ln rm mv find cpio gzip env sed awk grep uname test sort basename mknod".split(
    " ",
  );

const INSTALL = `#!/bin/sh
[ "$1" = post ] || exit 0
mkdir -p boot dev home mnt opt proc root run sys tmp usr/lib usr/share var/cache var/log var/tmp
chmod 700 root
chmod 1777 tmp var/tmp
`;

const RECONFIGURE = `#!/bin/sh
echo "xbps-reconfigure (stand-in, does nothing): $*"
`;

/** An archive of its own arguments and the modules asked for. */
const DRACUT = `#!/bin/sh
set -e
echo "dracut (stand-in)"
for last; do :; done
mods=
while [ $# -gt 2 ]; do case $1 in --force-add) mods=$2; shift ;; esac; shift; done
for m in $mods; do ls /usr/lib/dracut/modules.d/[0-9][0-9]$m/module-setup.sh; done >/tmp/modules
cat /tmp/modules /usr/lib/modules/$last/modules.order | gzip -n >"$1"
chmod 600 "$1"
`;

/** What root, platform and netboot images are asked to contain. */
export function tinyVoid(): readonly VoidPackage[] {
  const bin = (name: string) => `usr/bin/${name}`;
  return [
    {
      name: "base-files",
      files: {
        INSTALL,
        ...Object.fromEntries(["bin", "sbin"].map((dir) => [dir, { link: "usr/bin" }])),
        "usr/sbin": { link: "bin" },
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/group": "root:x:0:\n",
        "etc/shadow": "root:*:19700:0:99999:7:::\n",
        "etc/default/libc-locales": "#de_DE.UTF-8 UTF-8\n#en_US.UTF-8 UTF-8\n",
      },
    },
    {
      name: "busybox",
      depends: ["base-files"],
      files: {
        [bin("busybox")]: { copy: staticBusybox() },
        ...Object.fromEntries(APPLETS.map((name) => [bin(name), { link: "busybox" }])),
      },
    },
    { name: "xbps", depends: ["busybox"], files: { [bin("xbps-reconfigure")]: RECONFIGURE } },
    {
      name: "shadow",
      depends: ["base-files"],
      files: {
        [bin("chpasswd")]: { copy: CHPASSWD },
        ...Object.fromEntries(librariesOf([CHPASSWD]).map((path) => [path.slice(1), { copy: path }])),
      },
    },
    { name: "wsl-base", depends: ["base-container-full"] },
    { name: "base-container-full", depends: ["busybox", "shadow", "xbps"] },
    {
      name: "linux6.1",
      version: "6.1.0_1",
      files: { "boot/vmlinuz-6.1.0_1": "no kernel\n", "usr/lib/modules/6.1.0_1/modules.order": "" },
    },
    { name: "linux", depends: ["linux6.1"] },
    { name: "dracut", depends: ["busybox"], files: { [bin("dracut")]: DRACUT } },
    { name: "dracut-network", depends: ["dracut"] },
    ...["binutils", "dialog", "jq", "xz", "GCP-base"].map((name) => ({ name, depends: ["base-files"] })),
    {
      name: "syslinux",
      files: Object.fromEntries(
        ["pxelinux.0", "ldlinux.c32", "libcom32.c32", "vesamenu.c32", "libutil.c32", "chain.c32"].map(
          (file) => [`usr/lib/syslinux/${file}`, `${file}, a placeholder\n`],
        ),
      ),
    },
    { name: "base-system", depends: ["base-container-full", "linux", "dracut"] },
  ];
}
