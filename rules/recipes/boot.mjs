// Boots an image in QEMU and waits for a sequence of patterns on its serial console. The plan is JSON in $BOOT, the
// image is $IMAGE, or $KERNEL and $INITRD. Exit status 0: all of it came; 1: not; 3: something is missing. What the
// guest is made of is in qemu.mjs beside it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";
import {
  KERNEL,
  KVM_BROKEN,
  kvmDeadline,
  LOADER,
  machine,
  medium,
  Missing,
  firmware,
  QEMU,
} from "./qemu.mjs";
import { really, shellLine, withoutKvm } from "./qemu.mjs";

/**
 * What to do. Times in seconds, memory in bytes. `accel` and `kvmDeadline` are for trying this file by hand:
 * which accelerator there is belongs to the machine, and so never to the plan that rules/boot.ts writes.
 * @typedef {{ text: string } | { source: string, flags: string }} Wanted
 * @typedef {import("./qemu.mjs").Accel} Accel
 * @typedef {import("./qemu.mjs").Machine & { timeout: number, expect: (Wanted | { send: string })[], accel?: Accel }} Plan
 * @typedef {{ kind: "passed" } | { kind: "failed" | "useless", why: string }} Outcome
 */

if (process.env.BOOT === undefined) {
  process.stderr.write("boot: $BOOT is not set\n");
  process.exit(3);
}
/** @type {unknown} */
const given = JSON.parse(process.env.BOOT);
const plan = /** @type {Plan} */ (given);
/** Seconds in which a guest that has passed may power itself off, and QEMU may end when told to. */
const GOODBYE = 3;
/** Seconds after a panic: the lines that follow it are worth having. */
const LAST_WORDS = 1;
/** Unmatched console text kept for matching, in characters. */
const WINDOW = 65_536;

let midLine = false;
/** The guest's console goes to our log. @param {string} text */
function echo(text) {
  process.stdout.write(text);
  if (text !== "") midLine = !text.endsWith("\n");
}
/** Our own lines begin with `boot: `. @param {string} text */
const say = (text) => echo(`${midLine ? "\n" : ""}boot: ${text}\n`);

// ---- what the guest is made of --------------------------------------------------------------------------

const scratch = mkdtempSync(join(tmpdir(), "boot-"));

/** The paths of inputs; absolute, because QEMU takes `a:b` for a protocol. */
function files() {
  const names = plan.as === "kernel" ? ["KERNEL", "INITRD"] : ["IMAGE"];
  return Object.fromEntries(
    names.map((name) => {
      if (!process.env[name]) throw new Missing(`$${name} is not set`);
      return [name, resolve(process.env[name])];
    }),
  );
}

/**
 * The serial console is QEMU's stdio; the monitor is off, so that no byte sent is taken for its escape.
 * @param {Accel} accel
 * @param {readonly string[]} guest
 */
const commandLine = (accel, guest) => [
  ...machine(plan, accel),
  ...["-nographic", "-no-reboot", "-chardev", "stdio,id=console,signal=off"],
  ...["-serial", "chardev:console", "-monitor", "none", ...firmware(plan, scratch, really), ...guest],
];

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
  return (/** @type {string} */ piece) => {
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
    ending = /\n{0,2}$/.exec(ending + fresh)?.[0] ?? "";
    return fresh;
  };
}

/** How an expectation is named in messages. @param {Wanted} wanted */
const named = (wanted) =>
  "text" in wanted ? JSON.stringify(wanted.text) : `/${wanted.source}/${wanted.flags}`;

/** `^` and `$` mean lines: a console has no other beginning or end. @param {Wanted} wanted */
function pattern(wanted) {
  if ("text" in wanted) return new RegExp(wanted.text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "g");
  return new RegExp(wanted.source, `${wanted.flags.replace(/[gmy]/g, "")}gm`);
}

/** After one of these lines nothing more will come. */
const HOPELESS =
  /Kernel panic - not syncing[^\n]*|No bootable device\.|BdsDxe: No bootable option[^\n]*|UEFI Interactive Shell/;

/**
 * Follows the console through the plan's sequence. `send` writes to the guest.
 * @param {(text: string) => void} send
 */
function follower(send) {
  const items = plan.expect.map((wanted) => ("send" in wanted ? wanted : { wanted, is: pattern(wanted) }));
  const clean = cleaner();
  let text = "";
  let from = 0;
  let at = 0;
  let kernel = false;
  let hopeless = false;
  const advance = () => {
    for (let item = items[at]; item !== undefined; item = items[++at]) {
      if ("send" in item) {
        // What the Enter key of a terminal sends.
        send(item.send.replaceAll("\n", "\r"));
        continue;
      }
      item.is.lastIndex = from;
      const found = item.is.exec(text);
      if (found === null) return;
      from = found.index + found[0].length;
      const [line = ""] = text.slice(text.lastIndexOf("\n", found.index) + 1).split("\n", 1);
      kernel ||= !LOADER.test(line);
    }
  };
  return {
    /** @param {string} piece */
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
    missing: () => {
      const item = items[at];
      return item !== undefined && "wanted" in item ? named(item.wanted) : "";
    },
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
 * @param {Accel} accel
 * @param {readonly string[]} guest
 * @returns {Promise<Outcome>}
 */
async function attempt(accel, guest) {
  const argv = commandLine(accel, guest);
  say(shellLine([QEMU, ...argv]));
  const child = spawn(QEMU, argv, { stdio: ["pipe", "pipe", "pipe"] });
  running = child;
  /** @type {Promise<{ status: number | null, why: string }>} */
  const end = new Promise((done) => {
    child.on("error", (error) => done({ status: null, why: error.message }));
    child.on("close", (status, signal) => done({ status, why: signal ?? `status ${status}` }));
  });
  child.stdin.on("error", () => {}); // it may be gone when we write
  const screen = follower((text) => child.stdin.write(text));
  /** @type {NodeJS.Timeout[]} */
  const timers = [];
  /** @type {Outcome} */
  let outcome;
  try {
    outcome = await new Promise((/** @type {(outcome: Outcome) => void} */ decide) => {
      const failed = (/** @type {string} */ why) =>
        decide({ kind: "failed", why: `${why}; the console's last lines were: ${screen.lastLines()}` });
      const after = (/** @type {number} */ seconds, /** @type {() => void} */ action) =>
        timers.push(setTimeout(action, seconds * 1000));
      let complaint = "";

      child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ piece) => {
        const hopeless = screen.hopeless();
        screen.take(piece);
        if (screen.done()) decide({ kind: "passed" });
        else if (screen.hopeless() && !hopeless)
          after(LAST_WORDS, () => failed(`${screen.verdict()}, before ${screen.missing()}`));
      });
      child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ piece) => {
        process.stderr.write(piece);
        complaint = piece.trim().split("\n").at(-1) || complaint;
        if (accel === "kvm" && KVM_BROKEN.test(piece) && !screen.kernelSeen())
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
        const deadline = Math.min(plan.timeout, kvmDeadline(plan));
        const why = `no word from a kernel in ${deadline} s`;
        after(deadline, () => screen.kernelSeen() || decide({ kind: "useless", why }));
      }
      after(plan.timeout, () => failed(`expected ${screen.missing()} within ${plan.timeout} s`));
    });
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
  // A guest that has passed may power itself off; QEMU that is stuck in KVM does not hear TERM.
  if (outcome.kind !== "passed" || !(await within(GOODBYE, end))) child.kill("SIGTERM");
  if (!(await within(GOODBYE, end))) child.kill("SIGKILL");
  await end;
  return outcome;
}

/**
 * Whether `promise` settles within so many seconds.
 * @param {number} seconds
 * @param {Promise<unknown>} promise
 */
async function within(seconds, promise) {
  const stop = new AbortController();
  const late = sleep(seconds * 1000, false, { signal: stop.signal }).catch(() => false);
  const result = await Promise.race([promise.then(() => true), late]);
  stop.abort();
  return result;
}

/**
 * With KVM where it can be had, or else without.
 * @param {readonly string[]} guest
 */
async function started(guest) {
  let reason = withoutKvm(plan.accel);
  if (reason === null) {
    say("accelerator kvm");
    const outcome = await attempt("kvm", guest);
    if (outcome.kind !== "useless") return outcome;
    reason = `KVM is of no use here: ${outcome.why}`;
  }
  say(`accelerator tcg (${reason})`);
  return attempt("tcg", guest);
}

async function main() {
  const outcome = await started(medium(plan, files(), scratch, really));
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
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof Missing ? 3 : 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
