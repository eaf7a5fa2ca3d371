// How a target is started by hand: what fits its rule, its file's name, or the boot check that it is or that starts
// it; and recipes/qemu.mjs with types, for whoever starts it. It starts nothing and knows no terminal.
import { nativeImport } from "../cache/compiled.js";
import type { Action, Graph, TargetId } from "../engine/model.js";
import { undated } from "../engine/names.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import { tools, type BootMedium } from "./boot.js";
import { recipeUrl } from "./recipes.js";
import { relationsOf } from "../engine/relations.js";

/** What a guest is made of, as recipes/qemu.mjs reads it. Memory in bytes. */
export interface Machine {
  readonly as: BootMedium | "kernel";
  readonly cmdline?: string;
  readonly firmware: "bios" | "uefi";
  readonly memory: number;
  readonly cpus: number;
  /** A network card. */
  readonly net: boolean;
  /** A file that keeps what the guest writes; without one it is thrown away. */
  readonly keep?: string;
}

/** What it is started from. */
export type Role = "IMAGE" | "KERNEL" | "INITRD";

/** Does what has to be done before QEMU starts: runs a command, whose output goes into the file `into`. */
export type Does = (argv: readonly [string, ...string[]], into?: string) => void;

/** What recipes/qemu.mjs exports. */
export interface Qemu {
  readonly QEMU: string;
  readonly Missing: new (message: string) => Error;
  readonly shellLine: (argv: readonly string[]) => string;
  readonly quoted: (path: string) => string;
  readonly really: Does;
  readonly namesIn: (tarball: string) => readonly string[];
  readonly mediumOf: (names: readonly string[]) => BootMedium | undefined;
  readonly medium: (
    plan: Machine,
    files: Readonly<Partial<Record<Role, string>>>,
    scratch: string,
    does: Does,
  ) => readonly string[];
  readonly firmware: (plan: Machine, scratch: string, does: Does) => readonly string[];
  readonly machine: (plan: Machine, accel: Accel) => readonly string[];
  readonly withoutKvm: (asked?: Accel) => string | null;
  readonly kvmDeadline: (plan: Machine) => number;
  readonly LOADER: RegExp;
  readonly KVM_BROKEN: RegExp;
}
export type Accel = "kvm" | "tcg";

/** The module that recipes and the command line share. It is not compiled, because it is part of keys. */
export const qemu = async (): Promise<Qemu> => (await nativeImport(recipeUrl("qemu.mjs").href)) as Qemu;

/** What fits a target. `as` is null where only the contents of the file can say. */
export interface Guest {
  readonly inputs: Readonly<Partial<Record<Role, TargetId>>>;
  readonly as: Machine["as"] | null;
  /** What a check asks for: this one, or the first that starts this image. */
  readonly asked: Partial<Machine>;
  /** That check. */
  readonly check: TargetId | null;
}

/** How the target is started; a problem where it is nothing that starts. */
export function guestOf(graph: Graph, target: TargetId): Result<Guest> {
  const relations = relationsOf(graph);
  const [found, action] = [relations.target(target), relations.producer(target)];
  if (found === undefined || action === undefined) return fail(Exit.usage, `there is no target ${target}`);
  const ours = foreign(action);
  if (ours !== null)
    return fail(Exit.usage, `${target} is for ${ours}, and only guests of x86 are started here`);
  if (found.kind === "verdict") {
    const plan = planOf(action);
    if (plan === null) return fail(Exit.usage, `${target} is a check that starts no guest`);
    return ok({ inputs: artifactsOf(action), as: plan.as ?? null, asked: plan, check: target });
  }
  if (found.pattern === null) {
    return fail(
      Exit.usage,
      `${target} is a tree, which nothing can start`,
      "name the image that is made of it",
    );
  }
  const check = graph.actions.find((one) => planOf(one) !== null && artifactsOf(one).IMAGE === target);
  const asked = check === undefined ? {} : (planOf(check) ?? {});
  const as = asked.as ?? mediumOfRule(action.rule) ?? mediumOfName(undated(found.pattern));
  return ok({ inputs: { IMAGE: target }, as: as ?? null, asked, check: check?.id ?? null });
}

const ARCHS = ["amd64", "x86_64", "x86_64-musl", "i386", "i686", "i686-musl"];

/** The architecture of an image that is not for this kind of machine. */
const foreign = ({ arch }: Action): string | null => (arch === null || ARCHS.includes(arch) ? null : arch);

/** What a boot check was told; null for every other action. */
function planOf({ rule, env }: Action): Partial<Machine> | null {
  const text = env["BOOT"];
  if (rule !== "boot" || text === undefined) return null;
  // Written by rules/boot.ts of this same version.
  const { as, cmdline, firmware, memory, cpus, net } = JSON.parse(text) as Machine;
  return { as, ...(cmdline === undefined ? {} : { cmdline }), firmware, memory, cpus, net };
}

const artifactsOf = ({ inputs }: Action): Readonly<Partial<Record<Role, TargetId>>> =>
  Object.fromEntries(
    inputs.flatMap((input) => (input.kind === "artifact" ? [[input.name, input.target]] : [])),
  );

const RULES: Readonly<Record<string, BootMedium>> = { iso: "cd", disk: "disk", pxe: "pxe" };
const mediumOfRule = (rule: string): BootMedium | undefined => RULES[rule];

const NAMES: readonly (readonly [RegExp, BootMedium])[] = [
  [/\.iso$/i, "cd"],
  [/\.(img|raw|qcow2|vmdk|vdi)(\.(xz|gz|zst))?$/i, "disk"],
  [/netboot|pxe/i, "pxe"],
];
const mediumOfName = (name: string): BootMedium | undefined => NAMES.find(([like]) => like.test(name))?.[1];

/** Whether a file has names in it that say how it is started. */
export const isTarball = (name: string): boolean => /\.(tar(\.\w+)?|tgz)$/.test(name);

const GIB = 1024 ** 3;

/** Enough to try an image by hand; one that comes over the network lies in memory, unpacked. Bytes. */
export const memoryFor = (as: Machine["as"], size: number): number =>
  as === "pxe" ? Math.max(2 * GIB, Math.ceil((4 * size) / GIB + 1) * GIB) : 2 * GIB;

const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: GIB };

/** Bytes in `2GiB`, or in `2G` as QEMU has it; undefined where the text is no size, or none that a guest could have. */
export function memoryIn(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([KMG])(?:iB)?$/.exec(text) ?? [];
  const bytes = number === undefined ? 0 : Math.round(Number(number) * (UNITS[unit ?? ""] ?? 0));
  return bytes >= 1024 ** 2 ? bytes : undefined;
}

/** Programs and files that starting it takes. */
export const toolsFor = ({ as, firmware }: Machine): ReturnType<typeof tools> => tools(as, firmware);
