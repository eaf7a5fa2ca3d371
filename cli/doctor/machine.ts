// Looks at what the machine gives: node, namespaces, overlays, disk and memory, loop devices, emulators and KVM. It
// leaves nothing behind, mounts nothing and starts no guest.
import { accessSync, constants, existsSync, readFileSync, statfsSync } from "node:fs";
import { release, totalmem } from "node:os";
import { addTo } from "../../cache/grouped.js";
import { canHoldTrees, probeIsolation } from "../../engine/execute/local/capability.js";
import { moreIds, ownIds, userName } from "../../engine/execute/local/ids.js";
import type { Isolation } from "../../engine/execute/local/sandbox.js";
import type { Action } from "../../engine/model.js";
import type { Result } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { emulatedCpu } from "../../engine/tools.js";
import { NODE_LEAST, tooOld } from "../node.js";
import { formatBytes } from "../render/numbers.js";
import { type Finding, fine, lacking, poor } from "./finding.js";

/** Free disk, in bytes, without which there is no point in beginning: with trees and without. */
const [ROOM_FOR_TREES, ROOM] = [2_000_000_000, 100_000_000];

/** A line for each of them. */
export async function machine(project: Project, actions: readonly Action[]): Promise<Finding[]> {
  const isolation = await probeIsolation(whereToTry(project));
  return [
    node(),
    ...namespaces(isolation, actions),
    ...(isolation.ok ? await overlays(project, isolation.value, actions) : []),
    disk(project, actions),
    memory(actions),
  ];
}

/** It need not have been built here before. */
const whereToTry = ({ state, dir }: Project): string => (existsSync(state) ? state : dir);

function node(): Finding {
  const { node: version } = process.versions;
  const what = `node ${version}`;
  return tooOld(version) === null
    ? fine(what)
    : lacking(what, `install node ${NODE_LEAST.join(".")} or newer`);
}

function namespaces(probed: Result<Isolation>, actions: readonly Action[]): Finding[] {
  if (!probed.ok) {
    const { message, hint = "" } = probed.problem;
    return [
      lacking(
        message,
        hint,
        actions.map(({ id }) => id),
      ),
    ];
  }
  const isolation = probed.value;
  const privileged = actions.filter((action) => action.root).map(({ id }) => id);
  if (isolation.kind === "process-groups" || isolation.root === "real") return [fine("namespaces, as root")];
  const inside = fine("namespaces, as root of a user namespace");
  if (ownIds() === "all" || privileged.length === 0) return [inside];
  return [
    inside,
    lacking("only one user id in namespaces, and trees have many owners", moreIds(), privileged),
  ];
}

/** Without overlays trees are copied; without extended attributes there are none. */
async function overlays(
  project: Project,
  isolation: Isolation,
  actions: readonly Action[],
): Promise<Finding[]> {
  const makers = (layered: boolean): string[] =>
    actions
      .filter(({ outputs }) =>
        outputs.some((output) => output.kind === "tree" && (!layered || output.base !== null)),
      )
      .map(({ id }) => id);
  const [trees, layered] = [makers(false), makers(true)];
  if (trees.length === 0) return [];
  const able = await canHoldTrees(whereToTry(project), isolation, layered.length > 0);
  if (!able.ok) return [lacking(able.problem.message, able.problem.hint ?? "", trees)];
  const { overlays: can, because } = able.value;
  if (layered.length === 0) return [];
  if (can) return [fine("overlays: trees are layers", layered)];
  const what = `no overlays, so that trees are copied (${because})`;
  return [poor(what, "put the project on ext4, xfs or btrfs", layered)];
}

function disk(project: Project, actions: readonly Action[]): Finding {
  try {
    accessSync(project.dir, constants.W_OK);
  } catch {
    return lacking(`${project.dir} cannot be written`, `give it to ${userName()}, or use sudo`);
  }
  const { bavail, bsize } = statfsSync(project.dir);
  const free = bavail * bsize;
  const trees = actions.some((action) => action.outputs.some((output) => output.kind === "tree"));
  const room = trees ? ROOM_FOR_TREES : ROOM;
  const what = `disk: ${formatBytes(free)} free in ${project.dir}`;
  return free >= room
    ? fine(what)
    : lacking(what, `free some: ${formatBytes(room)} at least; imagemake cache gc drops what nothing needs`);
}

function memory(actions: readonly Action[]): Finding {
  const limit = process.constrainedMemory();
  const here = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const greedy = actions.filter(({ resources }) => resources.memory > here);
  const what = `memory: ${formatBytes(here)}`;
  if (greedy.length === 0) return fine(what);
  const most = greedy.reduce((most, { resources }) => Math.max(most, resources.memory), 0);
  return lacking(
    what,
    `${formatBytes(most)} are wanted`,
    greedy.map(({ id }) => id),
  );
}

// Looks at what the kernel gives to actions that mount disk images: loop devices and file systems. It mounts nothing.

/** A named resource, whether it is there, and what helps. */
interface Feature {
  readonly what: string;
  readonly there: () => boolean;
  readonly fix: string;
}

const FEATURES: Readonly<Record<string, Feature>> = {
  loop: { what: "loop devices", there: () => existsSync("/dev/loop-control"), fix: "modprobe loop" },
  vfat: {
    what: "file system vfat",
    there: () => /\tvfat$/m.test(readFileSync("/proc/filesystems", "utf8")) || hasModule("vfat"),
    fix: "modprobe vfat, or build these on a machine whose kernel has it",
  },
};

/** A line for each that an action names among its resources. */
export function kernel(actions: readonly Action[]): Finding[] {
  return Object.entries(FEATURES).flatMap(([name, { what, there, fix }]) => {
    const wanted = actions.filter(({ resources }) => resources.named.includes(name)).map(({ id }) => id);
    if (wanted.length === 0) return [];
    return [there() ? fine(what, wanted) : lacking(`no ${what}`, fix, wanted)];
  });
}

/** Whether the running kernel has the module, loaded or not. */
function hasModule(name: string): boolean {
  const list = `/lib/modules/${release()}/modules.dep`;
  return existsSync(list) && new RegExp(`/${name}\\.ko`).test(readFileSync(list, "utf8"));
}

// Looks at what runs programs of other machines: emulators registered with the kernel, and KVM for guests. It
// starts none.

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
