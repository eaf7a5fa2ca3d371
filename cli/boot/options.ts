// The options of `imagemake boot`: where the console, the picture and the monitor are, in QEMU's words.
import { existsSync, lstatSync } from "node:fs";
import { resolve } from "node:path";
import { Exit, fail, ok, type Result } from "../../engine/problem.js";
import type { OptionsOf } from "../commands.js";

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
      return fail(Exit.usage, `${path} is there, and no socket`);
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
