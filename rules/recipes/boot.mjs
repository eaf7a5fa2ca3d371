// Boots an image in QEMU and waits for a sequence of patterns on its serial console. The plan is JSON in $BOOT,
// the image is $IMAGE, or $KERNEL and $INITRD. Exit status 0: all of it came; 1: not; 3: something is missing.
// It knows nothing of the engine: it can be run by hand.
import { spawn, spawnSync } from "node:child_process";
import { constants, accessSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync } from "node:fs";
import { closeSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative, resolve } from "node:path";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";

/**
 * What to do. Times in seconds, memory in bytes. `accel` and `kvmDeadline` are for trying this file by hand:
 * which accelerator there is belongs to the machine, and so never to the plan that rules/boot.ts writes.
 * @typedef {{ text: string } | { source: string, flags: string } | { send: string }} Expectation
 * @typedef {{ as: "cd" | "usb" | "disk" | "pxe" | "kernel", cmdline?: string, firmware: "bios" | "uefi",
 *   memory: number, cpus: number, net: boolean, timeout: number, expect: Expectation[],
 *   accel?: "kvm" | "tcg", kvmDeadline?: number }} Plan
 * @typedef {{ kind: "passed" } | { kind: "failed" | "useless", why: string }} Outcome
 */

/** @type {Plan} */
const plan = JSON.parse(process.env.BOOT ?? "null");
const QEMU = "qemu-system-x86_64";
const OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/** Seconds in which a guest that has passed may power itself off, and QEMU may end when told to. */
const GOODBYE = 3;
/** Seconds after a panic: the lines that follow it are worth having. */
const LAST_WORDS = 1;
/** Unmatched console text kept for matching, in characters. */
const WINDOW = 65_536;

let midLine = false;
/** The guest's console goes to our log. */
function echo(text) {
  process.stdout.write(text);
  if (text !== "") midLine = !text.endsWith("\n");
}
/** Our own lines begin with `boot: `. */
const say = (text) => echo(`${midLine ? "\n" : ""}boot: ${text}\n`);

/** Ends the run for want of something on this machine. */
class Missing extends Error {}

// ---- what the guest is made of --------------------------------------------------------------------------

const scratch = mkdtempSync(join(tmpdir(), "boot-"));

/** A value inside a QEMU option list, where a comma is written twice. */
const quoted = (path) => path.replaceAll(",", ",,");

/** A variable that holds the path of an input; absolute, because QEMU takes `a:b` for a protocol. */
function input(name) {
  const path = process.env[name];
  if (!path) throw new Missing(`$${name} is not set`);
  return resolve(path);
}

function run(argv, options = {}) {
  const result = spawnSync(argv[0], argv.slice(1), { stdio: ["ignore", "inherit", "inherit"], ...options });
  if (result.error) throw new Missing(`cannot run ${argv[0]}: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${argv.join(" ")} failed with status ${result.status}`);
}

/** A disk image that QEMU can read: `.xz`, `.gz` and `.zst` are unpacked into scratch. */
function plainImage(path) {
  const packer = { ".xz": "xz", ".gz": "gzip", ".zst": "zstd" }[/\.(xz|gz|zst)$/.exec(path)?.[0] ?? ""];
  if (packer === undefined) return path;
  const plain = join(scratch, basename(path).replace(/\.[^.]+$/, ""));
  const file = openSync(plain, "w");
  run([packer, "-dc", path], { stdio: ["ignore", file, "inherit"] });
  closeSync(file);
  return plain;
}

/** snapshot=on: what the guest writes goes to a file that QEMU throws away, so the artifact is never written. */
function drive(path, ...more) {
  const format =
    { ".qcow2": "qcow2", ".vmdk": "vmdk", ".vdi": "vdi" }[/\.[^.]+$/.exec(path)?.[0] ?? ""] ?? "raw";
  return ["-drive", [`if=none,id=image,format=${format},file=${quoted(path)}`, ...more].join(",")];
}

/** What a DHCP server would name: the first of the usual names, nearest to the top. */
function bootFile(dir, firmware) {
  const usual =
    firmware === "bios"
      ? [/^l?pxelinux\.0$/i, /^core\.0$/i, /\.0$/, /\.k?pxe$/i]
      : [/^(boot|shim|grub|grubnet|syslinux|ipxe|snponly)x?(64|x64)?\.efi$/i, /x64.*\.efi$/i, /\.efi$/i];
  const depth = (path) => path.split("/").length;
  const all = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(dir, join(entry.parentPath ?? entry.path, entry.name)))
    .sort((a, b) => depth(a) - depth(b) || (a < b ? -1 : 1));
  for (const name of usual) {
    const found = all.find((path) => name.test(basename(path)));
    if (found !== undefined) return found;
  }
  throw new Error(`no boot file for ${firmware} in ${process.env.IMAGE}: ${all.slice(0, 20).join(" ")}`);
}

/** Options for what is booted. i440fx, because small kernels have its IDE but not AHCI. */
function medium() {
  // Without a boot ROM, so that a card that is not for booting does not delay it.
  const card = plan.net
    ? ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
    : ["-nic", "none"];
  switch (plan.as) {
    case "kernel":
      return ["-kernel", input("KERNEL"), "-initrd", input("INITRD"), "-append", plan.cmdline ?? "", ...card];
    case "cd":
      return [
        ...drive(input("IMAGE"), "media=cdrom,readonly=on"),
        "-device",
        "ide-cd,drive=image,bootindex=1",
        ...card,
      ];
    case "usb":
      return [
        ...drive(plainImage(input("IMAGE")), "snapshot=on"),
        ...["-device", "qemu-xhci", "-device", "usb-storage,drive=image,bootindex=1", ...card],
      ];
    case "disk":
      return [
        ...drive(plainImage(input("IMAGE")), "snapshot=on"),
        ...["-device", "virtio-blk-pci,drive=image,bootindex=1", ...card],
      ];
    case "pxe": {
      const dir = join(scratch, "tftp");
      mkdirSync(dir);
      run(["tar", "-C", dir, "--no-same-owner", "-xf", input("IMAGE")]);
      const file = bootFile(dir, plan.firmware);
      say(`network boot from TFTP, boot file ${file}`);
      return [
        ...["-netdev", `user,id=net,tftp=${quoted(dir)},bootfile=${quoted(file)}`],
        ...["-device", "virtio-net-pci,netdev=net,bootindex=1"],
      ];
    }
    default:
      throw new Error(`cannot boot as ${plan.as}`);
  }
}

/** UEFI: the firmware's code, and a copy of its variables, which it writes. Fresh for each attempt. */
function firmware() {
  if (plan.firmware !== "uefi") return [];
  const vars = join(scratch, "vars.fd");
  if (!existsSync(OVMF)) throw new Missing(`no ${OVMF}: install the package ovmf`);
  copyFileSync(OVMF.replace("CODE", "VARS"), vars);
  return [
    ...["-drive", `if=pflash,unit=0,format=raw,readonly=on,file=${OVMF}`],
    ...["-drive", `if=pflash,unit=1,format=raw,file=${quoted(vars)}`],
  ];
}

/** The serial console is QEMU's stdio; the monitor is off, so that no byte sent is taken for its escape. */
function commandLine(accel, guest) {
  return [
    ...["-no-user-config", "-machine", "pc", "-accel", accel, "-cpu", accel === "kvm" ? "host" : "max"],
    ...["-m", `${Math.ceil(plan.memory / 1_048_576)}M`, "-smp", String(plan.cpus)],
    ...["-nographic", "-no-reboot", "-chardev", "stdio,id=console,signal=off"],
    ...["-serial", "chardev:console", "-monitor", "none", ...firmware(), ...guest],
  ];
}

// ---- the console ----------------------------------------------------------------------------------------

/* eslint-disable no-control-regex -- this is about control characters */
/** What may be half of a sequence. */
const HALF = /(?:\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*|[ -/])?|\r+|\x08 ?)$/;
/** A reset, a cleared screen or a new cursor position begin a line. */
const JUMP = /\x1b(?:c|\[[0-9;]*[HfJ])/g;
/** All other sequences: CSI, OSC, character sets, single ones. */
const SEQUENCE = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-~])/g;
const CONTROL = /\x08 \x08|[\x00-\x08\x0b-\x1f\x7f]/g;
/* eslint-enable no-control-regex */

/** Text without terminal control. Takes pieces as they come; what may be half of a sequence waits. */
function cleaner() {
  let held = "";
  let ending = "";
  return (piece) => {
    const text = held + piece;
    const half = HALF.exec(text)?.[0] ?? "";
    held = half.length < 256 ? half : "";
    const lines = text
      .slice(0, text.length - held.length)
      .replace(JUMP, "\n")
      .replace(/\r+\n?/g, "\n");
    const clean =
      ending +
      lines
        .replace(SEQUENCE, "")
        .replace(CONTROL, "")
        .replace(/ {40,}/g, " ");
    const fresh = clean.replace(/\n{3,}/g, "\n\n").slice(ending.length);
    ending = /\n{0,2}$/.exec(ending + fresh)[0];
    return fresh;
  };
}

/** How an expectation is named in messages. */
const named = (wanted) =>
  "text" in wanted ? JSON.stringify(wanted.text) : `/${wanted.source}/${wanted.flags}`;

/** `^` and `$` mean lines: a console has no other beginning or end. */
function pattern(wanted) {
  if ("text" in wanted) return new RegExp(wanted.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "g");
  return new RegExp(wanted.source, `${wanted.flags.replace(/[gmy]/g, "")}gm`);
}

/** Lines that firmware and boot loaders print: no sign that a kernel runs. */
const LOADER =
  /SeaBIOS|iPXE|Booting|EDD|(?:ISO|SYS|PXE|EXT)LINUX|GRUB|boot:|BdsDxe|UEFI|^>>|Loading|[Pp]ress |tftp:|Automatic boot/;
/** Lines that only a running kernel prints. */
const KERNEL = /^\[ *\d+\.\d{6}\]|Linux version \d/m;
/** After one of these lines nothing more will come. */
const HOPELESS =
  /Kernel panic - not syncing[^\n]*|No bootable device\.|BdsDxe: No bootable option[^\n]*|UEFI Interactive Shell/;

/** Follows the console through the plan's sequence. `send` writes to the guest. */
function follower(send) {
  const items = plan.expect.map((wanted) => ("send" in wanted ? wanted : { wanted, is: pattern(wanted) }));
  const clean = cleaner();
  let text = "";
  let from = 0;
  let at = 0;
  let kernel = false;
  let hopeless = false;
  const advance = () => {
    for (; at < items.length; at++) {
      const item = items[at];
      if ("send" in item) {
        // What the Enter key of a terminal sends.
        send(item.send.replaceAll("\n", "\r"));
        continue;
      }
      item.is.lastIndex = from;
      const found = item.is.exec(text);
      if (found === null) return;
      from = found.index + found[0].length;
      const line = text.slice(text.lastIndexOf("\n", found.index) + 1).split("\n", 1)[0];
      kernel ||= !LOADER.test(line);
    }
  };
  return {
    take(piece) {
      const fresh = clean(piece);
      echo(fresh);
      text += fresh;
      advance();
      const recent = text.slice(-fresh.length - 100);
      kernel ||= KERNEL.test(recent);
      hopeless ||= HOPELESS.test(recent);
      if (text.length > 2 * WINDOW) {
        from = Math.max(0, from - (text.length - WINDOW));
        text = text.slice(-WINDOW);
      }
    },
    done: () => at >= items.length,
    /** What is still missing, for messages. */
    missing: () => (at < items.length ? named(items[at].wanted) : ""),
    kernelSeen: () => kernel,
    hopeless: () => hopeless,
    /** The line that was the end of it, if there was one. */
    verdict: () => HOPELESS.exec(text)?.[0],
    lastLines: () =>
      text
        .split("\n")
        .map((line) => line.trim().slice(0, 200))
        .filter((line) => line !== "")
        .slice(-5)
        .join(" | ") || "(none)",
  };
}

// ---- one attempt ----------------------------------------------------------------------------------------

/** The QEMU that runs now. @type {import("node:child_process").ChildProcess | undefined} */
let running;

/**
 * Runs the guest once. With KVM, a guest from which no kernel is heard in time has not failed: KVM is useless.
 * @returns {Promise<Outcome>}
 */
async function attempt(accel, guest) {
  const argv = commandLine(accel, guest);
  say([QEMU, ...argv].map((word) => (/^[\w./:=,+-]+$/.test(word) ? word : `'${word}'`)).join(" "));
  const child = spawn(QEMU, argv, { stdio: ["pipe", "pipe", "pipe"] });
  running = child;
  const end = new Promise((done) => {
    child.on("error", (error) => done({ why: error.message }));
    child.on("close", (status, signal) => done({ status, why: signal ?? `status ${status}` }));
  });
  child.stdin.on("error", () => {}); // it may be gone when we write
  const screen = follower((text) => child.stdin.write(text));
  const timers = [];
  let outcome;
  try {
    outcome = await new Promise((decide) => {
      const failed = (why) =>
        decide({ kind: "failed", why: `${why}; the console's last lines were: ${screen.lastLines()}` });
      const after = (seconds, action) => timers.push(setTimeout(action, seconds * 1000));
      let complaint = "";

      child.stdout.setEncoding("utf8").on("data", (piece) => {
        const hopeless = screen.hopeless();
        screen.take(piece);
        if (screen.done()) decide({ kind: "passed" });
        else if (screen.hopeless() && !hopeless)
          after(LAST_WORDS, () => failed(`${screen.verdict()}, before ${screen.missing()}`));
      });
      child.stderr.setEncoding("utf8").on("data", (piece) => {
        process.stderr.write(piece);
        complaint = piece.trim().split("\n").at(-1) || complaint;
        if (accel === "kvm" && /KVM internal error/.test(piece) && !screen.kernelSeen())
          decide({ kind: "useless", why: complaint });
      });
      void end.then(({ status, why }) => {
        const how =
          status === 0 ? "the guest ended" : `QEMU ended with ${why} (${complaint || "no message"})`;
        if (accel === "kvm" && !screen.kernelSeen()) decide({ kind: "useless", why: how });
        else failed(`${screen.verdict() ?? how}, before ${screen.missing()}`);
      });
      if (accel === "kvm") {
        // Nested virtualisation can open, run the firmware, and stand still as soon as a kernel starts.
        const deadline = Math.min(plan.timeout, plan.kvmDeadline ?? (plan.as === "pxe" ? 45 : 20));
        const why = `no word from a kernel in ${deadline} s`;
        after(deadline, () => screen.kernelSeen() || decide({ kind: "useless", why }));
      }
      after(plan.timeout, () => failed(`expected ${screen.missing()} within ${plan.timeout} s`));
    });
  } finally {
    timers.forEach(clearTimeout);
  }
  // A guest that has passed may power itself off; QEMU that is stuck in KVM does not hear TERM.
  if (outcome.kind !== "passed" || !(await within(GOODBYE, end))) child.kill("SIGTERM");
  if (!(await within(GOODBYE, end))) child.kill("SIGKILL");
  await end;
  return outcome;
}

/** Whether `promise` settles within so many seconds. */
async function within(seconds, promise) {
  let timer;
  const late = new Promise((done) => (timer = setTimeout(done, seconds * 1000, false)));
  const result = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return result;
}

// ---- which accelerator ----------------------------------------------------------------------------------

/** Why KVM is not worth trying, or null. That /dev/kvm opens is not enough: see `attempt`. */
function withoutKvm() {
  if (plan.accel === "kvm") return null;
  if (plan.accel === "tcg") return "asked for";
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

async function main() {
  const guest = medium();
  let reason = withoutKvm();
  let outcome;
  if (reason === null) {
    say("accelerator kvm");
    outcome = await attempt("kvm", guest);
    if (outcome.kind === "useless") reason = `KVM is of no use here: ${outcome.why}`;
  }
  if (reason !== null) {
    say(`accelerator tcg (${reason})`);
    outcome = await attempt("tcg", guest);
  }
  say(outcome.kind === "passed" ? `passed after ${process.uptime().toFixed(1)} s` : outcome.why);
  return outcome.kind === "passed" ? 0 : 1;
}

for (const [signal, status] of Object.entries({ SIGTERM: 143, SIGINT: 130, SIGHUP: 129 })) {
  process.on(signal, () => {
    running?.kill("SIGKILL");
    rmSync(scratch, { recursive: true, force: true });
    process.exit(status);
  });
}
try {
  process.exitCode = await main();
} catch (error) {
  say(error.message);
  process.exitCode = error instanceof Missing ? 3 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
