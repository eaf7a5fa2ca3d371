// Guards `imagemake boot`: real QEMU, started by hand on what was built, with what fits it. The artifact is never
// written, nothing is built, and the terminal is given back as it was.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tryGuest } from "../cli/commands/boot.js";
import { finish, MAIN, makeProject, type TestProject } from "./support/cli.js";
import { makeCd, makeDisk } from "./support/guest.js";
import { until } from "./support/sandbox.js";
import { inTerminal } from "./support/fake-terminal.js";

jest.setTimeout(60_000);

const IMAGEFILE = `
const copy = (name: string, out: string) => run({ inputs: { SRC: files(name) }, cmd: 'cp "$SRC" "$OUT"', out });
export const tiny = copy("tiny.raw", "tiny-{date}.img");
export const stays = copy("stays.raw", "stays.img");
export const packed = run({ inputs: { SRC: tiny }, cmd: 'xz -0c "$SRC" > "$OUT"', out: "tiny-{date}.img.xz" });
export const cloud = run({ inputs: { SRC: tiny }, cmd: 'cp "$SRC" disk.raw; tar -czf "$OUT" disk.raw', out: "cloud-{date}.tar.gz" });
export const cd = copy("cd.raw", "live-{date}.iso");
export const net = run({ inputs: {}, cmd: 'mkdir -p n/efi; touch n/pxelinux.0 n/efi/bootx64.efi; tar -C n -czf "$OUT" .', out: "some-{date}.tar.gz" });
export const rest = run({ inputs: {}, cmd: 'touch readme; tar -czf "$OUT" readme', out: "rest.tar.gz" });
export const tree = run({ inputs: {}, cmd: ':', tree: true });
export const never = copy("tiny.raw", "never.img");
const checked = copy("checked.raw", "checked.img");
export const images = { checked };
export const stick = rule.boot({ image: checked, as: "usb", memory: "300MiB", cpus: 1, expect: "CHECKED" });
export const other = rule.check({ inputs: {}, cmd: "true" });
`;

let project: TestProject;
let scratch: string;
/** Under a TMPDIR of its own, so that what it leaves is seen. */
const boot = (...words: string[]) => project.call({ env: { TMPDIR: scratch } }, "boot", ...words);
/** A connection to a socket of QEMU, which is a file before QEMU listens on it. */
async function listening(path: string): Promise<Socket> {
  const end = Date.now() + 20_000;
  for (;;) {
    const socket = connect(path);
    try {
      await once(socket, "connect");
      return socket;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}
const sum = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");
const out = (start: string): string =>
  project.path("out", project.names("out").find((name) => name.startsWith(start)) ?? "");

beforeAll(async () => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
  scratch = project.path("scratch");
  mkdirSync(scratch);
  makeDisk(project.path("tiny.raw"), "HELLO-DISK");
  makeDisk(project.path("stays.raw"), "HELLO-STAYS", true);
  makeDisk(project.path("checked.raw"), "CHECKED");
  makeCd(project.path("cd.raw"), "HELLO-CD");
  await project.good("tiny", "stays", "packed", "cloud", "cd", "net", "rest", "tree", "images");
});
afterAll(() => project.remove());

describe("starts what was built", () => {
  test.each([
    ["tiny", [], "HELLO-DISK"],
    ["packed", [], "HELLO-DISK"],
    ["cloud", [], "HELLO-DISK"],
    ["cd", [], "HELLO-CD"],
    ["tiny", ["--as", "usb"], "HELLO-DISK"],
  ])("%s %j, and its console is on stdout", async (target, words, says) => {
    const before = ["tiny", "cloud", "live"].map((name) => sum(out(name)));
    const ended = await boot(target, ...words);
    expect([ended.status, ended.stdout]).toEqual([0, expect.stringContaining(says)]);
    // The guest writes to its disk.
    expect(["tiny", "cloud", "live"].map((name) => sum(out(name)))).toEqual(before);
    expect(readdirSync(scratch)).toEqual([]);
  });

  test("by file name, and from the store when the link is gone", async () => {
    const name = out("tiny-").split("/").at(-1) ?? "";
    rmSync(out("tiny-"));
    const ended = await boot(name.replace(/\.xz$/, ""));
    expect([ended.status, ended.stdout]).toEqual([0, expect.stringContaining("HELLO-DISK")]);
    expect(ended.stderr).toContain(".imagemake/store/");
    expect(project.names("out")).not.toContain(name);
    await project.good("tiny");
  });

  test("as it was built last when it is out of date, which is said", async () => {
    writeFileSync(project.path("cd.raw"), "not bootable");
    try {
      const ended = await boot("cd");
      expect([ended.status, ended.stdout]).toEqual([0, expect.stringContaining("HELLO-CD")]);
      expect(ended.stderr).toMatch(/cd is out of date \(input SRC cd\.raw changed\).*imagemake cd builds it/);
    } finally {
      makeCd(project.path("cd.raw"), "HELLO-CD");
    }
  });

  test("under TCG where KVM was asked for and does not start", async () => {
    const { status, stdout, stderr } = await boot("tiny", "--accel", "kvm");
    expect([status, stdout]).toEqual([0, expect.stringContaining("HELLO-DISK")]);
    if (!existsSync("/dev/kvm")) expect(stderr).toMatch(/accelerator tcg \(KVM is of no use here: .*kvm/);
  });

  test("a stand-in for a QEMU that stands still under KVM is given up, one that speaks is not", async () => {
    const { qemu } = await import("../rules/guest.js");
    const real = await qemu();
    const machine = { as: "disk", firmware: "bios", memory: 1, cpus: 1, net: false } as const;
    const outside = { console: true, terminal: false };
    const tried = (script: string) =>
      tryGuest({ qemu: { ...real, kvmDeadline: () => 0.3 }, machine, outside }, "kvm", ["sh", "-c", script]);
    expect(await tried("echo SeaBIOS; sleep 60")).toEqual({
      kind: "useless",
      why: "no word from a kernel in 0.3 s",
    });
    expect(await tried("echo; echo login:; sleep 0.6")).toMatchObject({ kind: "ended", status: 0 });
  });

  test("--keep starts a copy that keeps what the guest writes", async () => {
    const before = sum(out("tiny-"));
    for (const [round, sector] of [
      ["made", 0x31],
      ["used again", 0x31],
    ] as const) {
      expect([round, (await boot("tiny", "--keep", "scratch/kept.img")).status]).toEqual([round, 0]);
      // Sector 2 gets the boot sector, which begins with `xor ax, ax`.
      expect(readFileSync(project.path("scratch/kept.img"))[512]).toBe(sector);
    }
    expect(sum(out("tiny-"))).toBe(before);
    rmSync(project.path("scratch/kept.img"));
  });
});

describe("-n prints QEMU's command line, and makes nothing", () => {
  const line = async (...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await boot("-n", ...words);
    expect([stderr, status]).toEqual([expect.not.stringContaining("Error"), 0]);
    expect(readdirSync(scratch)).toEqual([]);
    return stdout;
  };

  test("with defaults that fit a disk", async () => {
    const said = await line("tiny");
    expect(said).toMatch(/^qemu-system-x86_64 [^\n]*\n$/);
    for (const word of [
      "-m 2048M",
      "-smp 2",
      `file=${out("tiny-")},snapshot=on`,
      "virtio-blk-pci",
      "user,id=net",
    ])
      expect(said).toContain(word);
  });

  test("with what the boot check of an image has, and with options before that", async () => {
    for (const target of ["stick", "images-checked"]) {
      const said = await line(target);
      for (const word of ["-m 300M", "-smp 1", "usb-storage", "-nic none", "checked.img"])
        expect(said).toContain(word);
    }
    const said = await line("stick", "--memory", "4G", "--cpus", "3", "--as", "cd", "--net");
    for (const word of ["-m 4096M", "-smp 3", "ide-cd", "user,id=net"]) expect(said).toContain(word);
  });

  test("with the boot file of a netboot tarball, told by what is in it", async () => {
    expect(await line("net")).toContain("bootfile=pxelinux.0");
    expect(await line("net", "--firmware", "uefi")).toMatch(/bootfile=efi\/bootx64\.efi/);
  });

  test("with copied variables for UEFI", async () => {
    const { stdout, stderr } = await boot("-n", "cd", "--firmware", "uefi");
    expect(stdout).toMatch(/readonly=on,file=\S*OVMF_CODE\S*/);
    expect(stdout).toContain(`file=${scratch}/imagemake-boot/vars.fd`);
    expect(stderr).toMatch(/first: cp \S*OVMF_VARS\S* \S*vars\.fd/);
  });
});

test.each([
  [["never"], /never was never built here\n {2}imagemake never builds it/],
  [["tree"], /tree is a tree, which nothing can start/],
  [["other"], /other is a check that starts no guest/],
  [["rest"], /rest: cannot tell how this starts\n {2}--as/],
  [["tinny"], /unknown target tinny\n {2}did you mean tiny/],
  [["tiny", "cd"], /boot: unexpected word cd/],
  [["tiny", "--memory", "1GB"], /--memory: expected a size such as 2GiB, found 1GB/],
  [
    ["tiny", "--as", "floppy"],
    /--as <medium>' argument 'floppy' is invalid\. Allowed choices are cd, usb, disk, pxe/,
  ],
  [["tiny", "--firmware", "efi"], /'efi' is invalid\. Allowed choices are bios, uefi/],
  [["tiny", "--cpus", "0"], /'0' is invalid\. it must be a number from 1 up/],
  [["cd", "--keep", "x"], /--keep: a cd is never written to/],
  [
    ["tiny", "--keep", "out/new.img"],
    /--keep .*out\/new\.img: the guest would write to what was built\n {2}name a file/,
  ],
  [["tiny", "--keep", ".imagemake/index.db"], /the guest would write to what was built/],
  [["tiny", "--keep", "scratch"], /--keep .*scratch exists and is not a file/],
  [["tiny", "--monitor-socket", "tiny.raw"], /tiny\.raw exists and is not a socket/],
])("refuses %j with exit status 2", async (words, message) => {
  const { status, stderr } = await boot(...words);
  expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
});

test("needs a display for a picture", async () => {
  const { status, stderr } = await boot("tiny", "--graphics");
  expect([status, stderr]).toEqual([3, expect.stringContaining("there is no display here")]);
});

describe("while it runs", () => {
  /** Processes of QEMU that have the project's disk open. */
  const running = (): boolean =>
    readdirSync("/proc").some((pid) => {
      try {
        return (
          /^\d+$/.test(pid) &&
          readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("qemu") &&
          readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(project.dir)
        );
      } catch {
        return false;
      }
    });
  const started = async (child: ChildProcess, word: string): Promise<void> => {
    let said = "";
    child.stdout?.on("data", (text: Buffer) => (said += text.toString()));
    await until(`it says ${word}`, () => said.includes(word));
  };

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s ends the guest", async (signal, status) => {
    const child = project.start({ env: { TMPDIR: scratch } }, "boot", "stays");
    const ended = finish(child);
    await started(child, "HELLO-STAYS");
    expect(running()).toBe(true);
    child.kill(signal);
    expect((await ended).status).toBe(status);
    expect([running(), readdirSync(scratch)]).toEqual([false, []]);
  });

  test("killed, it takes the guest with it", async () => {
    const child = project.start({ env: { TMPDIR: scratch } }, "boot", "stays");
    await started(child, "HELLO-STAYS");
    child.kill("SIGKILL");
    await until("QEMU is gone", () => !running());
    rmSync(scratch, { recursive: true });
    mkdirSync(scratch);
  });

  test("console and monitor can be on sockets, which go with it", async () => {
    const [serial, monitor] = [`${scratch}/serial,1.sock`, `${scratch}/monitor.sock`];
    const child = project.start(
      { env: { TMPDIR: scratch } },
      ...["boot", "stays", "--serial-socket", serial, "--monitor-socket", monitor],
    );
    const ended = finish(child);
    await until("there is a socket", () => existsSync(serial) && statSync(serial).isSocket());
    let said = "";
    const console = (await listening(serial)).on("data", (text: Buffer) => (said += text.toString()));
    await until("the guest speaks", () => said.includes("HELLO-STAYS"));
    await until("there is a monitor", () => existsSync(monitor));
    const control = await listening(monitor);
    await once(control, "data");
    control.write("quit\n");
    const { status, stdout } = await ended;
    expect([status, stdout]).toEqual([0, ""]);
    expect(readdirSync(scratch)).toEqual([]);
    for (const socket of [console, control]) socket.destroy();
  });

  test("a terminal is the guest's, Ctrl-C too, until Ctrl-A X; then it is what it was", async () => {
    const main = `'${process.execPath}' '${MAIN}'`;
    const script = `stty -g > before; ${main} boot stays; echo "status $?"; stty -g > after`;
    const terminal = inTerminal(project.dir, script);
    let said = "";
    terminal.stdout?.on("data", (text: Buffer) => (said += text.toString()));
    await until("the guest speaks", () => said.includes("HELLO-STAYS"));
    terminal.stdin?.write("\x03\x01h");
    await until("QEMU's help comes", () => said.includes("C-a x"));
    terminal.stdin?.write("\x01x");
    await once(terminal, "close");
    expect(said).toContain("Ctrl-A X ends it");
    expect(said).toContain("status 0");
    expect(project.read("after")).toBe(project.read("before"));
  });
});

test("help says what is asked for, and where the guest's keys go", () => {
  const help = execFileSync(process.execPath, [MAIN, "boot", "--help"], { encoding: "utf8" });
  for (const word of [
    "--memory",
    "--firmware",
    "--as",
    "--serial-socket",
    "--monitor-socket",
    "--keep",
    "Ctrl-A X",
  ])
    expect(help).toContain(word);
});
