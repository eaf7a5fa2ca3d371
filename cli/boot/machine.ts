// The guest that `imagemake boot` was asked for, and the options that say so: they go before what its boot check has,
// and that before what fits the file. What fits is in rules/guest.ts; wrong options are told here.
import { existsSync, lstatSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { leadsTo } from "../../cache/layout.js";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import type { Accel, Guest, Machine, Qemu, Role } from "../../rules/guest.js";
import type { OptionsOf } from "../commands.js";
import type { Found } from "./artifact.js";

type Rules = typeof import("../../rules/guest.js");

/** What it is started from. */
export type Files = Readonly<Partial<Record<Role, Found>>>;

/** The guest that was asked for: by options, by its check, by what its file is. */
export function machineOf(
  rules: Rules,
  qemu: Qemu,
  target: string,
  guest: Guest,
  found: Files,
  own: BootOptions,
): Result<Machine> {
  const image = found.IMAGE;
  const peeked =
    guest.as === null && own.as === undefined && image !== undefined && rules.isTarball(image.name)
      ? qemu.mediumOf(qemu.namesIn(image.path))
      : undefined;
  if (own.as !== undefined && image === undefined)
    return fail(Exit.usage, `--as: ${target} starts a kernel, not a medium`);
  const medium = own.as ?? guest.as ?? peeked;
  if (medium === undefined)
    return fail(Exit.usage, `${target}: cannot tell how this starts`, "--as cd, usb, disk or pxe says so");
  const memory = own.memory === undefined ? undefined : rules.memoryIn(own.memory);
  if (own.memory !== undefined && memory === undefined)
    return fail(Exit.usage, `--memory: expected a size such as 2GiB, found ${own.memory}`);
  if (own.cpus !== undefined && own.cpus > 64)
    return fail(Exit.usage, `--cpus: expected a number from 1 to 64, found ${own.cpus}`);
  if (own.keep !== undefined && medium !== "disk" && medium !== "usb")
    return fail(Exit.usage, `--keep: a ${medium} is never written to`);
  const { asked } = guest;
  return ok({
    ...(asked.cmdline === undefined ? {} : { cmdline: asked.cmdline }),
    ...(own.keep === undefined ? {} : { keep: resolve(own.keep) }),
    as: medium,
    firmware: own.firmware ?? asked.firmware ?? "bios",
    memory: memory ?? asked.memory ?? rules.memoryFor(medium, image?.size ?? 0),
    cpus: own.cpus ?? asked.cpus ?? 2,
    // By hand somebody may want to fetch something; a check has a card only where it says so.
    net: own.net ?? (guest.check === null ? true : (asked.net ?? false)),
  });
}

/**
 * The file of --keep, which is opened for writing: never something that was built, by whatever name. `there`: it is gone
 * on with.
 */
export function keepIn(
  keep: string,
  { out, state }: Pick<Project, "out" | "state">,
  files: Files,
): Result<{ readonly there: boolean }> {
  const stats = statSync(keep, { throwIfNoEntry: false });
  const dir = leadsTo(dirname(keep));
  const path = stats === undefined ? dir && join(dir, basename(keep)) : leadsTo(keep);
  const inside = [out, state].map((one) => leadsTo(one) ?? one);
  const built = Object.values(files).some((file) => {
    const one = statSync(file.path, { throwIfNoEntry: false });
    return one !== undefined && one.dev === stats?.dev && one.ino === stats.ino;
  });
  if (built || inside.some((one) => path?.startsWith(`${one}/`)))
    return fail(
      Exit.usage,
      `--keep ${keep}: the guest would write to what was built`,
      "name a file elsewhere, which gets a copy",
    );
  return stats === undefined || stats.isFile()
    ? ok({ there: stats !== undefined })
    : fail(Exit.usage, `--keep ${keep} exists and is not a file`);
}

/** IMAGEMAKE_ACCEL=tcg keeps KVM out of reach here as in a build. */
export const accelOf = (own: BootOptions): Accel | undefined =>
  own.accel ?? (process.env["IMAGEMAKE_ACCEL"] === "tcg" ? "tcg" : undefined);

// The options of `imagemake boot`: where the console, the picture and the monitor are, in QEMU's words.

/** Its options, and those of every command. */
export type BootOptions = OptionsOf<"boot">;

/** What QEMU is told of its outside, and what we have to do for it. */
export interface Outside {
  readonly argv: readonly string[];
  /** Our standard streams are the serial console. */
  readonly console: boolean;
  /** Where the console is a terminal, keys with Ctrl-A are QEMU's. */
  readonly terminal: boolean;
  /** Sockets that are gone when it is over. */
  readonly sockets: readonly string[];
}

/** Without anything said: the serial console on our standard streams, and no picture. */
export function outsideOf(options: BootOptions, quoted: (path: string) => string): Result<Outside> {
  const { graphics = false, serialSocket, monitorSocket } = options;
  if (serialSocket !== undefined && options.serial === true)
    return fail(Exit.usage, "--serial and --serial-socket: the guest has one serial console");
  if (options.snapshot === true && options.keep !== undefined)
    return fail(Exit.usage, "--snapshot and --keep: what the guest writes is thrown away, or kept");
  const console = serialSocket === undefined && (options.serial === true || !graphics);
  const terminal = console && process.stdin.isTTY && process.stdout.isTTY;
  const sockets: string[] = [];
  const argv: string[] = [];
  const socket = (id: string, path: string): Result<void> => {
    const at = resolve(path);
    // QEMU would delete whatever is in its place.
    if (existsSync(at) && !lstatSync(at).isSocket())
      return fail(Exit.usage, `${path} exists and is not a socket`);
    sockets.push(at);
    argv.push("-chardev", `socket,id=${id},path=${quoted(at)},server=on,wait=off`);
    return ok(undefined);
  };
  const picture = pictureOf(graphics);
  if (!picture.ok) return picture;
  argv.push(...picture.value);
  if (serialSocket !== undefined) {
    const made = socket("console", serialSocket);
    if (!made.ok) return made;
  } else if (console) {
    argv.push("-chardev", `stdio,id=console,signal=off${terminal ? ",mux=on" : ""}`);
  }
  argv.push("-serial", console || serialSocket !== undefined ? "chardev:console" : "none");
  if (monitorSocket !== undefined) {
    const made = socket("monitor", monitorSocket);
    if (!made.ok) return made;
    argv.push("-mon", "chardev=monitor,mode=readline");
  } else if (terminal) {
    argv.push("-mon", "chardev=console,mode=readline");
  } else if (!graphics) {
    argv.push("-monitor", "none");
  }
  return ok({ argv, console, terminal, sockets });
}

/** Without a picture the firmware writes to the serial console, too. */
function pictureOf(graphics: boolean): Result<readonly string[]> {
  if (!graphics) return ok(["-nographic"]);
  if (!process.env["DISPLAY"] && !process.env["WAYLAND_DISPLAY"])
    return fail(
      Exit.environment,
      "there is no display here",
      "without --graphics the serial console is on the terminal",
    );
  return ok(["-device", "virtio-vga", "-display", "gtk,gl=off"]);
}
