// `imagemake boot TARGET`: starts an image in QEMU, by hand. It builds nothing and never opens an artifact for writing.
// What an image is, and how it is started, it is told by rules/guest.ts, as the build is told of package managers by
// their drivers: loaded when called, so that the engine goes on knowing nothing of it.
import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { asError, Exit, stop, unwrap } from "../../engine/problem.js";
import { missingTools } from "../../engine/tools.js";
import type { Accel, Does, Guest, Machine, Qemu, Role } from "../../rules/guest.js";
import { findArtifact, type Found, warnIfOld } from "../boot/artifact.js";
import { type Ended, runGuest } from "../boot/console.js";
import {
  accelOf,
  type BootOptions,
  type Files,
  keepIn,
  machineOf,
  type Outside,
  outsideOf,
} from "../boot/machine.js";
import type { Call } from "../call.js";
import { judge, look } from "../look.js";
import { output } from "../output.js";
import { warn } from "../state.js";

/** Everything that is settled before QEMU starts. */
interface Start {
  readonly qemu: Qemu;
  readonly machine: Machine;
  readonly files: Files;
  readonly outside: Outside;
  readonly accel: Accel | undefined;
  readonly quiet: boolean;
}

/** Starts the guest, or with -n prints QEMU's command line. */
export async function command(call: Call<"boot">): Promise<number> {
  const own: BootOptions = call.options;
  const rules = await import("../../rules/guest.js");
  const qemu = await rules.qemu();
  const looking = await look(call, call.names);
  const [target, ...others] = looking.targets;
  if (target === undefined || others.length > 0)
    return stop(Exit.usage, `name one target, not ${looking.targets.length}`, looking.targets.join(" "));
  const guest = unwrap(rules.guestOf(looking.opened.graph, target));
  const judgements = await judge(looking.session);
  const found: Partial<Record<Role, Found>> = {};
  for (const [role, input] of Object.entries(guest.inputs) as [Role, string][]) {
    const file = unwrap(await findArtifact(looking, judgements, input));
    found[role] = file;
    warnIfOld(input, file);
  }
  const start: Start = {
    qemu,
    machine: unwrap(machineOf(rules, qemu, target, guest, found, own)),
    files: found,
    outside: unwrap(outsideOf(own, qemu.quoted)),
    accel: accelOf(own),
    quiet: call.options.quiet === true,
  };
  const { keep } = start.machine;
  const kept = keep === undefined ? null : unwrap(keepIn(keep, looking.opened.project, found));
  if (kept?.there === true)
    warn(`${keep ?? ""} is there, and the guest goes on with it; without that file it gets a new copy`);
  try {
    if (call.options.dryRun === true) return print(start);
    unwrap(missingTools(rules.toolsFor(start.machine)));
    return await boot(start, guest);
  } catch (error) {
    if (error instanceof qemu.Missing) return stop(Exit.environment, error.message);
    throw error;
  }
}

const argvOf = (
  { qemu, machine, outside }: Start,
  accel: Accel,
  firmware: readonly string[],
  medium: readonly string[],
): string[] => [qemu.QEMU, ...qemu.machine(machine, accel), ...outside.argv, ...firmware, ...medium];

/** Paths by whose names it can be told how a disk is packed: what lies in the store gets a name. */
function namedFiles(
  { files, machine }: Start,
  scratch: string,
  does: Does,
): Readonly<Partial<Record<Role, string>>> {
  const named = Object.entries(files).map(([role, { path, name }]): [string, string] => {
    const suffix = /(\.[a-z]\w*){0,2}$/i.exec(name)?.[0] ?? "";
    const disk = machine.as === "disk" || machine.as === "usb";
    if (!disk || path.endsWith(suffix)) return [role, path];
    const link = join(scratch, name);
    does(["ln", "-s", path, link]);
    return [role, link];
  });
  return Object.fromEntries(named);
}

/** What would be run, on stdout; what would be done before, on stderr. Nothing is made. */
function print(start: Start): number {
  const { qemu, machine } = start;
  const scratch = join(tmpdir(), "imagemake-boot");
  const does: Does = (argv, into) =>
    warn(`first: ${qemu.shellLine(argv)}${into === undefined ? "" : ` > ${qemu.shellLine([into])}`}`);
  const firmware = qemu.firmware(machine, scratch, does);
  const accel = qemu.withoutKvm(start.accel) === null ? "kvm" : "tcg";
  const argv = argvOf(
    start,
    accel,
    firmware,
    qemu.medium(machine, namedFiles(start, scratch, does), scratch, does),
  );
  output.write(`${qemu.shellLine(argv)}\n`);
  return Exit.done;
}

async function boot(start: Start, { check }: Guest): Promise<number> {
  const { qemu, machine, files, outside, quiet } = start;
  const scratch = mkdtempSync(join(tmpdir(), "imagemake-boot-"));
  try {
    const medium = prepared(() =>
      qemu.medium(machine, namedFiles(start, scratch, qemu.really), scratch, qemu.really),
    );
    const attempt = (accel: Accel): Promise<Attempt> => {
      const firmware = qemu.firmware(machine, scratch, qemu.really);
      return tryGuest(start, accel, argvOf(start, accel, firmware, medium));
    };
    const { as, firmware, memory, cpus } = machine;
    const what = [
      as,
      firmware,
      `${Math.round(memory / 1024 ** 2)} MiB`,
      `${cpus} cpu${cpus === 1 ? "" : "s"}`,
    ].join(", ");
    const why = qemu.withoutKvm(start.accel);
    if (!quiet) {
      warn(
        `${(files.IMAGE ?? files.KERNEL)?.path ?? ""}: ${what}${check === null ? "" : `, as the check ${check} has it`}`,
      );
      warn(why === null ? "accelerator kvm" : `accelerator tcg (${why})`);
      if (outside.terminal) warn("Ctrl-A X ends it, Ctrl-A C is QEMU's monitor; Ctrl-C is the guest's");
      for (const socket of outside.sockets) warn(`socket ${socket}`);
    }
    let end = await attempt(why === null ? "kvm" : "tcg");
    if (end.kind === "useless") {
      warn(`accelerator tcg (KVM is of no use here: ${end.why})`);
      end = await attempt("tcg");
    }
    return statusOf(end);
  } finally {
    for (const path of [scratch, ...outside.sockets]) rmSync(path, { recursive: true, force: true });
  }
}

/** What fails on the way to a guest fails because of the image. */
function prepared<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (asError(error).constructor === Error) return stop(Exit.failed, asError(error).message);
    throw error;
  }
}

function statusOf(end: Attempt): number {
  if (end.kind === "signal") return 128 + constants.signals[end.signal];
  if (end.kind === "useless" || end.status === 0) return end.kind === "useless" ? Exit.failed : Exit.done;
  return stop(Exit.failed, `QEMU ended with status ${end.status}`);
}

// One start of a guest, and whether KVM was of any use for it: nested virtualisation can open, run the firmware, and
// stand still as soon as a kernel starts.

/** How it ended; `useless`: under KVM nothing of it was heard. */
type Attempt = Ended | { readonly kind: "useless"; readonly why: string };

/** What is known of a guest that is started. */
interface Trial {
  readonly qemu: Pick<Qemu, "kvmDeadline" | "LOADER" | "KVM_BROKEN">;
  readonly machine: Machine;
  readonly outside: Pick<Outside, "console" | "terminal">;
}

/** One start. Under KVM a guest from which nothing is heard in time, and to which nothing was typed, was of no use. */
export async function tryGuest(
  { qemu, machine, outside }: Trial,
  accel: Accel,
  argv: readonly string[],
): Promise<Attempt> {
  const giveUp = new AbortController();
  let [alive, line] = [!outside.console, ""];
  const seconds = qemu.kvmDeadline(machine);
  const silent = `no word from a kernel in ${seconds} s`;
  const timer = setTimeout(() => {
    if (accel === "kvm" && !alive) giveUp.abort();
  }, seconds * 1000);
  const ended = await runGuest({
    argv,
    terminal: outside.terminal,
    onOutput: (text) => {
      const lines = (line + text).split(/[\r\n]+/);
      line = lines.pop() ?? "";
      alive ||= lines.some((one) => /\w/.test(one) && !qemu.LOADER.test(one));
    },
    typed: () => (alive = true),
    giveUp: giveUp.signal,
  });
  clearTimeout(timer);
  if (accel === "tcg" || ended.kind === "signal") return ended;
  if (giveUp.signal.aborted) return { kind: "useless", why: silent };
  const broken = ended.status !== 0 || qemu.KVM_BROKEN.test(ended.said);
  const why = ended.said.trim().split("\n").at(-1) ?? "";
  return broken && (!alive || !outside.console)
    ? { kind: "useless", why: why || `status ${ended.status}` }
    : ended;
}
