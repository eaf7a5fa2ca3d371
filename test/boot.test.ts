// Guards the boot check where it matters: real QEMU, real guests, each way to boot and each way to fail.
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { gzipSync } from "node:zlib";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CMDLINE, makeCd, makeDisk, makeGuest, makeNetboot, type Guest } from "./support/guest.js";

const RECIPE = new URL("../../rules/recipes/boot.mjs", import.meta.url).pathname;
const MINUTE = 60_000;

const dir = mkdtempSync(join(tmpdir(), "imagemake-boot-"));
const temp = join(dir, "tmp");
const direct = { as: "kernel", cmdline: CMDLINE };
let guest: Guest;

beforeAll(() => {
  mkdirSync(temp);
  guest = makeGuest(dir);
}, 2 * MINUTE);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly out: string;
  /** The last line of standard output. */
  readonly last: string;
  readonly seconds: number;
}

/** Starts the recipe as an action would; TCG unless the plan says otherwise. */
function start(
  plan: object,
  image?: string,
  path = "",
): { child: ChildProcess; ended: Promise<Ended>; out: () => string } {
  const complete = {
    firmware: "bios",
    memory: 256 * 1024 ** 2,
    cpus: 1,
    net: false,
    timeout: 60,
    accel: "tcg",
    ...plan,
  };
  const env = {
    PATH: `${path}${process.env["PATH"] ?? ""}`,
    TMPDIR: temp,
    BOOT: JSON.stringify(complete),
    ...(image === undefined ? { KERNEL: guest.kernel, INITRD: guest.initrd } : { IMAGE: image }),
  };
  const from = performance.now();
  const child = spawn(process.execPath, [RECIPE], { env, stdio: ["ignore", "pipe", "ignore"] });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => (out += piece));
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (status) => {
      const last = out.trimEnd().split("\n").at(-1) ?? "";
      resolve({ status, out, last, seconds: (performance.now() - from) / 1000 });
    });
  });
  return { child, ended, out: () => out };
}
const boot = (plan: object, image?: string, path?: string): Promise<Ended> => start(plan, image, path).ended;

describe("a kernel started directly", () => {
  test(
    "passes when the pattern comes, at the beginning of a line and free of terminal escapes",
    async () => {
      const end = await boot({ ...direct, expect: [{ source: "^GUEST-READY up=\\d", flags: "" }] });
      expect(end.status).toBe(0);
      expect(end.last).toMatch(/^boot: passed after [\d.]+ s$/);
      expect(end.out).toContain("boot: accelerator tcg");
      // eslint-disable-next-line no-control-regex
      expect(end.out).not.toMatch(/[\x1b\r]/);
      expect(readdirSync(temp)).toEqual([]);
    },
    MINUTE,
  );

  test(
    "answers what the guest asks, in order",
    async () => {
      const cmdline = `${CMDLINE} guest=ask`;
      const end = await boot({
        ...direct,
        cmdline,
        expect: [{ text: "login:" }, { send: "anna\n" }, { text: "hello anna, 42" }],
      });
      expect(end.status).toBe(0);
    },
    MINUTE,
  );

  test(
    "fails at once when the guest ends before the pattern",
    async () => {
      const end = await boot({ ...direct, timeout: 600, expect: [{ text: "never" }] });
      expect(end.status).toBe(1);
      expect(end.last).toMatch(
        /^boot: the guest ended, before "never"; the console's last lines were: .*Power down/,
      );
    },
    MINUTE,
  );

  test(
    "fails at once when the kernel panics and stands still",
    async () => {
      const cmdline = "console=ttyS0,115200 rdinit=/none quiet";
      const end = await boot({ ...direct, cmdline, timeout: 600, expect: [{ text: "never" }] });
      expect(end.status).toBe(1);
      expect(end.last).toMatch(/^boot: Kernel panic - not syncing: .*, before "never"; /);
    },
    MINUTE,
  );

  test(
    "takes QEMU along when it is told to end",
    async () => {
      const { child, ended, out } = start({
        ...direct,
        cmdline: `${CMDLINE} guest=stay`,
        expect: [{ text: "never" }],
      });
      await until(() => out().includes("GUEST-READY"));
      const qemu = readFileSync(
        `/proc/${String(child.pid)}/task/${String(child.pid)}/children`,
        "utf8",
      ).trim();
      expect(qemu).toMatch(/^\d+$/);
      child.kill("SIGTERM");
      expect((await ended).status).toBe(143);
      await until(() => !existsSync(`/proc/${qemu}`));
      expect(readdirSync(temp)).toEqual([]);
    },
    MINUTE,
  );
});

describe("an image", () => {
  const sha256 = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

  test.each(["disk", "usb"])(
    "as %s boots, may write, and is not written",
    async (as) => {
      const image = join(dir, "with,comma.img");
      makeDisk(image, "WRITTEN");
      const before = sha256(image);
      expect((await boot({ as, expect: [{ text: "WRITTEN" }] }, image)).status).toBe(0);
      expect(sha256(image)).toBe(before);
    },
    MINUTE,
  );

  test(
    "that is packed is unpacked first",
    async () => {
      const image = join(dir, "packed.img");
      makeDisk(image, "UNPACKED");
      writeFileSync(`${image}.gz`, gzipSync(readFileSync(image)));
      expect((await boot({ as: "disk", expect: [{ text: "UNPACKED" }] }, `${image}.gz`)).status).toBe(0);
    },
    MINUTE,
  );

  test(
    "as CD boots",
    async () => {
      const image = join(dir, "cd.iso");
      makeCd(image, "FROM-CD");
      expect((await boot({ as: "cd", expect: [{ text: "FROM-CD" }] }, image)).status).toBe(0);
    },
    MINUTE,
  );

  test(
    "that does not say it in time fails, with the console's last lines",
    async () => {
      const image = join(dir, "stays.img");
      makeDisk(image, "HERE I STAND", true);
      const expected = [{ text: "STAND" }, { source: "x+y", flags: "i" }];
      const end = await boot({ as: "disk", timeout: 5, expect: expected }, image);
      expect(end.status).toBe(1);
      expect(end.last).toMatch(
        /^boot: expected \/x\+y\/i within 5 s; the console's last lines were: .*HERE I STAND$/,
      );
    },
    MINUTE,
  );

  test(
    "that the firmware cannot boot fails at once",
    async () => {
      const image = join(dir, "empty.img");
      writeFileSync(image, Buffer.alloc(1024 ** 2));
      const end = await boot({ as: "disk", timeout: 600, expect: [{ text: "never" }] }, image);
      expect(end.status).toBe(1);
      expect(end.last).toContain('No bootable device., before "never"');
    },
    MINUTE,
  );
});

describe("a netboot tarball", () => {
  let tarball: string;
  beforeAll(() => {
    tarball = makeNetboot(dir, guest);
  });

  test.each(["bios", "uefi"])(
    "boots over TFTP with %s firmware",
    async (firmware) => {
      const end = await boot({ as: "pxe", firmware, expect: [{ text: "GUEST-READY" }] }, tarball);
      expect(end).toMatchObject({ status: 0 });
    },
    2 * MINUTE,
  );

  test(
    "without a boot file for the firmware says so, and what there is",
    async () => {
      const image = join(dir, "wrong.tar");
      mkdirSync(join(dir, "wrong"));
      writeFileSync(join(dir, "wrong/readme"), "");
      await new Promise((done) =>
        spawn("tar", ["-C", join(dir, "wrong"), "-cf", image, "."]).on("close", done),
      );
      const end = await boot({ as: "pxe", expect: [{ text: "never" }] }, image);
      expect(end).toMatchObject({ status: 1, last: `boot: no boot file for bios in ${image}: readme` });
    },
    MINUTE,
  );
});

// What KVM does is the machine's affair, so these ask a QEMU that does as told: standing still before the first
// instruction, as a guest in useless nested virtualisation, or running.
describe("KVM", () => {
  const withKvm = (name: string, replacement: string): string => {
    const bin = join(dir, name);
    mkdirSync(bin);
    const real = "PATH=${PATH#*:} exec qemu-system-x86_64";
    const script = `#!/bin/sh\ncase "$*" in *'-accel kvm'*) ${replacement} ;; esac\n${real} "$@"\n`;
    writeFileSync(join(bin, "qemu-system-x86_64"), script);
    chmodSync(join(bin, "qemu-system-x86_64"), 0o755);
    return `${bin}:`;
  };
  const filtered = (more: string): string =>
    `set -- $(printf '%s\\n' "$*" | sed 's/-accel kvm -cpu host/-accel tcg -cpu max/') ${more}`;
  const plan = {
    ...direct,
    cmdline: "console=ttyS0",
    accel: "kvm",
    kvmDeadline: 2,
    expect: [{ text: "GUEST-READY" }],
  };

  test(
    "under which no kernel is heard is given up for TCG, and the log says so",
    async () => {
      const end = await boot(plan, undefined, withKvm("hangs", filtered("-S")));
      expect(end.status).toBe(0);
      expect(end.out).toContain(
        "boot: accelerator tcg (KVM is of no use here: no word from a kernel in 2 s)",
      );
    },
    MINUTE,
  );

  test(
    "that QEMU cannot use is given up for TCG",
    async () => {
      const end = await boot(plan, undefined, withKvm("refuses", "echo no KVM for you >&2; exit 1"));
      expect(end.status).toBe(0);
      expect(end.out).toMatch(
        /boot: accelerator tcg \(KVM is of no use here: QEMU ended with status 1 \(no KVM for you\)\)/,
      );
    },
    MINUTE,
  );

  test(
    "under which a kernel is heard is kept",
    async () => {
      const end = await boot({ ...plan, kvmDeadline: 30 }, undefined, withKvm("works", filtered("")));
      expect(end.status).toBe(0);
      expect(end.out).not.toContain("accelerator tcg");
    },
    MINUTE,
  );
});

/** Waits for a condition; jest's own timeout ends it when it never comes. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((next) => setTimeout(next, 20));
}
