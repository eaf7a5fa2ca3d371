// Every command: its words, options and help, declared once. What it does is in commands/, by the same name.
import { Exit } from "../engine/problem.js";
import { EVERYWHERE, GLOBAL, type Declarations, type Given, type GlobalName } from "./option.js";

/** A word of a command line. */
export interface Word {
  readonly name: string;
  /** What it names; completion offers that. */
  readonly what: "target" | "group" | "command" | "rule" | "step" | "shell" | "file" | "directory" | "word";
  readonly optional?: true;
  readonly many?: true;
}

/** A command. */
export interface CommandDeclaration {
  /** One line of the help. */
  readonly about: string;
  /** What follows the options in its help. */
  readonly more?: string;
  readonly words?: readonly Word[];
  /** VAR=value words: commands that evaluate the Imagefile, or that mean a release. */
  readonly sets?: true;
  /** Options of `GLOBAL` that it understands beside those of `EVERYWHERE`: the others are refused. */
  readonly takes?: readonly GlobalName[];
  /** Options of its own. */
  readonly options?: Declarations;
  /** Not in the help. */
  readonly hidden?: true;
}

const targets = { name: "targets", what: "target", optional: true, many: true } as const;
const target = { name: "target", what: "target" } as const;
const directory = { name: "dir", what: "directory", optional: true } as const;
const because = { kind: "text", value: "<text>", about: "why; recorded" } as const;
const publicKey = {
  kind: "text",
  value: "<file>",
  names: "file",
  about: "the key that verifies it",
} as const;

/** Shells that can be told to complete words. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** Of commands that decide what would be built, and of those that change a release. */
const [LOOKS, LIFE] = [
  ["release", "json", "alwaysMake", "isolation"],
  ["release", "json"],
] as const satisfies readonly (readonly GlobalName[])[];

const BOOT_HELP = `
TARGET is an image (.iso, .img, a netboot tarball, …), or a boot check: then what the check says. The artifact is never
written to, and nothing is built: what is out of date is started as it is, and that is said.
On a terminal Ctrl-A X ends the guest, Ctrl-A C is QEMU's monitor, and Ctrl-C is the guest's.`;

const SHELL_HELP = `
Where the last build of TARGET failed and its stage was kept (--keep-failed), the shell starts there: the same files, mounts and
environment, and what the action had made by then. What is done there is undone by the next build of TARGET, and is part of no
output. Else TARGET is a tree: the shell's root directory, and what is written there is thrown away. Builds wait until it ends.`;

const DIFF_HELP = `
A and B are each a release (20261121), a target as it was built last or in a release (rootfs-20261121), a group, the digest of
an artifact or its first 12 digits, a file in out/, or the manifest of an image (releases/20261121.manifests/rootfs.json).
Packages, kernels, services, users, groups and the project's own files are compared by manifests; files, where one image stands
on each side or with --files, by what the trees hold, with a diff of texts where both are still in the store.
Exit status: 0 no difference, 1 differences, 2 a word that means nothing, 3 what is there cannot be read.`;

const EXPLAIN_HELP = `
NAME is a rule or a step (rule.disk, disk, step.users), an option of one (disk.boot, disk.guards.minSize), or an option by its
name alone, of all that have it. Without NAME: all there is. With --json as JSON schema.`;

const GC_HELP = `
What an open, collected, signed or current release needs stays, and what it was made from, whatever the options say. What is
removed is built again when it is wanted; -n says what that would be.`;

const COMPLETION_HELP = `
  bash: imagemake completion bash > /usr/share/bash-completion/completions/imagemake
  zsh:  imagemake completion zsh > /usr/share/zsh/site-functions/_imagemake
  fish: imagemake completion fish > ~/.config/fish/completions/imagemake.fish
Targets and variables are offered where imagemake was run before: an Imagefile that was never run is not evaluated by
a press of Tab.`;

/** Commands by the words that call them, in the order of the help. */
export const COMMANDS = {
  build: {
    about: "build targets; every word is a target",
    words: [targets],
    sets: true,
    takes: Object.keys(GLOBAL) as GlobalName[],
  },
  watch: {
    about: "build, and build again whenever an input changes",
    words: [targets],
    sets: true,
    takes: [
      ...["jobs", "keepGoing", "alwaysMake", "release", "events", "trace", "json", "cache", "isolation"],
      ...["remoteCache", "remoteUpload", "remote", "keepFailed"],
    ] as const,
    options: {
      boot: {
        kind: "text",
        value: "<target>",
        names: "target",
        about: "start this image in QEMU, and again whenever it was rebuilt",
      },
      poll: {
        kind: "number",
        value: "[seconds]",
        bare: 1,
        about: "look at all inputs that often, where the kernel cannot watch them",
      },
    },
  },
  why: { about: "why a target would be built, or was", words: [target], sets: true, takes: LOOKS },
  log: {
    about: "the output of a target's last build, also while it runs",
    words: [{ ...target, optional: true }],
    sets: true,
    takes: LOOKS,
    options: {
      follow: { kind: "flag", short: "f", about: "go on with what it prints until it ends" },
      failed: { kind: "flag", about: "of all targets whose last build failed" },
    },
  },
  shell: {
    about: "a shell where a target's action failed, or in the tree that a target is",
    more: SHELL_HELP,
    words: [target],
    sets: true,
    takes: ["release", "isolation"],
    options: {
      command: { kind: "text", short: "c", value: "<text>", about: "run this instead, and end as it ends" },
      fresh: {
        kind: "flag",
        about: "stage the action anew, whether it failed or not; its command is not run",
      },
      tree: { kind: "flag", about: "in the tree as it was built last, though a later build failed" },
      network: { kind: "flag", about: "with the host's network" },
    },
  },
  list: {
    about: "targets with their output names",
    words: [{ name: "groups", what: "group", optional: true, many: true }],
    sets: true,
    takes: ["release", "json"],
  },
  show: {
    about: "a target's action, inputs, packages and last build",
    words: [target],
    sets: true,
    takes: LOOKS,
    options: {
      manifest: { kind: "flag", about: "what went into it as it was built last, as JSON: its manifest" },
    },
  },
  diff: {
    about: "what differs between two releases, targets, digests or files",
    more: DIFF_HELP,
    words: [
      { name: "a", what: "target" },
      { name: "b", what: "target" },
    ],
    takes: ["json"],
    options: {
      files: { kind: "flag", about: "compare the files of all images, also between releases of many" },
    },
  },
  graph: { about: "the graph, for graphviz", words: [targets], sets: true, takes: ["release", "json"] },
  boot: {
    about: "start an image in QEMU, as it was built last; -n prints QEMU's command line",
    more: BOOT_HELP,
    words: [target],
    sets: true,
    takes: ["release", "alwaysMake", "isolation"],
    options: {
      memory: {
        kind: "text",
        value: "<size>",
        about: "such as 2GiB (default: what its check has, else 2GiB, more for a netboot)",
      },
      cpus: { kind: "number", value: "<n>", about: "processors (default: what its check has, else 2)" },
      firmware: {
        kind: "choice",
        value: "<which>",
        of: ["bios", "uefi"],
        about: "default: what its check has, else bios",
      },
      as: {
        kind: "choice",
        value: "<medium>",
        of: ["cd", "usb", "disk", "pxe"],
        about: "default: what fits the target",
      },
      accel: {
        kind: "choice",
        value: "<which>",
        of: ["kvm", "tcg"],
        about: "default: kvm where a guest really starts under it",
      },
      net: {
        kind: "either",
        about: "a network card, with the way out that the host has (the default, but for a check)",
        off: "no network card",
      },
      serial: { kind: "flag", about: "the serial console on the terminal (the default without --graphics)" },
      graphics: { kind: "flag", about: "a screen in a window" },
      serialSocket: {
        kind: "text",
        value: "<path>",
        names: "file",
        about: "the serial console on a socket",
      },
      monitorSocket: {
        kind: "text",
        value: "<path>",
        names: "file",
        about: "QEMU's monitor on a socket",
      },
      snapshot: { kind: "flag", about: "throw away what the guest writes (the default)" },
      keep: {
        kind: "text",
        value: "<file>",
        names: "file",
        about: "start a copy of the disk, made where it is not there, that keeps what the guest writes",
      },
    },
  },
  clean: { about: "remove stages, logs and the links of implicit releases", sets: true, takes: LIFE },
  doctor: {
    about: "what this machine lacks for the Imagefile",
    words: [targets],
    sets: true,
    takes: ["release", "json", "remoteCache", "remoteUpload", "remote"],
  },
  explain: {
    about: "what a rule, a step or an option of an Imagefile is",
    more: EXPLAIN_HELP,
    words: [{ name: "name", what: "rule", optional: true }],
    takes: ["json"],
  },
  config: {
    about: "which settings hold, and which file, variable or option says so",
    takes: ["jobs", "cache", "remoteCache", "remoteUpload", "json"],
  },
  init: { about: "write a first Imagefile and .gitignore here", takes: ["json"] },
  help: {
    about: "what there is, or what a command is for",
    words: [{ name: "command", what: "command", optional: true, many: true }],
  },
  completion: {
    about: "what a shell needs to complete command lines",
    more: COMPLETION_HELP,
    words: [{ name: "shell", what: "shell" }],
  },
  __complete: {
    about: "the words that may stand in the place of the last one",
    hidden: true,
    words: [{ name: "words", what: "word", optional: true, many: true }],
  },
  "release start": {
    about: "open an explicit release; its roster is these targets",
    words: [targets],
    sets: true,
    takes: LIFE,
  },
  "release status": { about: "where the release stands", sets: true, takes: LOOKS },
  "release refresh": {
    about: "take new snapshots; say what changes in packages",
    words: [targets],
    sets: true,
    takes: [...LIFE, "keepGoing"],
  },
  "release collect": {
    about: "its files and their checksums, in one directory",
    words: [directory],
    sets: true,
    takes: LOOKS,
  },
  "release reopen": { about: "take checksums and signature away again", sets: true, takes: LIFE },
  "release abandon": { about: "give it up", sets: true, takes: LIFE },
  "release drop": {
    about: "take a target off the roster",
    words: [target],
    sets: true,
    takes: LIFE,
    options: { because },
  },
  "release reject": {
    about: "a failing verdict on what was built",
    words: [target],
    sets: true,
    takes: LOOKS,
    options: { because, undo: { kind: "flag", about: "take it back" } },
  },
  "release sign": {
    about: "sign the checksums with the release's own key",
    sets: true,
    takes: LIFE,
    options: {
      passphraseFile: {
        kind: "text",
        value: "<file>",
        names: "file",
        about: "the passphrase is its first line",
      },
      askPassphrase: { kind: "flag", about: "type the passphrase at the terminal; it is kept nowhere" },
      newKey: { kind: "flag", about: "set the release's key aside and make another" },
      export: {
        kind: "text",
        value: "<file>",
        names: "file",
        about: "write what is to be signed elsewhere",
      },
      import: { kind: "text", value: "<file>", names: "file", about: "take a signature back" },
      publicKey,
      waive: { kind: "text", value: "<check>", names: "target", about: "let a check of the gate through" },
      because,
    },
  },
  "release verify": {
    about: "signature and checksums",
    words: [directory],
    sets: true,
    takes: LIFE,
    options: {
      publicKey,
      sums: { kind: "text", value: "<file>", names: "file", about: "name of the checksum file" },
    },
  },
  "release export": {
    about: "[TARGET…] DIR: artifacts for another machine, or with --pins where it starts",
    words: [{ name: "words", what: "directory", optional: true, many: true }],
    sets: true,
    takes: LIFE,
    options: {
      pins: { kind: "flag", about: "the release file alone: date, roster, snapshots, packages by name" },
      packages: { kind: "flag", about: "also the snapshots and the package files" },
    },
  },
  "release import": {
    about: "take over what other machines exported",
    words: [{ name: "dirs", what: "directory", many: true }],
    sets: true,
    takes: LIFE,
    options: {
      prefer: {
        kind: "text",
        value: "<dir>",
        names: "directory",
        about: "whose artifact it is where two differ",
      },
    },
  },
  "release adopt": {
    about: "a file from elsewhere for a target",
    words: [target, { name: "file", what: "file" }],
    sets: true,
    takes: LIFE,
    options: { because },
  },
  "release promote": { about: "verify it and make it the current one", sets: true, takes: LIFE },
  "release rollback": { about: "put back what was current before", sets: true, takes: LIFE },
  "release tick": {
    about: "a person's step is done",
    words: [{ name: "step", what: "step", many: true }],
    sets: true,
    takes: LIFE,
  },
  "cache stats": { about: "what the store holds", takes: ["json"] },
  "cache ls": { about: "artifacts, with sizes", takes: ["json"] },
  "cache gc": {
    about: "remove what no target's last build and no release needs",
    more: GC_HELP,
    takes: ["json"],
    options: {
      olderThan: {
        kind: "text",
        value: "<age>",
        about: "also last builds of targets that were made longer ago: 12h, 30d, 8w",
      },
      keepReleases: {
        kind: "number",
        value: "<n>",
        about: "of promoted and withdrawn releases only the newest keep what they need",
      },
      maxSize: {
        kind: "text",
        value: "<size>",
        about: "also last builds, those made first before others, until no more than that is left: 50G",
      },
    },
  },
  "cache verify": { about: "digest every artifact again", takes: ["json"] },
} as const satisfies Readonly<Record<string, CommandDeclaration>>;

/** What commands of two words have in common, by the first. */
export const FAMILIES: Readonly<Record<string, string>> = {
  release: "releases: datecode, snapshots, closures",
  cache: "the store and its index",
};

/** What the program is. */
export const ABOUT = "the make for operating-system images: builds what is out of date, and says why";

/** What words mean that call no command. */
export const WORDS = `VAR=value words set what the Imagefile asks for by arg("VAR", …); DATECODE=20261121 is --release 20261121.
<group>-all builds a group, <group>-all-print lists its output names, -C DIR and -f FILE find the Imagefile.`;

/** Exit statuses, of every command. */
export const EXITS: Readonly<Record<string, string>> = {
  [Exit.done]: "done",
  [Exit.failed]: "a target failed (-q: is out of date)",
  [Exit.usage]: "wrong usage or a broken Imagefile",
  [Exit.environment]: "the environment lacks something",
  [`${Exit.interrupted}/${Exit.terminated}`]: "interrupted",
};

/** The words that call a command. */
export type CommandName = keyof typeof COMMANDS;

/** The command of these words. */
export const declared = (name: CommandName): CommandDeclaration => COMMANDS[name];

type Taken<K extends CommandName> =
  | (typeof EVERYWHERE)[number]
  | ((typeof COMMANDS)[K] extends { readonly takes: readonly (infer N)[] } ? N : never);

type Own<K extends CommandName> = (typeof COMMANDS)[K] extends { readonly options: infer D } ? D : unknown;

/** What a command is given of its options: those of `GLOBAL` that it takes, and its own. */
export type OptionsOf<K extends CommandName> = Given<
  Pick<typeof GLOBAL, Extract<Taken<K>, GlobalName>> & Own<K>
>;
