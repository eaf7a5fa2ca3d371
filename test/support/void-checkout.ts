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
case \${1:-} in platform2arch)
  case $2 in
    rpi-*) arch=\${2#rpi-}; arch=\${arch%-musl} ;; GCP*) arch=x86_64 ;;
    pinebookpro* | asahi* | rock64*) arch=aarch64 ;; *) echo "unknown platform"; exit 1 ;;
  esac
  case $2 in *-musl) arch=$arch-musl ;; esac
  echo $arch ;;
esac
`;

/** Variables and pattern rules as void-mklive's Makefile has them: lists that a shell expands, one rule a kind. */
const MAKEFILE = `# A stand-in for the Makefile of void-mklive.
SHELL = /bin/bash
DATECODE := $(shell date -u +%Y%m%d)
SUDO := sudo
COMPRESSOR_THREADS := $(shell nproc)
REPOSITORY := https://repo-default.voidlinux.org/current
XBPS_REPOSITORY := -r $(REPOSITORY) -r $(REPOSITORY)/musl -r $(REPOSITORY)/aarch64
T_PLATFORMS = rpi-{armv{6,7}l,aarch64}{,-musl} GCP{,-musl} pinebookpro{,-musl} asahi{,-musl}
LIVE_ARCHS := $(shell echo i686 {x86_64,aarch64,asahi}{,-musl})
LIVE_FLAVORS := base enlightenment xfce mate cinnamon gnome kde lxde lxqt xfce-wayland
LIVE_PLATFORMS := pinebookpro x13s
ARCHS := $(shell echo i686 x86_64{,-musl} armv{6,7}l{,-musl} aarch64{,-musl})
PLATFORMS := $(shell echo $(T_PLATFORMS))
SBC_IMGS := $(filter-out GCP% asahi%,$(PLATFORMS))
CLOUD_IMGS := GCP GCP-musl
PXE_ARCHS := x86_64 x86_64-musl
WSL_ARCHS := x86_64 x86_64-musl aarch64 aarch64-musl
each = $(foreach one,$(1),void-$(one)$(2))
ALL_ROOTFS = $(call each,$(ARCHS),-ROOTFS-$(DATECODE).tar.xz)
ALL_PLATFORMFS = $(call each,$(PLATFORMS),-PLATFORMFS-$(DATECODE).tar.xz)
ALL_SBC_IMAGES = $(call each,$(SBC_IMGS),-$(DATECODE).img.xz)
ALL_CLOUD_IMAGES = $(call each,$(CLOUD_IMGS),-$(DATECODE).tar.gz)
ALL_PXE_ARCHS = $(call each,$(PXE_ARCHS),-NETBOOT-$(DATECODE).tar.gz)
ALL_WSL = $(call each,$(WSL_ARCHS),-$(DATECODE).wsl)
.SECONDEXPANSION:
void-live-%.iso: mkiso.sh
\t$(SUDO) ./mkiso.sh -r $(REPOSITORY) -t $* $(if $(findstring aarch64,$*),-- -P "$(LIVE_PLATFORMS)")
void-%-ROOTFS-$(DATECODE).tar.xz: mkrootfs.sh
\t@[ -n "\${CI}" ] && printf "building %s\\n" $@ || true
\t$(SUDO) ./mkrootfs.sh $(XBPS_REPOSITORY) -x $(COMPRESSOR_THREADS) -o $@ $*
void-%-PLATFORMFS-$(DATECODE).tar.xz: void-$$(shell ./lib.sh platform2arch %)-ROOTFS-$(DATECODE).tar.xz
\t$(SUDO) ./mkplatformfs.sh $(XBPS_REPOSITORY) -x $(COMPRESSOR_THREADS) -o $@ $* $<
void-%-NETBOOT-$(DATECODE).tar.gz: void-%-ROOTFS-$(DATECODE).tar.xz
\t$(SUDO) ./mknet.sh $<
void-%-$(DATECODE).img.xz: void-%-PLATFORMFS-$(DATECODE).tar.xz
\t$(SUDO) ./mkimage.sh -x $(COMPRESSOR_THREADS) -o $(basename $@) $<
void-%-$(DATECODE).tar.gz: void-%-PLATFORMFS-$(DATECODE).tar.xz
\t$(SUDO) ./mkimage.sh -x $(COMPRESSOR_THREADS) $<
void-%-$(DATECODE).wsl: mkrootfs.sh
\t$(SUDO) ./mkrootfs.sh $(XBPS_REPOSITORY) -x $(COMPRESSOR_THREADS) -b wsl-base -o $@ $*
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
    Makefile: MAKEFILE,
    "lib.sh": LIB,
    "mkrootfs.sh": `${HEAD}cat keys/*.plist >/dev/null || exit 1
pkg=base-container-full
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
case $1 in
  GCP*) pkgs="base-system GCP-base" ;; rock64*) pkgs="base-system rock64-base" ;;
  *) pkgs="base-system board-base" ;;
esac
install "$pkgs"; pack "$out"
`,
    "mknet.sh": `${HEAD}[ "$1" = -r ] && XBPS_REPOSITORY=--repository=$2 && shift 2
cat dracut/netmenu/* dracut/autoinstaller/* installer.sh pxelinux.cfg/pxelinux.cfg.in data/splash.png >/dev/null || exit 1
ARCH=\${1%%-ROOTFS*}; ARCH=\${ARCH##void-}; tar -xf "$1" -C "$ROOTFS"
install "linux dracut binutils dracut-network dialog jq xz syslinux"
mkdir boot boot/pxelinux.cfg
for file in vmlinuz initrd pxelinux.0 ldlinux.c32 pxelinux.cfg/default; do head -c 100000 /dev/urandom >boot/$file; done
tar -czf "void-$ARCH-NETBOOT-$(date -u +%Y%m%d).tar.gz" -C boot .
`,
    "mkimage.sh": `${HEAD}ARCH=x86_64
install cloud-guest-utils
`,
    "mkiso.sh": `#!/bin/sh -eu
# A stand-in for mkiso.sh of void-mklive.
. ./lib.sh
while getopts "r:t:" opt; do case $opt in t) image=$OPTARG ;; esac; done
shift $((OPTIND - 1))
case $image in
  *-base) pkgs="base-live" ;;
  *-xfce) pkgs="xfce4" ;;
  *-enlightenment | *-mate | *-cinnamon | *-gnome | *-kde | *-lxde | *-lxqt | *-xfce-wayland | *-mine) pkgs="other" ;;
  *) echo "$image is of no flavour" >&2; exit 1 ;;
esac
mkdir "$ROOTFS/etc"; echo "$image" | sed 's/.*-//' >"$ROOTFS/etc/flavour"
./mklive.sh -a x86_64 -o live.iso -p "$pkgs" -I "$ROOTFS" "$@"
`,
    "mklive.sh": `#!/bin/bash
# A stand-in for mklive.sh of void-mklive.
. ./lib.sh
while getopts "a:o:p:I:P:r:v:k:S:" opt; do case $opt in a) ARCH=$OPTARG ;; p) pkgs="$pkgs $OPTARG" ;; I) include=$OPTARG ;; esac; done
tree=$ROOTFS
ROOTFS=$tree/host install tools; ROOTFS=$tree/target install base-files
ROOTFS=$tree/image install "base-system jq dracut $pkgs"
cp -R "$include"/. "$tree/image"
chroot "$tree/image" dracut
xbps-remove -r "$tree/image" -Ry dracut
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
