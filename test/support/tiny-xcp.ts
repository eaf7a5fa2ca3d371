// A small XCP-ng: RPM packages with its names and paths, in which Xen, the kernel and the boot loaders are Debian's,
// so that an installer ISO made of them boots. What only pretends to be a program says so.
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { kernelPackage, unpackDebian } from "./guest.js";
import { lackingForRpm, type RpmFile, type RpmPackage } from "./rpm-repo.js";
import { staticBusybox } from "./tiny-debian.js";

/** What the installer says, which starts where `installer.service` is enabled: see `tinyXcp`. */
const INSTALLER = "the installer would start here";
/** What a service says that was enabled by its package, and that installers disable. */
const CHRONYD = "chronyd would start here";

/** The list of packages for an installer's root: `host-installer-startup` brings the installer. */
export const XCP_ROOT: readonly string[] =
  `basesystem bash chrony coreutils filesystem host-installer-startup intel-e1000e kernel kernel-alt
   rpm setup systemd systemd-sysv xcp-ng-release xen-dom0-tools xen-tools`.split(/\s+/);
/** Packages that come into the root with those and are of no use in it. */
export const XCP_ERASED: readonly string[] = ["binutils", "dracut", "pkgconfig", "xen-hypervisor"];

const ISOLINUX = "/usr/lib/ISOLINUX";
const SYSLINUX = "/usr/lib/syslinux/modules/bios";
const PXELINUX = "/usr/lib/PXELINUX/pxelinux.0";
const GRUB = "/usr/lib/grub/x86_64-efi";

/** Programs and files that are not here; without them there is nothing to test. */
export const lackingForXcp = (): readonly string[] => [
  ...lackingForRpm(),
  ...["/usr/bin/grub-mkimage", ISOLINUX, SYSLINUX, PXELINUX, GRUB].filter((path) => !existsSync(path)),
];

/**
 * The packages, for `makeRpmRepo`. The root has a stand-in for systemd: it greets, runs what `multi-user.target` wants
 * one after the other, and powers off. No package has `/init`, nor the unit `installer.service` (whose program is
 * `/opt/xensource/installer/preinit`): whoever makes an installer adds them.
 */
export function tinyXcp(): readonly RpmPackage[] {
  return [...base(), ...services(), ...kernels(debianXen()), ...installer(), ...loaders()];
}

const x86 = (name: string, pkg: Omit<RpmPackage, "name" | "arch"> = {}): RpmPackage => ({
  release: "1.xcpng8.3",
  ...pkg,
  name,
  arch: "x86_64",
});

const copy = (path: string): RpmFile => ({ copy: path });

const APPLETS =
  `cat chmod cp cut date echo env find grep ln ls mkdir mount mv poweroff ps rm sed sleep sort touch true
   umount uname`.split(/\s+/);

/** What every root is made of: directories, busybox. As in CentOS 7, `/bin` and `/lib` are links into `/usr`. */
function base(): readonly RpmPackage[] {
  const dirs =
    `boot dev etc home mnt opt proc root run srv sys tmp usr/bin usr/lib usr/lib64 usr/sbin usr/share
    var/cache var/lib var/log var/tmp`.split(/\s+/);
  const links = { bin: "usr/bin", sbin: "usr/sbin", lib: "usr/lib", lib64: "usr/lib64" };
  return [
    x86("filesystem", {
      requires: ["setup"],
      files: {
        ...Object.fromEntries(dirs.map((path) => [`${path}/`, ""])),
        ...Object.fromEntries(Object.entries(links).map(([path, link]) => [path, { link }])),
      },
      modes: { "tmp/": 0o1777, "var/tmp/": 0o1777, "root/": 0o550, "proc/": 0o555, "sys/": 0o555 },
    }),
    {
      name: "setup",
      files: {
        "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
        "etc/group": "root:x:0:\n",
        "etc/shadow": "root:*:14871::::::\n",
      },
      modes: { "etc/shadow": 0 },
    },
    { name: "basesystem", requires: ["filesystem", "setup"] },
    // XCP-ng has programs of GNU where this has one of its applets.
    x86("busybox", { requires: ["filesystem"], files: { "usr/bin/busybox": copy(staticBusybox()) } }),
    x86("bash", {
      requires: ["busybox"],
      provides: ["/bin/sh", "/bin/bash"],
      files: {
        "usr/bin/sh": { link: "busybox" },
        "usr/bin/bash": '#!/bin/busybox sh\nexec /bin/busybox sh "$@"\n',
        "usr/share/doc/bash/README": "what packages have for readers\n",
        "usr/share/locale/fr/LC_MESSAGES/bash.mo": "a stand-in\n",
      },
    }),
    x86("coreutils", {
      requires: ["busybox"],
      files: Object.fromEntries(APPLETS.map((name) => [`usr/bin/${name}`, { link: "busybox" }])),
    }),
    x86("rpm", { files: { "usr/bin/rpm": STAND_IN, "var/lib/rpm/": "" } }),
    ...["binutils", "pkgconfig"].map((name) => x86(name, { files: { [`usr/bin/${name}`]: STAND_IN } })),
  ];
}

const STAND_IN = "#!/bin/sh\necho this is a stand-in >&2\nexit 1\n";

const SYSTEMD = `#!/bin/busybox sh
# A stand-in for systemd.
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
say() {
  for tty in $(cat /sys/class/tty/console/active); do echo "$*" >"/dev/$tty"; done
}
. /etc/os-release
say "Welcome to $PRETTY_NAME!"
for unit in /etc/systemd/system/multi-user.target.wants/*.service; do
  [ -e "$unit" ] || continue
  say "Starting \${unit##*/}"
  say "$(sh -c "$(sed -n 's/^ExecStart=//p' "$unit")" 2>&1)"
done
poweroff -f
`;

const unit = (what: string, start: string): string =>
  `[Unit]\nDescription=${what}\n[Service]\nExecStart=${start}\n[Install]\nWantedBy=multi-user.target\n`;

/** The stand-in for systemd, and what it starts. */
function services(): readonly RpmPackage[] {
  const units = "usr/lib/systemd/system";
  return [
    x86("systemd", {
      requires: ["coreutils", "bash", "pkgconfig"],
      files: {
        "usr/lib/systemd/systemd": SYSTEMD,
        [`${units}/multi-user.target`]: "[Unit]\nDescription=Multi-User System\n",
        [`${units}/default.target`]: { link: "multi-user.target" },
        [`${units}/getty@.service`]: unit("Getty on %I", "/usr/bin/true"),
        "etc/systemd/system/multi-user.target.wants/": "",
        "etc/systemd/system/getty.target.wants/getty@tty1.service": {
          link: "/usr/lib/systemd/system/getty@.service",
        },
      },
    }),
    x86("systemd-sysv", {
      requires: ["systemd"],
      files: { "usr/sbin/init": { link: "../lib/systemd/systemd" } },
    }),
    x86("chrony", {
      requires: ["coreutils", "systemd"],
      files: {
        "usr/sbin/chronyd": `#!/bin/sh\necho ${CHRONYD}\n`,
        [`${units}/chronyd.service`]: unit("NTP client/server", "/usr/sbin/chronyd"),
      },
      post: `ln -sf /${units}/chronyd.service /etc/systemd/system/multi-user.target.wants/chronyd.service\n`,
    }),
    x86("xcp-ng-release", {
      version: "8.3.0",
      files: {
        "etc/os-release":
          'NAME="XCP-ng"\nVERSION="8.3.0"\nID="xenenterprise"\nID_LIKE="centos rhel fedora"\n' +
          'VERSION_ID="8.3.0"\nPRETTY_NAME="XCP-ng 8.3.0"\n',
        "etc/yum.repos.d/xcp-ng.repo":
          "[xcp-ng-base]\nname=XCP-ng Base\nbaseurl=https://mirror.example.invalid/8/8.3/base/x86_64/\n",
      },
    }),
  ];
}

/** The kernel with some modules, the same under its other name, and Xen, which is no debug build under either of its. */
function kernels({ dir, uname }: DebianXen): readonly RpmPackage[] {
  const [version = "6.1.0", release = "1"] = uname.split("-");
  const named = (name: string, own: string, modules: readonly string[]): RpmPackage =>
    x86(name, {
      version,
      release: `${release}.xcpng8.3`,
      requires: ["filesystem", "coreutils", "dracut"],
      files: {
        [`boot/vmlinuz-${own}`]: copy(join(dir, "vmlinuz")),
        // Names without the patch level: links in the real package too.
        [`boot/vmlinuz-${own.replace(/\.0-.*?(-alt)?$/, "$1")}-xen`]: { link: `vmlinuz-${own}` },
        ...Object.fromEntries(
          modules.map((path) => [`lib/modules/${own}/${path}`, copy(join(dir, "modules", path))]),
        ),
      },
    });
  const modules = readdirSync(join(dir, "modules"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(dir, "modules/").length))
    .sort();
  const e1000e = modules.find((path) => path.endsWith("/e1000e.ko")) ?? "";
  return [
    named("kernel", uname, modules),
    named(
      "kernel-alt",
      `${uname}-alt`,
      modules.filter((path) => !path.includes("/")),
    ),
    x86("intel-e1000e", {
      requires: ["kernel"],
      files: { [`lib/modules/${uname}/updates/e1000e.ko`]: copy(join(dir, "modules", e1000e)) },
    }),
    x86("dracut", { requires: ["binutils"], files: { "usr/sbin/dracut": STAND_IN } }),
    x86("xen-hypervisor", {
      version: "4.17.5",
      files: {
        "boot/xen-4.17.gz": copy(join(dir, "xen.gz")),
        "boot/xen-4.17-d.gz": copy(join(dir, "xen.gz")),
        "boot/xen.gz": { link: "xen-4.17.gz" },
      },
    }),
    x86("xen-tools", { version: "4.17.5", files: { "usr/sbin/xl": STAND_IN } }),
    x86("xen-dom0-tools", { version: "4.17.5", requires: ["xen-tools", "xen-hypervisor"] }),
  ];
}

/** The installer, and what the product is made of: of the latter nothing but names. */
function installer(): readonly RpmPackage[] {
  return [
    x86("host-installer", {
      version: "10.10.0",
      files: {
        "opt/xensource/installer/init": `#!/bin/sh\necho ${INSTALLER}\n`,
        "opt/xensource/installer/product.py": "# a stand-in\n",
      },
    }),
    x86("host-installer-startup", {
      version: "10.10.0",
      requires: ["host-installer = 10.10.0", "coreutils"],
      files: { "opt/xensource/installer/preinit": "#!/bin/sh\nexec /opt/xensource/installer/init\n" },
    }),
    {
      name: "branding-xcp-ng",
      version: "8.3.0",
      files: {
        "usr/src/branding/branding": BRANDING,
        "usr/src/branding/EULA": "Nobody need agree to anything.\n",
        "usr/src/branding/LICENSES": "MIT\n",
      },
    },
    x86("xcp-ng-deps", {
      version: "8.3",
      requires: ["kernel", "sm", "xapi-core >= 24", "xcp-ng-release", "xen-dom0-tools"],
    }),
    x86("xapi-core", {
      version: "24.19.2",
      requires: ["bash"],
      files: { "opt/xensource/bin/xapi": STAND_IN },
    }),
    x86("sm", { requires: ["xapi-core"], files: { "opt/xensource/sm/EXTSR": STAND_IN } }),
  ];
}

/** Assignments of a shell. */
const BRANDING = `COMPANY_NAME="Nobody, and others"
PLATFORM_NAME="XCP"
PLATFORM_VERSION="3.4.0"
PRODUCT_BRAND="XCP-ng"
PRODUCT_NAME="xenenterprise"
PRODUCT_VERSION="8.3.0"
PRODUCT_VERSION_TEXT="8.3"
`;

const GRUB_MODULES =
  `all_video boot cat chain configfile echo efinet ext2 fat gzio halt iso9660 linux loadenv ls multiboot2 normal
   part_apple part_gpt part_msdos reboot search search_fs_file search_fs_uuid search_label serial sleep terminal test
   tftp true`.split(/\s+/);

/** Boot loaders, which are Debian's: its isolinux needs `ldlinux.c32`, which XCP-ng's older one has not. */
function loaders(): readonly RpmPackage[] {
  const c32 = "ldlinux libcom32 libutil mboot menu".split(" ").map((name) => `${SYSLINUX}/${name}.c32`);
  const loader = [`${ISOLINUX}/isolinux.bin`, `${ISOLINUX}/isohdpfx.bin`, PXELINUX, ...c32];
  const into = (dir: string, paths: readonly string[]): Record<string, RpmFile> =>
    Object.fromEntries(paths.map((path) => [`${dir}/${path.split("/").pop() ?? ""}`, copy(path)]));
  const modules = readdirSync(GRUB, { withFileTypes: true }).filter((entry) => entry.isFile());
  return [
    x86("syslinux", { version: "4.05", files: into("usr/share/syslinux", loader) }),
    x86("grub-efi", {
      version: "2.06",
      tags: [["Epoch", "1"]],
      requires: ["grub-tools = 1:2.06"],
      files: {
        "boot/efi/EFI/xenserver/grubx64.efi": grubImage(),
        ...into(
          "usr/lib/grub/x86_64-efi",
          modules.map((entry) => join(GRUB, entry.name)),
        ),
      },
    }),
    x86("grub-tools", { version: "2.06", tags: [["Epoch", "1"]], files: { "usr/bin/grub-file": STAND_IN } }),
    x86("memtest86+", {
      files: { "boot/memtest.bin": "a stand-in\n", "boot/memtest.efi": "a stand-in\n" },
    }),
  ];
}

function grubImage(): Buffer {
  const dir = mkdtempSync(join(tmpdir(), "tiny-xcp-"));
  try {
    const file = join(dir, "grubx64.efi");
    const args = ["-O", "x86_64-efi", "-p", "/EFI/xenserver", "-o", file, ...GRUB_MODULES];
    execFileSync("grub-mkimage", args, { stdio: "pipe" });
    return readFileSync(file);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Debian's Xen and kernel in a directory: `xen.gz`, `vmlinuz` and `modules`. */
interface DebianXen {
  readonly dir: string;
  readonly uname: string;
}

/** Modules that are kept. */
const MODULES = "dummy.ko e1000e.ko loop.ko modules.builtin modules.builtin.modinfo modules.order".split(" ");

/** Downloads them, and keeps them for later tests in the system's tmp. */
function debianXen(): DebianXen {
  const dir = join(tmpdir(), "imagemake-test-xen");
  if (!existsSync(dir)) {
    const work = mkdtempSync(join(tmpdir(), "debian-xen-"));
    try {
      // The kernel for clouds cannot be Xen's dom0.
      const root = unpackDebian(work, (apt) => [
        "xen-hypervisor-4.17-amd64",
        kernelPackage(work, apt, "linux-image-amd64"),
      ]);
      const uname = readdirSync(join(root, "lib/modules"))[0] ?? "";
      const kept = join(work, "kept");
      const all = join(root, "lib/modules", uname);
      const wanted = readdirSync(all, { recursive: true, encoding: "utf8" });
      for (const path of wanted.filter((one) => MODULES.includes(one.split("/").pop() ?? ""))) {
        mkdirSync(dirname(join(kept, "modules", path)), { recursive: true });
        cpSync(join(all, path), join(kept, "modules", path));
      }
      cpSync(join(root, "boot", `vmlinuz-${uname}`), join(kept, "vmlinuz"));
      cpSync(join(root, "boot/xen-4.17-amd64.gz"), join(kept, "xen.gz"));
      writeFileSync(join(kept, "uname"), uname);
      renameSync(kept, dir);
    } catch (error) {
      // Another test may have been faster.
      if (!existsSync(dir)) throw error;
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  return { dir, uname: readFileSync(join(dir, "uname"), "utf8") };
}
