// What a distribution is: the systems of one package manager, declared once. Its architectures and the processor of each, its
// repositories, and the recipes that make and change its trees. Types of an Imagefile, emulation and messages follow from it.
import type { Handle, Lineage, PackageSpec } from "../engine/declare.js";
import type {
  Beside,
  Command,
  Guards,
  Json,
  Source,
  Source as EngineSource,
  Tool,
  Wanted,
} from "../engine/model.js";

/** A program that makes or changes a tree with packages, and what it needs beside them. */
interface Work {
  readonly command: Command;
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, Source>>;
  readonly tools: readonly Tool[];
  readonly guards?: Guards;
}

/** What a recipe is told of the tree that it makes or changes. */
interface Told {
  readonly arch: string;
  /** Its processor, as qemu calls it. */
  readonly cpu: string;
  /** What `options` of the declaration returned. */
  readonly options: Json;
}

/** What is asked of a root filesystem beside its packages. */
interface Asked {
  readonly variant?: string | undefined;
  /** Whether recommended packages come too. */
  readonly recommends?: boolean | undefined;
}

/** A declaration; `R` is what its repositories are. */
interface Declared<A extends string, R> {
  /** The driver's name. */
  readonly name: string;
  /** Architectures as the driver calls them, and the processor of each as qemu calls it. */
  readonly cpus: Readonly<Record<A, string>>;
  readonly is: (value: unknown) => value is R;
  /** The repository as package requests name it. */
  readonly request: (repo: R) => Json;
  /** Options of the resolver. */
  readonly options: (repo: R, asked: Asked) => Json;
  /** What decides its packages beside the repository's snapshot. */
  readonly beside?: (repo: R) => Beside | undefined;
  /** A root filesystem out of nothing but packages. */
  readonly bootstrap: (repo: R, told: Told) => Work;
  /** More packages on a tree. */
  readonly install: (told: Told) => Work;
}

/** A distribution as rules see it. */
export interface Distribution<A extends string = string> {
  readonly cpus: Readonly<Record<A, string>>;
  readonly archs: readonly string[];
  readonly isRepo: (value: unknown) => boolean;
  /** What a tree comes from. */
  readonly lineage: (repo: unknown, arch: string, asked: Asked) => Lineage;
  readonly bootstrap: (repo: unknown, lineage: Lineage) => Work;
  readonly install: (lineage: Lineage) => Work;
}

/** Declares a distribution. Emulators are added to the tools of what runs programs of a tree. */
export function distribution<A extends string, R>(declared: Declared<A, R>): Distribution<A> {
  const { name, cpus, is } = declared;
  const cpu = (arch: string): string => new Map(Object.entries<string>(cpus)).get(arch) ?? "";
  // The value is what `repo` was given, which was checked before.
  const own = (repo: unknown): R => {
    if (!is(repo)) throw new Error("a repository of another driver");
    return repo;
  };
  const told = ({ arch, options }: Lineage): Told => ({ arch, cpu: cpu(arch), options });
  const emulated = (work: Work, { arch }: Lineage): Work => ({
    ...work,
    tools: [...work.tools, ...emulators(cpu(arch))],
  });
  return {
    cpus,
    archs: Object.keys(cpus),
    isRepo: is,
    lineage: (repo, arch, asked) => {
      const beside = declared.beside?.(own(repo));
      return {
        driver: name,
        repo: declared.request(own(repo)),
        arch,
        options: declared.options(own(repo), asked),
        ...(beside === undefined ? {} : { beside }),
      };
    },
    bootstrap: (repo, lineage) => emulated(declared.bootstrap(own(repo), told(lineage)), lineage),
    install: (lineage) => emulated(declared.install(told(lineage)), lineage),
  };
}

/** What each machine runs itself. */
const NATIVE: Readonly<Partial<Record<NodeJS.Architecture, readonly string[]>>> = {
  x64: ["x86_64", "i386"],
  arm64: ["aarch64"],
  arm: ["arm"],
  ppc64: ["ppc64le"],
  riscv64: ["riscv64"],
  s390x: ["s390x"],
};

/** The emulator that programs of a processor need on this machine; nothing where it is native. Recipes look whether it is there. */
export const emulators = (cpu: string): readonly Tool[] =>
  cpu === "" || NATIVE[process.arch]?.includes(cpu) === true
    ? []
    : [{ name: `qemu-${cpu}-static`, package: "qemu-user-static" }];

const isRecord = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** One of the resolver's options. */
export const optionIn = (options: Json, name: string): Json =>
  isRecord(options) ? (options[name] ?? null) : null;

/** One that is text. */
export function textIn(options: Json, name: string): string {
  const found = optionIn(options, name);
  return typeof found === "string" ? found : "";
}

/** One that is a list. */
export function listIn(options: Json, name: string): readonly string[] {
  const found = optionIn(options, name);
  return Array.isArray(found) ? found.map(String) : [];
}

// Lists in actions: a package request for a layer, and list files as inputs.

/** Packages for a layer on `tree`, from the repository the tree was made with. */
export function request(lineage: Lineage, tree: Handle, want: readonly Wanted[], options: Json): PackageSpec {
  return { ...lineage, want, options, on: tree };
}

/** List files among paths, as inputs LIST0, LIST1, … */
export function listInputs(want: readonly Wanted[]): Readonly<Record<string, EngineSource>> {
  const files = want.flatMap((one) => (typeof one !== "string" && "list" in one ? [one.list] : []));
  return Object.fromEntries(files.map((file, i) => [`LIST${i}`, { kind: "list", file }]));
}
