// What an option is, as data; and the types that follow from it. Help, completion, the manual and what a command is given
// are read from the same declarations.

/** What a value names: a path of the caller's (sudo's limits follow from that, see limited.ts), a target. */
export type Names = "file" | "directory" | "target";

interface Told {
  /** One line of the help. */
  readonly about: string;
  /** The letter. */
  readonly short?: string;
}

/** `--flag`; an "off" is `--no-flag`, true where it is not given; an "either" is both, undefined where none is given. */
export type OptionDeclaration =
  | (Told & { readonly kind: "flag" })
  | (Told & { readonly kind: "off" })
  | (Told & { readonly kind: "either"; readonly off: string })
  | (Told & { readonly kind: "text"; readonly value: string; readonly names?: Names })
  /** From 1 up. `bare`: what it is without a number behind it. */
  | (Told & { readonly kind: "number"; readonly value: string; readonly bare?: number })
  | (Told & {
      readonly kind: "choice";
      readonly value: string;
      readonly of: readonly string[];
      readonly default?: string;
    });

/** Options by the name that they have in the code: `noWait` is written `--no-wait`. */
export type Declarations = Readonly<Record<string, OptionDeclaration>>;

type ValueOf<D extends OptionDeclaration> = D extends { readonly kind: "flag" | "off" | "either" }
  ? boolean
  : D extends { readonly kind: "choice"; readonly of: readonly (infer C)[] }
    ? C
    : D extends { readonly kind: "number" }
      ? number
      : string;

type Always = { readonly kind: "off" } | { readonly default: string };

/** What a command is given of these options. */
export type Given<D> = {
  readonly [K in keyof D as D[K] extends Always ? K : never]: D[K] extends OptionDeclaration
    ? ValueOf<D[K]>
    : never;
} & {
  readonly [K in keyof D as D[K] extends Always ? never : K]?: D[K] extends OptionDeclaration
    ? ValueOf<D[K]>
    : never;
};

/** As it is typed: `--no-wait`, `--public-key`. */
export const flagOf = (name: string, { kind }: OptionDeclaration): string =>
  `--${kind === "off" ? "no-" : ""}${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Actions at a time of a `-j` without number. */
export const ANY_NUMBER = 64;

/** Options that stand before or after any command's name. */
export const GLOBAL = {
  dryRun: { kind: "flag", short: "n", about: "say what would be done, and why; change nothing" },
  question: { kind: "flag", short: "q", about: "exit 1 if anything is out of date, 0 if not; silent" },
  jobs: {
    kind: "number",
    short: "j",
    value: "[n]",
    bare: ANY_NUMBER,
    about: "actions at a time (default: cores)",
  },
  keepGoing: { kind: "flag", short: "k", about: "build what does not depend on what failed" },
  alwaysMake: { kind: "flag", short: "B", about: "build what is wanted, whatever is known" },
  directory: {
    kind: "text",
    short: "C",
    value: "<dir>",
    names: "directory",
    about: "where the Imagefile is",
  },
  file: {
    kind: "text",
    short: "f",
    value: "<file>",
    names: "file",
    about: "the Imagefile (default: Imagefile.ts)",
  },
  quiet: { kind: "flag", short: "s", about: "say failures only" },
  verbose: { kind: "flag", short: "v", about: "say also what is up to date, and every reason in full" },
  release: { kind: "text", value: "<datecode>", about: "work in this release; a new one is opened" },
  progress: {
    kind: "choice",
    value: "<how>",
    of: ["auto", "tty", "plain", "json"],
    default: "auto",
    about: "how progress is shown",
  },
  events: {
    kind: "text",
    value: "<file>",
    names: "file",
    about: "write every event to a file, as JSON lines",
  },
  trace: {
    kind: "text",
    value: "<file>",
    names: "file",
    about: "write a trace for chrome://tracing or Perfetto",
  },
  json: { kind: "flag", about: "data as JSON on stdout" },
  expect: {
    kind: "text",
    value: "<file>",
    names: "file",
    about: "with -print: exit 1 where the list is not the file's",
  },
  cache: {
    kind: "text",
    value: "<url>",
    about: "share results with other machines: file:///srv/imagemake; with ,ro behind it only take them",
  },
  remoteCache: {
    kind: "text",
    value: "<url>",
    about:
      "take results from a Remote Execution cache: grpc://host:port, grpcs:// with TLS, /instance behind it",
  },
  remoteUpload: { kind: "flag", about: "also send there what is built here" },
  remote: {
    kind: "either",
    about: "doctor: look at the remote cache, too",
    off: "use no remote cache, whatever settings say",
  },
  isolation: {
    kind: "off",
    about: "run actions without namespaces; nothing that they make counts with isolation",
  },
  keepFailed: {
    kind: "choice",
    value: "<when>",
    of: ["auto", "always", "never"],
    default: "auto",
    about: "keep what failed as it was left, for imagemake shell (auto: on a terminal)",
  },
  shellOnFailure: { kind: "flag", about: "start a shell where an action failed" },
  wait: { kind: "off", about: "fail at once when another imagemake is running here" },
} as const satisfies Declarations;

/** Every option of `GLOBAL`. */
export type GlobalName = keyof typeof GLOBAL;

/** Those that say where, how much is told, or that nothing is to be changed: every command understands them. */
export const EVERYWHERE = [
  ...["directory", "file", "quiet", "verbose", "progress", "wait", "dryRun"],
] as const satisfies readonly GlobalName[];

/** What is given of some options of `GLOBAL`. */
export type GlobalOptions<N extends GlobalName = GlobalName> = Given<Pick<typeof GLOBAL, N>>;
