// Tiny real guests for boot tests: Debian's cloud kernel with a busybox initrd, a netboot tarball of both, and boot
// sectors of a few bytes.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Says GUEST-READY, and then what the kernel's command line says: `guest=ask` asks a question on the console,
 * `guest=stay` waits for ever, otherwise it powers off.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /dev
/bin/busybox mount -t devtmpfs dev /dev; /bin/busybox mount -t proc proc /proc
exec </dev/console >/dev/console 2>&1
echo "GUEST-READY up=$(/bin/busybox cut -d' ' -f1 /proc/uptime)"
case "$(/bin/busybox cat /proc/cmdline)" in
*guest=stay*) while :; do /bin/busybox sleep 60; done ;;
*guest=ask*) printf 'login: '; read name; echo "hello $name, $((6 * 7))" ;;
esac
/bin/busybox poweroff -f
`;

/** What the kernel needs to talk to us. */
export const CMDLINE = "console=ttyS0,115200 panic=-1 quiet";

export interface Guest {
  readonly kernel: string;
  readonly initrd: string;
}

function run(cwd: string, command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Unpacks Debian packages below `dir`; with package lists of its own where the host's are too old. */
export function unpackDebian(dir: string, names: (apt: readonly string[]) => readonly string[]): string {
  const root = join(dir, "root");
  const asRoot = ["-o", "APT::Sandbox::User=root"];
  const own = [...asRoot, "-o", `Dir::State::lists=${dir}/lists`, "-o", `Dir::Cache=${dir}/cache`];
  try {
    run(dir, "apt-get", ...asRoot, "download", "-qq", ...names(asRoot));
  } catch {
    for (const name of ["lists", "cache/archives"])
      mkdirSync(join(dir, name, "partial"), { recursive: true });
    run(dir, "apt-get", ...own, "update", "-qq");
    run(dir, "apt-get", ...own, "download", "-qq", ...names(own));
  }
  for (const file of readdirSync(dir)) if (file.endsWith(".deb")) run(dir, "dpkg-deb", "-x", file, root);
  return root;
}

/** Which package a kernel's metapackage stands for today. */
export function kernelPackage(dir: string, apt: readonly string[], meta: string): string {
  const depends = run(dir, "apt-cache", ...apt, "depends", meta);
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (kernel === undefined) throw new Error(`no kernel package in: ${depends}`);
  return kernel;
}

/** A kernel, and an initrd of busybox and one script: boots in two seconds under TCG. */
export function makeGuest(dir: string): Guest {
  const root = unpackDebian(dir, (apt) => [
    "busybox-static",
    kernelPackage(dir, apt, "linux-image-cloud-amd64"),
  ]);
  const boot = readdirSync(join(root, "boot")).find((name) => name.startsWith("vmlinuz-")) ?? "";
  const guest = { kernel: join(dir, "vmlinuz"), initrd: join(dir, "initrd.img") };
  copyFileSync(join(root, "boot", boot), guest.kernel);
  const ram = join(dir, "ram");
  mkdirSync(join(ram, "bin"), { recursive: true });
  copyFileSync(join(root, "bin/busybox"), join(ram, "bin/busybox"));
  writeFileSync(join(ram, "init"), INIT);
  for (const name of ["bin/busybox", "init"]) chmodSync(join(ram, name), 0o755);
  run(ram, "sh", "-c", `find . | cpio -o -H newc --quiet | gzip -1n > "${guest.initrd}"`);
  return guest;
}

/** A netboot tarball of a guest, for BIOS (pxelinux) and UEFI (GRUB). */
export function makeNetboot(dir: string, guest: Guest): string {
  const top = join(dir, "netboot");
  for (const name of ["pxelinux.cfg", "boot/grub"]) mkdirSync(join(top, name), { recursive: true });
  copyFileSync("/usr/lib/PXELINUX/pxelinux.0", join(top, "pxelinux.0"));
  copyFileSync("/usr/lib/syslinux/modules/bios/ldlinux.c32", join(top, "ldlinux.c32"));
  copyFileSync(guest.kernel, join(top, "vmlinuz"));
  copyFileSync(guest.initrd, join(top, "initrd.img"));
  writeFileSync(
    join(top, "pxelinux.cfg/default"),
    `SERIAL 0 115200\nDEFAULT guest\nPROMPT 0\nLABEL guest\n KERNEL vmlinuz\n INITRD initrd.img\n APPEND ${CMDLINE}\n`,
  );
  writeFileSync(
    join(top, "boot/grub/grub.cfg"),
    `serial --unit=0 --speed=115200\nterminal_output serial console\nset timeout=0\n` +
      `menuentry guest {\n linux /vmlinuz ${CMDLINE}\n initrd /initrd.img\n}\n`,
  );
  const modules = "tftp net efinet normal configfile linux serial terminal echo";
  const image = ["-O", "x86_64-efi", "-o", join(top, "bootx64.efi"), "-p", "(tftp)/boot/grub"];
  run(dir, "grub-mkimage", ...image, ...modules.split(" "));
  const tarball = join(dir, "netboot.tar.gz");
  run(dir, "tar", "-C", top, "-czf", tarball, ".");
  return tarball;
}

/**
 * Real-mode code that prints `message` on the BIOS console and switches QEMU's PC off, or halts if it stays;
 * first writes itself to sector 2 if told.
 */
function bootCode(message: string, writes: boolean, stays = false): Buffer {
  const code = [
    ...[0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0], // ds = es = 0
    ...[0xb8, 0x01, 0x03, 0xbb, 0x00, 0x7c, 0xb9, 0x02, 0x00, 0xb6, 0x00], // write 1 sector to 0/0/2
    ...(writes ? [0xcd, 0x13] : [0xf8, 0x90]), // int 13h, or carry = 0
    ...[0x72, 0x1e], // on error halt without a word
    ...[0xbe, 0x36, 0x7c, 0xac, 0x84, 0xc0, 0x74, 0x09], // for each character of the message
    ...[0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10, 0xeb, 0xf2], // int 10h: print it
    ...[0xb9, 0x04, 0x00, 0xf4, 0xe2, 0xfd], // four ticks, in which the firmware empties its serial queue
    ...(stays ? [0xeb, 0x05, 0, 0, 0, 0, 0] : [0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef]), // off: 0x2000 to port 0x604
    ...[0xf4, 0xeb, 0xfd], // halt
  ];
  return Buffer.concat([Buffer.from(code), Buffer.from(`${message}\r\n\0`)]);
}

/** A disk of 1 MiB whose boot sector writes to the disk and then prints `message`. */
export function makeDisk(file: string, message: string, stays = false): void {
  const disk = Buffer.alloc(1024 ** 2);
  bootCode(message, true, stays).copy(disk);
  disk.set([0x80, 0, 2, 0, 0x83, 0, 3, 0, 1, 0, 0, 0, 0xff, 7, 0, 0], 446); // a partition, for USB firmware
  disk.set([0x55, 0xaa], 510);
  writeFileSync(file, disk);
}

/** As little of a CD as El Torito firmware wants to see; prints `message`. */
export function makeCd(file: string, message: string): void {
  const cd = Buffer.alloc(2048 * 24);
  cd.write("\x01CD001\x01", 16 * 2048, "latin1");
  cd.write("\x00CD001\x01EL TORITO SPECIFICATION", 17 * 2048, "latin1");
  cd.writeUInt32LE(19, 17 * 2048 + 0x47);
  cd.write("\xffCD001\x01", 18 * 2048, "latin1");
  const catalog = 19 * 2048;
  cd.set([1, 0], catalog);
  cd.set([0xaa, 0x55, 0x55, 0xaa], catalog + 28); // checksum, then the key
  cd.set([0x88, 0, 0, 0, 0, 0, 4, 0, 20], catalog + 32); // bootable, no emulation, 4 sectors from block 20
  bootCode(message, false).copy(cd, 20 * 2048);
  writeFileSync(file, cd);
}
