// A stand-in for a checkout of void-mklive: scripts of the same names that read the same files and take the same
// options, but make next to nothing. They install with the real xbps. And a repository with the packages they want.
import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const HEAD = `#!/bin/sh
# A stand-in for a script of void-mklive.
echo "stand-in: $0 $*"
. ./lib.sh
`;

/** Installs `$1` from `$REPOS` into `$ROOTFS`. */
const LIB = `# A stand-in for lib.sh of void-mklive.
: "\${XBPS_REPOSITORY:=--repository=/default/mirror}"
install() { XBPS_ARCH=$ARCH xbps-install -Sy $XBPS_REPOSITORY -r "$ROOTFS" $1 || exit 1; }
ROOTFS=$(mktemp -d)
pack() { tar -c -C "$ROOTFS" . | xz >"$1"; echo created "$1"; }
`;

/** A public key as xbps keeps it, in a file named after the MD5 of what ssh makes of the key. */
export const KEY = ((): { readonly file: string; readonly text: string } => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const { n = "", e = "" } = publicKey.export({ format: "jwk" });
  const field = (bytes: Buffer): Buffer[] => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  };
  // The modulus begins with a one, which would be a sign.
  const modulus = Buffer.concat([Buffer.alloc(1), Buffer.from(n, "base64url")]);
  const parts = [Buffer.from("ssh-rsa"), Buffer.from(e, "base64url"), modulus].flatMap(field);
  const print = createHash("md5").update(Buffer.concat(parts)).digest("hex");
  const pem = publicKey.export({ type: "spki", format: "pem" });
  const data = Buffer.from(pem.toString()).toString("base64");
  return {
    file: `keys/${print.replace(/..(?=.)/g, "$&:")}.plist`,
    text: [
      '<plist version="1.0">',
      "<dict>",
      "\t<key>public-key</key>",
      `\t<data>${data}</data>`,
      "</dict>",
      "</plist>",
      "",
    ].join("\n"),
  };
})();

/** The files of the checkout by name. */
export function voidCheckout(): Record<string, string> {
  return {
    "lib.sh": LIB,
    "mkrootfs.sh": `${HEAD}cat keys/*.plist >/dev/null || exit 1
while getopts "b:r:x:o:" opt; do case $opt in
  b) pkg=$OPTARG ;; r) XBPS_REPOSITORY="$XBPS_REPOSITORY --repository=$OPTARG" ;; o) out=$OPTARG ;;
esac; done
shift $((OPTIND - 1)); ARCH=$1
install "$pkg"; head -c 100000 /dev/urandom >"$ROOTFS/bulk"; pack "$out"
`,
    "mkplatformfs.sh": `${HEAD}while getopts "r:x:o:" opt; do case $opt in
  r) XBPS_REPOSITORY="$XBPS_REPOSITORY --repository=$OPTARG" ;; o) out=$OPTARG ;;
esac; done
shift $((OPTIND - 1)); tar -xf "$2" -C "$ROOTFS" || exit 1; ARCH=x86_64
install "base-system GCP-base"; pack "$out"
`,
    "mknet.sh": `${HEAD}[ "$1" = -r ] && XBPS_REPOSITORY=--repository=$2 && shift 2
cat dracut/netmenu/* dracut/autoinstaller/* installer.sh pxelinux.cfg/pxelinux.cfg.in data/splash.png >/dev/null || exit 1
ARCH=\${1%%-ROOTFS*}; ARCH=\${ARCH##void-}; tar -xf "$1" -C "$ROOTFS"
install "linux dracut binutils dracut-network dialog jq xz syslinux"
mkdir boot boot/pxelinux.cfg
for file in vmlinuz initrd pxelinux.0 ldlinux.c32 pxelinux.cfg/default; do head -c 100000 /dev/urandom >boot/$file; done
tar -czf "void-$ARCH-NETBOOT-$(date -u +%Y%m%d).tar.gz" -C boot .
`,
    "mkimage.sh": HEAD,
    "mkiso.sh": `#!/bin/sh -eu
# A stand-in for mkiso.sh of void-mklive.
. ./lib.sh
case $2 in
  *-base) pkgs="base-live" ;;
  *-xfce) pkgs="xfce4" ;;
  *) pkgs="other" ;;
esac
mkdir "$ROOTFS/etc"; echo "$2" | sed 's/.*-//' >"$ROOTFS/etc/flavour"
./mklive.sh -a x86_64 -o live.iso -p "$pkgs" -I "$ROOTFS"
`,
    "mklive.sh": `${HEAD}REQUIRED_PKGS=(tools)
TARGET_PKGS=(base-files)
INITRAMFS_PKGS=(dracut)
PACKAGE_LIST=(jq)
`,
    "installer.sh": "installer\n",
    version: "1\n",
    [KEY.file]: KEY.text,
    "data/splash.png": "png\n",
    "data/issue": "issue\n",
    "dracut/netmenu/netmenu.sh": "netmenu\n",
    "dracut/autoinstaller/install.sh": "install\n",
    "dracut/vmklive/adduser.sh": "adduser\n",
    "pxelinux.cfg/pxelinux.cfg.in": "pxelinux\n",
    "isolinux/isolinux.cfg.in": "isolinux\n",
    "grub/grub.cfg": "grub\n",
    "grub/grub_void.cfg.pre": "pre\n",
    "grub/grub_void.cfg.post": "post\n",
    "platforms/pinebookpro.sh": "PLATFORM_PKGS=(pinebookpro-base)\n",
    "platforms/x13s.sh": "PLATFORM_PKGS=(x13s-base)\n",
  };
}

/** Writes the checkout's files; scripts can be run. */
export function writeCheckout(dir: string, files: Readonly<Record<string, string>> = voidCheckout()): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text, { mode: /^[^/]*\.sh$/.test(name) ? 0o755 : 0o644 });
  }
}

/** What the scripts' packages need, so that one release has closures with something in common. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "base-files": [],
  "base-container-full": ["base-files"],
  "wsl-base": ["base-files"],
  "base-system": ["base-container-full"],
  "GCP-base": [],
  ...Object.fromEntries(
    ["linux", "dracut", "binutils", "dracut-network", "dialog", "jq", "xz", "syslinux"].map((name) => [
      name,
      [],
    ]),
  ),
};

/** Makes a package, with an INSTALL script where there is one, and indexes it for x86_64. */
export function addPackage(
  repo: string,
  pkgver: string,
  depends: readonly string[] = [],
  install?: string,
): void {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-package-"));
  const name = pkgver.replace(/-[^-]*$/, "");
  mkdirSync(join(dir, "usr/share"), { recursive: true });
  writeFileSync(join(dir, "usr/share", name), `${pkgver}\n`);
  if (install !== undefined) writeFileSync(join(dir, "INSTALL"), install, { mode: 0o755 });
  mkdirSync(repo, { recursive: true });
  const words = [
    "-A",
    "noarch",
    "-n",
    pkgver,
    "-s",
    name,
    "-D",
    depends.map((one) => `${one}>=0`).join(" "),
    dir,
  ];
  execFileSync("xbps-create", words, { cwd: repo, stdio: "ignore" });
  execFileSync("xbps-rindex", ["-a", `${repo}/${pkgver}.noarch.xbps`], {
    env: { ...process.env, XBPS_TARGET_ARCH: "x86_64" },
    stdio: "ignore",
  });
  rmSync(dir, { recursive: true });
}

/** Makes the repository. */
export function voidRepository(repo: string): void {
  for (const [name, depends] of Object.entries(PACKAGES)) addPackage(repo, `${name}-1.0_1`, depends);
}
