// Looks at what runs programs of other machines: emulators registered with the kernel, and KVM for guests. It
// starts none.
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { addTo } from "../../cache/grouped.js";
import type { Action } from "../../engine/model.js";
import { emulatedCpu } from "../../engine/tools.js";
import { fine, lacking, type Finding } from "./finding.js";

/** Where the kernel lists its interpreters, when that is mounted. */
const REGISTERED = "/proc/sys/fs/binfmt_misc";

/** A line for each emulator that actions call, and one for KVM where a guest is started. */
export function guests(actions: readonly Action[]): Finding[] {
  const emulators = new Map<string, string[]>();
  for (const { id, tools } of actions) {
    for (const { name } of tools) {
      const cpu = emulatedCpu(name);
      if (cpu !== undefined) addTo(emulators, cpu, id);
    }
  }
  const booting = actions.filter(({ resources }) => resources.named.includes("kvm")).map(({ id }) => id);
  return [
    ...[...emulators].map(([cpu, wanted]) => emulator(cpu, wanted)),
    ...(booting.length === 0 ? [] : [kvm(booting)]),
  ];
}

/** The same conditions as in rules/recipes/tree.sh, which registers what is not registered yet. */
function emulator(cpu: string, wanted: readonly string[]): Finding {
  const name = `programs for ${cpu}`;
  const entry = `${REGISTERED}/qemu-${cpu}`;
  if (existsSync(entry)) {
    const text = readFileSync(entry, "utf8");
    if (!text.startsWith("enabled"))
      return lacking(
        `${name}: qemu-${cpu} is registered but off`,
        `update-binfmts --enable qemu-${cpu}`,
        wanted,
      );
    if (!/^flags:.*F/m.test(text))
      return lacking(
        `${name}: qemu-${cpu} does not work in a chroot`,
        "apt-get install qemu-user-static",
        wanted,
      );
    return fine(`${name} run in qemu-${cpu}`, wanted);
  }
  if (!existsSync(`/usr/lib/binfmt.d/qemu-${cpu}.conf`))
    return lacking(`${name} cannot run`, "apt-get install qemu-user-static", wanted);
  if (
    !existsSync(`${REGISTERED}/register`) &&
    !/\tbinfmt_misc$/m.test(readFileSync("/proc/filesystems", "utf8"))
  )
    return lacking(`${name} cannot run: the kernel has no binfmt_misc`, "modprobe binfmt_misc", wanted);
  return fine(`${name}: qemu-${cpu} is registered when it is needed`, wanted);
}

/** Whether a guest really starts under KVM is only known when one does (rules/recipes/boot.mjs). */
function kvm(wanted: readonly string[]): Finding {
  const why = withoutKvm();
  return why === null
    ? fine("KVM is tried for guests, and emulation where none starts", wanted)
    : fine(`guests are emulated, which is slower: ${why}`, wanted);
}

function withoutKvm(): string | null {
  if (process.env["IMAGEMAKE_ACCEL"] === "tcg") return "IMAGEMAKE_ACCEL=tcg";
  if (process.arch !== "x64") return `this machine is ${process.arch}`;
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
  } catch {
    return "there is no /dev/kvm that can be read and written";
  }
  return /^flags\s*:.*\b(?:vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"))
    ? null
    : "/dev/kvm without vmx or svm in /proc/cpuinfo";
}
