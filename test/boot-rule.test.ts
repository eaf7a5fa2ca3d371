// Guards what the rule `boot` writes down: a plan that survives JSON, nothing of this machine in it, and errors
// that say what was expected.
import { existsSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { declareOne, inside, isHandle, type ActionSpec } from "../engine/declare.js";
import { boot, type BootOptions } from "../rules/boot.js";
import { asFile } from "../rules/types.js";

const file = (name: string) =>
  asFile(
    declareOne({
      rule: "test",
      command: { kind: "shell", text: "" },
      inputs: {},
      outputs: [{ name: "OUT", kind: "file", pattern: name }],
    }),
  );
const image = file("void-{date}.iso");

function specOf(options: BootOptions): ActionSpec {
  const target: unknown = boot(options);
  if (!isHandle(target)) throw new Error("not a handle");
  expect(inside(target).kind).toBe("verdict");
  return inside(target).draft.spec;
}
const planOf = (options: BootOptions): Record<string, unknown> =>
  JSON.parse(specOf(options).env?.["BOOT"] ?? "") as Record<string, unknown>;
const refused = (options: object): string => {
  try {
    boot(options as BootOptions);
  } catch (error) {
    return String(error);
  }
  return "accepted";
};

describe("boot", () => {
  test("gives the plan its defaults: BIOS, 1 GiB, one processor, no card, a time that fits the medium", () => {
    expect(planOf({ image, as: "cd", expect: "login:" })).toEqual({
      ...{ as: "cd", firmware: "bios", memory: 1024 ** 3, cpus: 1, net: false, timeout: 450 },
      expect: [{ text: "login:" }],
    });
    expect(planOf({ image, as: "pxe", expect: "x" })).toMatchObject({ timeout: 750 });
  });

  test("sends regular expressions as source and flags, in order with text and what is typed", () => {
    const expected = [/a\/b\n"c"/giu, { send: "root\n" }, "#"];
    expect(planOf({ image, as: "disk", expect: expected })["expect"]).toEqual([
      { source: 'a\\/b\\n"c"', flags: "iu" },
      { send: "root\n" },
      { text: "#" },
    ]);
  });

  test("takes a kernel and an initrd instead of an image", () => {
    const kernel = file("vmlinuz");
    const initrd = file("initrd");
    const spec = specOf({ kernel, initrd, cmdline: "console=ttyS0", memory: "512MiB", expect: "x" });
    expect(spec.inputs).toEqual({ KERNEL: kernel, INITRD: initrd });
    expect(JSON.parse(spec.env?.["BOOT"] ?? "")).toMatchObject({ as: "kernel", memory: 512 * 1024 ** 2 });
  });

  test("leaves the accelerator to the machine, and asks for it as a resource that is in no key", () => {
    const spec = specOf({ image, as: "usb", expect: "x", cpus: 2 });
    expect(spec.env?.["BOOT"]).not.toMatch(/kvm|tcg|accel/);
    expect(spec.resources).toMatchObject({ cpu: 2, named: ["kvm"] });
    expect(spec).not.toHaveProperty("network");
  });

  test("lets the recipe end by its own clock before the engine does, also after a try with KVM", () => {
    expect(specOf({ image, as: "disk", expect: "x", timeout: 100 }).timeout).toBeGreaterThanOrEqual(
      100 + 45 + 10,
    );
  });

  test.each(["bios", "uefi"] as const)(
    "names tools and firmware of a %s network boot that Debian has",
    (firmware) => {
      const tools = specOf({ image, as: "pxe", firmware, expect: "x" }).tools ?? [];
      for (const { name } of tools)
        if (name.startsWith("/")) expect([name, existsSync(name)]).toEqual([name, true]);
      expect(tools.map((tool) => tool.package)).toEqual([
        "qemu-system-x86",
        ...(firmware === "uefi" ? ["ovmf"] : []),
        "ipxe-qemu",
      ]);
    },
  );

  test.each([
    [
      "nothing to boot",
      { expect: "x" },
      /expected image and as, or kernel, initrd and cmdline; missing: image, as/,
    ],
    ["an image without as", { image, expect: "x" }, /missing: as/],
    ["a kernel alone", { kernel: image, expect: "x" }, /a kernel needs .*; missing: initrd, cmdline/],
    ["both forms at once", { image, as: "cd", cmdline: "quiet", expect: "x" }, /found some of both/],
    [
      "an unknown medium",
      { image, as: "floppy", expect: "x" },
      /as: expected cd, usb, disk or pxe, found "floppy"/,
    ],
    ["no pattern", { image, as: "cd", expect: [] }, /expect: expected at least one pattern, found none/],
    ["typing first", { image, as: "cd", expect: [{ send: "x" }] }, /expect\[0\]: .* begin with a pattern/],
    [
      "a mistyped send",
      { image, as: "cd", expect: ["a", { snd: "x" }] },
      /unknown option expect\[1\]\.snd; did you mean send\?/,
    ],
    [
      "a mistyped option",
      { image, as: "cd", expect: "x", firmwear: "uefi" },
      /firmwear; did you mean firmware\?/,
    ],
    ["a wrong size", { image, as: "cd", expect: "x", memory: "1GB" }, /memory: expected .*, found "1GB"/],
    [
      "a path as image",
      { image: "a.iso", as: "cd", expect: "x" },
      /image: expected a file target, found "a.iso"/,
    ],
  ])("refuses %s and says what it expected", (_, options, message) => {
    expect(refused(options)).toMatch(message);
  });
});
