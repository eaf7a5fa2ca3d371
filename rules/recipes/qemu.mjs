// A guest for QEMU: the options that present an image as a CD, a stick, a disk or a netboot server, its firmware, and
// when KVM is of use. Shared by the recipe boot.mjs, beside which it lies in the stage, and by `imagemake boot`
// (rules/guest.ts). It starts no guest, and knows nothing of consoles.
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, readdirSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { basename, extname, join, relative } from "node:path";
import process from "node:process";

/**
 * What the guest is. Memory in bytes; `files` are absolute paths.
 * @typedef {{ as: "cd" | "usb" | "disk" | "pxe" | "kernel", cmdline?: string, firmware: "bios" | "uefi",
 *   memory: number, cpus: number, net: boolean, keep?: string, kvmDeadline?: number }} Machine
 * @typedef {{ IMAGE?: string, KERNEL?: string, INITRD?: string }} Files
 * @typedef {"kvm" | "tcg"} Accel
 * Does what has to be done before QEMU starts: runs a command, whose output goes into the file `into`.
 * @typedef {(argv: readonly [string, ...string[]], into?: string) => void} Does
 */

export const QEMU = "qemu-system-x86_64";
const OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/** Ends the run for want of something on this machine. */
export class Missing extends Error {}

/** A command line that a shell takes. @param {readonly string[]} argv */
export const shellLine = (argv) =>
  argv.map((word) => (/^[\w./:=,+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");

/** A value inside a QEMU option list, where a comma is written twice. @param {string} path */
export const quoted = (path) => path.replaceAll(",", ",,");

/** Does it, for want of which nothing can start. @type {Does} */
export function really(argv, into) {
  const file = into === undefined ? undefined : openSync(into, "w");
  const [program, ...words] = argv;
  const result = spawnSync(program, words, { stdio: ["ignore", file ?? 2, "inherit"] });
  if (file !== undefined) closeSync(file);
  if (result.error) throw new Missing(`cannot run ${program}: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${argv.join(" ")} failed with status ${result.status}`);
}

/** The disk image that a tarball of a cloud image holds. */
const IN_TARBALL = "disk.raw";
/** @param {string} path */
const isTarball = (path) => /\.(tar(\.\w+)?|tgz)$/.test(path);

/** Programs that unpack, by the ends of names. */
const UNPACK = new Map([
  [".xz", "xz"],
  [".gz", "gzip"],
  [".zst", "zstd"],
]);

/**
 * A disk image that QEMU can read: `.xz`, `.gz` and `.zst` are unpacked into scratch, and so is a cloud's tarball.
 * @param {string} path
 * @param {string} scratch
 * @param {Does} does
 */
function plainImage(path, scratch, does) {
  if (isTarball(path)) {
    does(["tar", "-C", scratch, "--no-same-owner", "-xSf", path, IN_TARBALL]);
    return join(scratch, IN_TARBALL);
  }
  const packer = UNPACK.get(extname(path));
  if (packer === undefined) return path;
  const plain = join(scratch, basename(path).replace(/\.[^.]+$/, ""));
  does([packer, "-dc", path], plain);
  return plain;
}

/**
 * The drive of a disk. snapshot=on: what the guest writes goes to a file that QEMU throws away, so the artifact is never
 * written. With `keep` it is a copy of the artifact, whole before it has its name.
 * @param {Machine} plan
 * @param {string} image
 * @param {string} scratch
 * @param {Does} does
 */
function disk(plan, image, scratch, does) {
  if (plan.keep === undefined) return drive(plainImage(image, scratch, does), "snapshot=on");
  if (!existsSync(plan.keep)) {
    const plain = plainImage(image, scratch, does);
    does(["cp", "--reflink=auto", "--sparse=always", "--no-preserve=mode", plain, `${plan.keep}.tmp`]);
    does(["mv", `${plan.keep}.tmp`, plan.keep]);
  }
  return ["-drive", `if=none,id=image,format=${formatOf(image)},file=${quoted(plan.keep)}`];
}

/** By the name of what was built, packed or not. @param {string} path */
const formatOf = (path) => /\.(qcow2|vmdk|vdi)(?:\.(?:xz|gz|zst))?$/.exec(path)?.[1] ?? "raw";

/**
 * @param {string} path
 * @param {string[]} more
 */
function drive(path, ...more) {
  return ["-drive", [`if=none,id=image,format=${formatOf(path)},file=${quoted(path)}`, ...more].join(",")];
}

/**
 * Names in a tarball, or in the directory it was unpacked into; without directories.
 * @param {string} tarball
 * @param {string} [dir]
 */
export function namesIn(tarball, dir) {
  if (dir !== undefined && existsSync(dir)) {
    return readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(dir, join(entry.parentPath, entry.name)));
  }
  const listed = spawnSync("tar", ["-tf", tarball], { encoding: "utf8", maxBuffer: 1 << 28 });
  if (listed.status !== 0)
    throw new Error(`${tarball} cannot be read: ${listed.error?.message ?? listed.stderr}`);
  return listed.stdout
    .split("\n")
    .filter((name) => name !== "" && !name.endsWith("/"))
    .map((name) => name.replace(/^\.\//, ""));
}

/**
 * What a DHCP server would name: the first of the usual names, nearest to the top; undefined where there is none.
 * @param {readonly string[]} names
 * @param {Machine["firmware"]} firmware
 */
export function bootFile(names, firmware) {
  const usual =
    firmware === "bios"
      ? [/^l?pxelinux\.0$/i, /^core\.0$/i, /\.0$/, /\.k?pxe$/i]
      : [/^(boot|shim|grub|grubnet|syslinux|ipxe|snponly)x?(64|x64)?\.efi$/i, /x64.*\.efi$/i, /\.efi$/i];
  const depth = (/** @type {string} */ path) => path.split("/").length;
  const all = [...names].sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1));
  for (const name of usual) {
    const found = all.find((path) => name.test(basename(path)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * How a tarball can be started: it is a netboot tarball, or holds a disk image; undefined where it is neither.
 * @param {readonly string[]} names
 */
export function mediumOf(names) {
  if (names.includes(IN_TARBALL)) return "disk";
  return (bootFile(names, "bios") ?? bootFile(names, "uefi")) ? "pxe" : undefined;
}

/**
 * Options for what is booted. i440fx (`machine`), because small kernels have its IDE but not AHCI.
 * @param {Machine} plan
 * @param {Files} files
 * @param {string} scratch
 * @param {Does} does
 * @returns {string[]}
 */
export function medium(plan, files, scratch, does) {
  // Without a boot ROM, so that a card that is not for booting does not delay it.
  const card = plan.net
    ? ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
    : ["-nic", "none"];
  if (plan.as === "kernel") {
    const [kernel, initrd] = [fileOf(files, "KERNEL"), fileOf(files, "INITRD")];
    return ["-kernel", kernel, "-initrd", initrd, "-append", plan.cmdline ?? "", ...card];
  }
  const image = fileOf(files, "IMAGE");
  switch (plan.as) {
    case "cd":
      return [
        ...drive(image, "media=cdrom,readonly=on"),
        "-device",
        "ide-cd,drive=image,bootindex=1",
        ...card,
      ];
    case "usb":
      return [
        ...disk(plan, image, scratch, does),
        ...["-device", "qemu-xhci", "-device", "usb-storage,drive=image,bootindex=1", ...card],
      ];
    case "disk":
      return [
        ...disk(plan, image, scratch, does),
        ...["-device", "virtio-blk-pci,drive=image,bootindex=1", ...card],
      ];
    case "pxe": {
      const dir = join(scratch, "tftp");
      does(["mkdir", dir]);
      does(["tar", "-C", dir, "--no-same-owner", "-xf", image]);
      const names = namesIn(image, dir);
      const file = bootFile(names, plan.firmware);
      if (file === undefined) {
        throw new Error(
          `no boot file for ${plan.firmware} in ${image}: ${names.sort().slice(0, 20).join(" ")}`,
        );
      }
      return [
        ...["-netdev", `user,id=net,tftp=${quoted(dir)},bootfile=${quoted(file)}`],
        ...["-device", "virtio-net-pci,netdev=net,bootindex=1"],
      ];
    }
  }
}

/**
 * @param {Files} files
 * @param {keyof Files} name
 */
function fileOf(files, name) {
  const path = files[name];
  if (path === undefined) throw new Missing(`there is no ${name} to start from`);
  return path;
}

/**
 * UEFI: the firmware's code, and a copy of its variables, which it writes. Fresh for each attempt.
 * @param {Machine} plan
 * @param {string} scratch
 * @param {Does} does
 * @returns {string[]}
 */
export function firmware(plan, scratch, does) {
  if (plan.firmware !== "uefi") return [];
  if (!existsSync(OVMF)) throw new Missing(`no ${OVMF}: install the package ovmf`);
  const vars = join(scratch, "vars.fd");
  does(["cp", OVMF.replace("CODE", "VARS"), vars]);
  return [
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${OVMF}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${quoted(vars)}`],
  ];
}

/**
 * The processor that QEMU emulates: with all that it can, but for SMAP. QEMU 7.2 sees a violation of it where Xen goes back
 * to a kernel that runs in ring 3, and dom0 dies at once.
 */
const EMULATED = "max,-smap";

/**
 * The machine itself.
 * @param {Machine} plan
 * @param {Accel} accel
 */
export const machine = (plan, accel) => [
  ...["-no-user-config", "-machine", "pc", "-accel", accel, "-cpu", accel === "kvm" ? "host" : EMULATED],
  ...["-m", `${Math.ceil(plan.memory / 1_048_576)}M`, "-smp", String(plan.cpus)],
];

// ---- KVM -------------------------------------------------------------------------------------------------

/**
 * Why KVM is not worth trying, or null. That /dev/kvm opens is not enough: see `kvmDeadline`.
 * @param {Accel} [asked]
 */
export function withoutKvm(asked) {
  if (asked === "kvm") return null;
  if (asked === "tcg") return "asked for";
  if (process.arch !== "x64") return `the host is ${process.arch}`;
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return "no /dev/kvm that can be read and written";
  }
  if (!/^flags\s*:.*\b(?:vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8")))
    return "/dev/kvm without vmx or svm in /proc/cpuinfo";
  return null;
}

/**
 * Nested virtualisation can open, run the firmware, and stand still as soon as a kernel starts: seconds to hear of one.
 * @param {Machine} plan
 */
export const kvmDeadline = (plan) => plan.kvmDeadline ?? (plan.as === "pxe" ? 45 : 20);
/** Lines that firmware and boot loaders print: no sign that a kernel runs. */
export const LOADER =
  /SeaBIOS|iPXE|Booting|EDD|(?:ISO|SYS|PXE|EXT)LINUX|GRUB|boot:|BdsDxe|UEFI|^>>|Loading|[Pp]ress |tftp:|Automatic boot/;
/** Lines that only a running kernel prints. */
export const KERNEL = /^\[ *\d+\.\d{6}\]|Linux version \d/m;
/** What QEMU says when KVM gave up on the guest. */
export const KVM_BROKEN = /KVM internal error/;
