// How rules say what they want: plain specifications in, opaque handles out. Ids are given later, when the exports of
// the Imagefile are known (evaluate/collect.ts).
import { PACKAGE } from "../cache/installed.js";
import type {
  Beside,
  Command,
  Guards,
  Holding,
  Output,
  Resources,
  SignSettings,
  Source,
  Tool,
  Wanted,
  Json,
} from "./model.js";
import { Exit, ProblemError } from "./problem.js";

/** What a rule writes down. Left-out fields take the values that harm least: no network, no root, one core. */
export interface ActionSpec {
  readonly rule: string;
  readonly command: Command;
  readonly env?: Readonly<Record<string, string>>;
  /** Keys are variable names: capitals. */
  readonly inputs: Readonly<Record<string, Source | Handle>>;
  readonly outputs: readonly Output[];
  /** Name of the input whose tree is the root directory that the command runs in. */
  readonly within?: string;
  readonly packages?: PackageSpec;
  readonly tools?: readonly Tool[];
  readonly date?: boolean;
  readonly collect?: string;
  readonly network?: boolean;
  readonly interactive?: boolean;
  readonly root?: boolean;
  readonly native?: boolean;
  readonly timeout?: number;
  readonly guards?: Guards;
  readonly holds?: readonly Holding[];
  readonly resources?: Partial<Resources>;
  readonly arch?: string;
  /**
   * The handle whose id this action's first target derives from: `rootfs-x86_64` gives `rootfs-x86_64.tree`.
   * Without it an unexported action is named after the input that reaches it.
   */
  readonly suffix?: string;
  /** Its files have the rule's names, not the Imagefile's: they are linked into the output directory only where exported. */
  readonly inner?: boolean;
}

/** A package list as a rule writes it; `on` is the tree beneath. */
export interface PackageSpec {
  readonly driver: string;
  readonly repo: Json;
  readonly arch: string;
  readonly want: readonly Wanted[];
  readonly options: Json;
  readonly beside?: Beside;
  readonly on: Handle | null;
}

/** An action before it has an id. Compared by identity. */
export interface Draft {
  readonly spec: ActionSpec;
  /** Order of creation. */
  readonly order: number;
  /** `file:line` in the Imagefile. */
  readonly at: string;
}

const HANDLE = Symbol.for("imagemake.handle");
const SOURCE = Symbol.for("imagemake.source");
const ORDER = Symbol.for("imagemake.order");
const PROJECT = Symbol.for("imagemake.project");

/** One output of a draft, as an Imagefile holds it. `lineage` is for rules: what a tree was made from. */
export interface Handle {
  readonly [HANDLE]: { readonly draft: Draft; readonly output: string; readonly kind: Output["kind"] };
  /** A packed tree is its file, and has the tree inside as `.tree`. */
  readonly tree?: Handle;
  readonly lineage?: Lineage;
}

/** Which packages a tree was made with, so that a layer on it speaks to the same repository. */
export interface Lineage {
  readonly driver: string;
  readonly repo: Json;
  readonly arch: string;
  readonly options: Json;
  readonly beside?: Beside;
}

/** A source as an Imagefile holds it. */
export interface SourceHandle {
  readonly [SOURCE]: Source;
}

/** Members in declared order: JavaScript would sort `"10"` before `"9"`. */
export interface Ordered {
  readonly [ORDER]: { readonly keys: readonly string[]; readonly only: ReadonlySet<string> | null };
  readonly [key: string]: unknown;
}

let created = 0;

/** Declares an action; one handle per output, by the output's name. */
export function declare(spec: ActionSpec, lineage?: Lineage): Readonly<Record<string, Handle>> {
  const draft: Draft = { spec, order: created++, at: callSite() };
  const handles: Record<string, Handle> = {};
  for (const output of spec.outputs) {
    const inner = { draft, output: output.name, kind: output.kind };
    handles[output.name] = Object.freeze(
      lineage === undefined ? { [HANDLE]: inner } : { [HANDLE]: inner, lineage },
    );
  }
  return handles;
}

/** The first output's handle; every action has one. */
export function declareOne(spec: ActionSpec, lineage?: Lineage): Handle {
  const first = spec.outputs[0];
  const handle = first && declare(spec, lineage)[first.name];
  if (handle === undefined) throw new Error(`an action of rule ${spec.rule} has no output`);
  return handle;
}

/** The file handle that also carries its tree. */
export const packed = (file: Handle, tree: Handle): Handle =>
  Object.freeze({ ...file, tree, ...(tree.lineage === undefined ? {} : { lineage: tree.lineage }) });

export const isHandle = (value: unknown): value is Handle =>
  typeof value === "object" && value !== null && HANDLE in value;
export const inside = (handle: Handle): Handle[typeof HANDLE] => handle[HANDLE];

export const source = (value: Source): SourceHandle => Object.freeze({ [SOURCE]: value });
export const isSource = (value: unknown): value is SourceHandle =>
  typeof value === "object" && value !== null && SOURCE in value;
export const sourceOf = (handle: SourceHandle): Source => handle[SOURCE];

/** A group whose keys keep their order; `only` are the keys that VAR= selected, null for all. */
export const ordered = <T extends object>(
  members: T,
  keys: readonly string[],
  only: ReadonlySet<string> | null,
): T => Object.freeze(Object.defineProperty(members, ORDER, { value: { keys, only }, enumerable: false }));
export const orderOf = (value: object): Ordered[typeof ORDER] | undefined =>
  (value as Partial<Ordered>)[ORDER];

/** What `project(…)` was given, checked. Targets and groups are handles. */
export interface ProjectSpec {
  readonly default?: readonly unknown[] | undefined;
  /** Seconds since 1970. */
  readonly epoch?: number | undefined;
  readonly nativeOnly?: readonly string[] | undefined;
  readonly release?:
    | {
        /** Every exported file, where it does not say. */
        readonly of?: readonly unknown[] | undefined;
        readonly gate?: readonly unknown[] | undefined;
        readonly steps?: readonly string[] | undefined;
        readonly into?: string | undefined;
        readonly sums?:
          { readonly file?: string | undefined; readonly form?: "bsd" | "gnu" | undefined } | undefined;
        readonly sign?: Partial<SignSettings> | undefined;
      }
    | undefined;
}

/** Marks what `project(…)` returns. */
export const projectValue = (value: ProjectSpec): object => Object.freeze({ [PROJECT]: value });
/** What `project(…)` was given, or undefined for anything else. */
export const projectOf = (value: unknown): ProjectSpec | undefined =>
  // projectValue() made it.
  typeof value === "object" && value !== null && PROJECT in value
    ? (value[PROJECT] as ProjectSpec)
    : undefined;

/** A rule's option is wrong: says where in the Imagefile and what was expected. Exit status 2. */
export function wrongOption(rule: string, message: string, hint?: string): never {
  const problem = { exit: Exit.usage, message: `${callSite()}: ${rule}: ${message}` } as const;
  throw new ProblemError(hint === undefined ? problem : { ...problem, hint });
}

/** The nearest caller that is not ours: where in an Imagefile, or a file it imports, the rule was called. */
export function callSite(): string {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 50;
  const stack = new Error().stack ?? "";
  Error.stackTraceLimit = limit;
  for (const line of stack.split("\n").slice(1)) {
    const at = /^\s+at (?:.*?[( ])??(?:file:\/\/)?(\/.*?):(\d+):\d+\)?$/.exec(line);
    const file = at?.[1];
    if (file !== undefined && !OURS.some((dir) => file.startsWith(dir)) && !file.includes("/node_modules/")) {
      return `${file}:${at?.[2] ?? "?"}`;
    }
  }
  return "Imagefile";
}

/** The engine's own directories, compiled and, where node maps lines back, as sources. */
const OURS = ["dist/", "engine/", "rules/", "targets/"].map((dir) => PACKAGE.pathname + dir);
