// The words of the engine as plain data: sources, actions, targets, the graph. Everything here survives JSON
// unchanged.

/** What can be hashed, compared, printed and sent to another machine. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** `rootfs-x86_64`; an unexported one is `<first export that reaches it>/<input name>`. */
export type TargetId = string;

/** Files by pattern. */
export interface FilesSource {
  readonly kind: "files";
  readonly patterns: readonly string[];
  readonly from?: string;
  /** Directory of the stage that stands for `from`, so that where it lies is in no key. */
  readonly stage?: string;
  /** What helps when a plain name is not there. */
  readonly hint?: string;
  /** A pattern may match nothing. */
  readonly optional?: true;
  /**
   * Symlinks are staged as they are. `contents`: what counts is what the files hold, so each has to lead to a file of
   * the project. `watched`: what reads the files sees this machine's too, so none may lead out of the project to
   * something that is here. Else, as with `anywhere`, nothing reads through them.
   */
  readonly links?: "contents" | "watched" | "anywhere";
  /**
   * They go into a tree, or the image of a medium: empty directories come along, and what does not is said. `base` is
   * the directory of the stage whose contents go in, into the directory `to`; whose mode is said elsewhere is in
   * `modes`, by its path in the stage, or is what one of the regular expressions of `matching` matches, by its path in the
   * tree. `keep`: modes come along, in a file of their own in the stage (`in/NAME/modes`).
   */
  readonly tree?: {
    readonly kind: "tree" | "image";
    readonly base: string;
    readonly to: string;
    readonly modes: readonly string[];
    readonly matching?: readonly string[];
    readonly keep?: true;
  };
}

/** An input from outside the graph. Paths are relative to the Imagefile's directory, or absolute. */
export type Source =
  | FilesSource
  | { readonly kind: "list"; readonly file: string }
  /** What a rule wrote itself, a template filled for example. `file` is its name in the stage. */
  | { readonly kind: "text"; readonly file: string; readonly text: string }
  /** `value` is for where it is not set; without one, that is a mistake. */
  | { readonly kind: "env"; readonly name: string; readonly value?: string | null }
  | {
      readonly kind: "probe";
      readonly argv: readonly string[];
      /** What it finds out, for messages; the command itself unless said. */
      readonly what?: string;
      /**
       * All that it reads: it runs in a directory with copies of these files and nothing else, in an environment of its
       * own, so what it said holds until one of them changes. Without, it is asked in every run.
       */
      readonly reads?: FilesSource;
    };

/** One named input of an action; `$NAME` in its command. */
export type Input = { readonly name: string } & (
  | { readonly kind: "source"; readonly source: Source }
  | { readonly kind: "artifact"; readonly target: TargetId }
);

/**
 * What an action runs. A recipe is a program of ours whose whole text is part of the action: `.sh` is run
 * by bash as text is (engine/shell.ts), `.mjs` by the running node. `beside` are files that lie in its directory while it
 * runs, by name.
 */
export type Command =
  | { readonly kind: "shell"; readonly text: string }
  | { readonly kind: "argv"; readonly argv: readonly string[] }
  | {
      readonly kind: "recipe";
      readonly name: string;
      readonly text: string;
      readonly beside?: Readonly<Record<string, string>>;
    };

/** The variable that a word of an array command stands for, `$NAME` or `$NAME/…`. */
export const variableIn = (word: string): string | undefined =>
  /^\$([A-Z][A-Z0-9_]*)(?:\/.*)?$/s.exec(word)?.[1];

/**
 * One output. `pattern` is the file name with `{date}`; null for trees and verdicts. A tree with `base`
 * is a layer over the tree that the input of that name holds.
 */
export type Output =
  | { readonly name: string; readonly kind: "file"; readonly pattern: string }
  | { readonly name: string; readonly kind: "tree"; readonly base: string | null }
  | { readonly name: string; readonly kind: "verdict" };

/** Conditions an output must meet before it is published. Sizes in bytes, paths relative to a tree's root. */
export interface Guards {
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Bytes the file begins with, in hexadecimal. */
  readonly magic?: string;
  readonly has?: readonly string[];
  readonly hasNot?: readonly string[];
  /** Symlink path → what it must point to. */
  readonly links?: Readonly<Record<string, string>>;
  /** What cannot be kept is an error, where it is a warning otherwise. */
  readonly lossless?: boolean;
}

/** What a tree has beside names, bytes, times and modes that everybody may see, and a format perhaps not. */
export type Trait =
  "acl" | "capability" | "attribute" | "link" | "hardlink" | "node" | "owner" | "mode" | "large" | "old";

/** That an input's tree goes into an output whose format cannot hold all that a tree can have. */
export interface Holding {
  /** The input; one that holds a file is no matter. */
  readonly input: string;
  /** The directory of the tree that goes in; empty for the whole. */
  readonly beneath: string;
  /** Patterns of paths that do not. */
  readonly without: readonly string[];
  /** As messages call it. */
  readonly format: string;
  readonly lacks: readonly Trait[];
}

/** A program the action calls, and the Debian package that has it. Its version is in the key. */
export interface Tool {
  readonly name: string;
  readonly package: string;
  /** Where its sources are, when Debian has no such package. */
  readonly sources?: string;
}

/** One entry of what is wanted: a package name, a list file with names, or a command that prints names. */
export type Wanted =
  string | { readonly list: string } | { readonly probe: Extract<Source, { readonly kind: "probe" }> };

/** A package list to resolve in the release's snapshot, before anything is built. */
export interface PackageRequest {
  readonly driver: string;
  /** The driver's own description of the repository. */
  readonly repo: Json;
  readonly arch: string;
  readonly want: readonly Wanted[];
  /** The driver's own options (variant, recommends). */
  readonly options: Json;
  /** What counts beside the repository's snapshot; absent for nothing. */
  readonly beside?: Beside;
  /** The target whose tree lies beneath, with the packages it already holds; null for an empty tree. */
  readonly on: TargetId | null;
}

/** What decides which packages a list means and is in no repository: a snapshot stays when it changes. */
export interface Beside {
  /** The driver's own words. */
  readonly options: Json;
  /** Package files, as patterns below the Imagefile's directory. */
  readonly files: readonly string[];
}

/** Shares of the machine while the action runs. `cpu` in cores, `memory` in bytes. */
export interface Resources {
  readonly cpu: number;
  readonly memory: number;
  /** Named resources of which the machine has one: `loop`, `kvm`, `network`, `terminal`. */
  readonly named: readonly string[];
}

/** The complete description of a piece of work, as plain data. */
export interface Action {
  /** Id of its first target. */
  readonly id: TargetId;
  readonly rule: string;
  readonly command: Command;
  /** Declared environment; `{date}` in a value is filled in, and then the date is in the key. */
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: readonly Input[];
  readonly outputs: readonly Output[];
  /** Name of the input whose tree is the action's root directory; null for the host's. */
  readonly within: string | null;
  readonly packages: PackageRequest | null;
  readonly tools: readonly Tool[];
  /** The action sees $DATECODE. */
  readonly date: boolean;
  /** Take exactly one file of the working directory that matches this pattern with any eight digits. */
  readonly collect: string | null;
  readonly network: boolean;
  readonly interactive: boolean;
  /** Needs to be root, in a user namespace where that is enough. */
  readonly root: boolean;
  /** Must not be run where the processor is emulated. */
  readonly native: boolean;
  /** Seconds; null for no limit. */
  readonly timeout: number | null;
  readonly guards: Guards;
  /** Formats of the outputs that lack something; a warning, or with `guards.lossless` an error. */
  readonly holds: readonly Holding[];
  readonly resources: Resources;
  /** Target architecture, where there is one. */
  readonly arch: string | null;
  /** Where the Imagefile made it, `file:line`; never hashed. */
  readonly at: string;
}

/** One thing to build: an output of an action, under a name. */
export interface Target {
  readonly id: TargetId;
  /** Id of the action that makes it. */
  readonly action: TargetId;
  /** Which of the action's outputs. */
  readonly output: string;
  readonly kind: Output["kind"];
  readonly pattern: string | null;
  /** Reached by an export: can be named on the command line and is listed. */
  readonly exported: boolean;
  /** A file that is linked into the output directory, since it is exported or the Imagefile gives it a name. */
  readonly linked: boolean;
}

/** `<name>-all` on the command line. Members are target ids, in declared order, narrowed by VAR=. */
export interface Group {
  readonly name: string;
  readonly members: readonly TargetId[];
}

/** What signs a release, and with which keys. `{date}` in texts becomes the release's. */
export interface SignSettings {
  /** signify and minisign have a key pair of each release's own; gpg and a program have theirs. */
  readonly tool: "signify" | "minisign" | "gpg" | "program";
  /** The key directory. */
  readonly keys: string;
  /** Name of the key's files, without `.pub` and `.sec`. */
  readonly name: string;
  /** Name of the file that keeps a passphrase. */
  readonly passphrase: string;
  /** What the key says of itself, and minisign's signatures say, verified with them. */
  readonly comment: string;
  /** gpg's key, and the directory that it is in; null for the caller's. */
  readonly key: string | null;
  readonly home: string | null;
  /** A program that signs, and the file with the public key that verifies it. */
  readonly program: string | null;
  readonly publicKey: string | null;
}

/** What `project(…)` says. */
export interface ProjectSettings {
  /** Targets of a bare `imagemake`. */
  readonly default: readonly TargetId[];
  /** Seconds since 1970 for actions that nothing else dates; null for the constant. */
  readonly epoch: number | null;
  /** Packages that do not work where the machine's processor is emulated. */
  readonly nativeOnly: readonly string[];
  readonly release: {
    readonly of: readonly TargetId[];
    readonly gate: readonly TargetId[];
    readonly steps: readonly string[];
    /** Directory that releases are collected into, relative to the Imagefile's; null for that itself. */
    readonly into: string | null;
    readonly sums: { readonly file: string; readonly form: "bsd" | "gnu" };
    readonly sign: SignSettings;
  };
}

/** The graph of one Imagefile: actions in an order in which each comes after what it reads. */
export interface Graph {
  readonly actions: readonly Action[];
  readonly targets: readonly Target[];
  readonly groups: readonly Group[];
  readonly project: ProjectSettings;
  /** VAR= names the Imagefile asked for, with their values. */
  readonly args: Readonly<Record<string, { readonly value: string; readonly of: readonly string[] | null }>>;
}

/** The epoch of actions that nothing dates: 2020-01-01T00:00:00Z, in seconds. */
export const DEFAULT_EPOCH = 1_577_836_800;
