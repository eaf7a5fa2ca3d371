// One start of a guest, and whether KVM was of any use for it: nested virtualisation can open, run the firmware, and
// stand still as soon as a kernel starts.
import type { Accel, Machine, Qemu } from "../../rules/guest.js";
import { runGuest, type Ended } from "./console.js";
import type { Outside } from "./options.js";

/** How it ended; `useless`: under KVM nothing of it was heard. */
export type Attempt = Ended | { readonly kind: "useless"; readonly why: string };

/** What is known of a guest that is started. */
export interface Trial {
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
