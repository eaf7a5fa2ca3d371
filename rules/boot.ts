// boot: a check that starts an image in QEMU and waits for text on its serial console. The work is done by
// recipes/boot.mjs; this file only writes its plan.
import { z } from "zod";
import { declareOne, wrongOption, type Handle } from "../engine/declare.js";
import type { Tool } from "../engine/model.js";
import { callable, declaration, type Checked, type Given } from "./declaration.js";
import { option, typed } from "./options.js";
import { recipe } from "./recipes.js";
import { arrayOf, fileTarget, size } from "./schema.js";
import { asCheck, type CheckTarget, type FileTarget } from "./types.js";

const MEDIA = ["cd", "usb", "disk", "pxe"] as const;
/** How the image is presented: a CD, a USB stick, a virtio disk, or a tarball served over TFTP. */
export type BootMedium = (typeof MEDIA)[number];

/**
 * Seconds until the last pattern must have come: five times what systemd images took under TCG on two slow
 * cores (direct 24 s, live ISO 86 s, live image fetched over TFTP 145 s).
 */
const TIMEOUT: Readonly<Record<BootMedium | "kernel", number>> = {
  kernel: 120,
  disk: 450,
  cd: 450,
  usb: 450,
  pxe: 750,
};
/** Enough for a live image of 100 MB that is fetched into memory. Bytes. */
const MEMORY = 1024 ** 3;
/** What QEMU takes beside the guest's memory. Bytes. */
const QEMU_MEMORY = 256 * 1024 ** 2;
/** The recipe ends by its own clock, with a better message; the engine's comes after a try with KVM too. */
const SLACK = 90;

const text = z.string().min(1);
const expression = z.instanceof(RegExp);
const pattern = z.union([text, expression]);
const sequence = arrayOf(
  typed(
    z.union([pattern, z.strictObject({ send: option(text, "text", "What is typed.") })]),
    "text, a regular expression or { send }",
  ),
);

const declared = declaration(
  "rule.boot",
  "Boots an image in QEMU; its verdict is whether all that is expected came on the serial console.",
  {
    expect: option(
      z.union([pattern, sequence]),
      "text, a regular expression, or an array of these and { send }",
      "What the serial console must say, in this order; `{ send }` is typed when what stands before it has come. " +
        "In a regular expression `^` and `$` are line ends. `\\n` is sent as the Enter key.",
    ),
    image: option(fileTarget.optional(), "a file target", "The image to boot; `as` says how."),
    as: option(
      z.enum(MEDIA).optional(),
      "cd, usb, disk or pxe",
      "How the image is presented: a CD, a USB stick, a virtio disk, or a tarball that is unpacked and served " +
        "over TFTP. It is never written.",
    ),
    kernel: option(
      fileTarget.optional(),
      "a file target",
      "A kernel to start directly, instead of an image.",
    ),
    initrd: option(fileTarget.optional(), "a file target", "The kernel's initial RAM file system."),
    cmdline: option(
      z.string().optional(),
      "text",
      "The kernel's command line; it must say `console=ttyS0`, because that is where we listen.",
    ),
    firmware: option(z.enum(["bios", "uefi"]).optional(), "bios or uefi", "Firmware; bios unless given."),
    memory: option(size.optional(), `a size such as "1GiB"`, "Memory of the guest; 1 GiB unless given."),
    cpus: option(
      z.number().int().min(1).max(64).optional(),
      "a number from 1",
      "Processors; 1 unless given.",
    ),
    net: option(
      z.boolean().optional(),
      "true or false",
      "A network card with DHCP, with nothing behind it. `pxe` always has one.",
    ),
    timeout: option(
      z.number().positive().optional(),
      "a number of seconds",
      "Seconds until all must have come: 120 for a kernel, 450 for a disk, CD or stick, 750 for pxe unless given.",
    ),
  },
);
/** An image and how it is presented, or a kernel that is started directly. */
export type BootOptions = Given<typeof declared> &
  ({ image: FileTarget; as: BootMedium } | { kernel: FileTarget; initrd: FileTarget; cmdline: string });
/** What the console must say. */
export type Expect = BootOptions["expect"];

export const boot = callable(declared, (given: BootOptions): CheckTarget => {
  const o = declared.check(given);
  const { as, inputs } = guest(o);
  const expect = expectations(o.expect);
  const firmware = o.firmware ?? "bios";
  const memory = o.memory ?? MEMORY;
  const cpus = o.cpus ?? 1;
  const timeout = o.timeout ?? TIMEOUT[as];
  const plan = { as, cmdline: o.cmdline, firmware, memory, cpus, net: o.net ?? false, timeout, expect };
  return asCheck(
    declareOne({
      rule: "boot",
      command: recipe("boot.mjs", ["boot.mjs"], ["qemu.mjs"]),
      env: { BOOT: JSON.stringify(plan) },
      inputs,
      outputs: [{ name: "OUT", kind: "verdict" }],
      tools: tools(as, firmware),
      timeout: timeout + SLACK,
      resources: { cpu: cpus, memory: memory + QEMU_MEMORY, named: ["kvm"] },
    }),
  );
});

/** Which of the two forms it is, complete and not mixed. */
function guest(o: Checked<typeof declared>): {
  as: BootMedium | "kernel";
  inputs: Readonly<Record<string, Handle>>;
} {
  const { image, as, kernel, initrd, cmdline } = o;
  const direct = kernel !== undefined || initrd !== undefined || cmdline !== undefined;
  if (direct && (image !== undefined || as !== undefined)) {
    wrongOption("boot", "expected image and as, or kernel, initrd and cmdline; found some of both");
  }
  if (image !== undefined && as !== undefined) return { as, inputs: { IMAGE: image } };
  if (kernel !== undefined && initrd !== undefined && cmdline !== undefined) {
    return { as: "kernel", inputs: { KERNEL: kernel, INITRD: initrd } };
  }
  const wanted = direct ? { kernel, initrd, cmdline } : { image, as };
  const missing = Object.entries(wanted).filter(([, value]) => value === undefined);
  const form = direct
    ? "a kernel needs kernel, initrd and cmdline"
    : "expected image and as, or kernel, initrd and cmdline";
  wrongOption("boot", `${form}; missing: ${missing.map(([name]) => name).join(", ")}`);
}

type Patterns = Checked<typeof declared>["expect"];
const isSequence = (expect: Patterns): expect is z.output<typeof sequence> => Array.isArray(expect);

/** Regular expressions travel as source and flags; those about where a search begins mean nothing here. */
function expectations(expect: Patterns): readonly object[] {
  const list = isSequence(expect) ? expect : [expect];
  const first = list[0];
  if (first === undefined) wrongOption("boot", "expect: expected at least one pattern, found none");
  if (typeof first === "object" && !(first instanceof RegExp)) {
    wrongOption("boot", "expect[0]: nothing listens before the first pattern has come; begin with a pattern");
  }
  return list.map((one) => {
    if (typeof one === "string") return { text: one };
    return one instanceof RegExp ? { source: one.source, flags: one.flags.replace(/[dgmy]/g, "") } : one;
  });
}

/** Programs and files that starting a guest takes, and the Debian packages that have them. */
export function tools(as: BootMedium | "kernel", firmware: "bios" | "uefi"): readonly Tool[] {
  return [
    { name: "qemu-system-x86_64", package: "qemu-system-x86" },
    ...(firmware === "uefi" ? [{ name: "/usr/share/OVMF/OVMF_CODE_4M.fd", package: "ovmf" }] : []),
    ...(as === "pxe" ? [{ name: "/usr/lib/ipxe/qemu/efi-virtio.rom", package: "ipxe-qemu" }] : []),
  ];
}
