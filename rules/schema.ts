// The parts of options that several rules share: file names, sizes, guards, packages, inputs. Each says its type in
// words.
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { isHandle, inside, isSource, sourceOf, type Handle, type SourceHandle } from "../engine/declare.js";
import type { Guards, Output, Source as AnySource, Wanted } from "../engine/model.js";
import { option, typed } from "./options.js";
import type { AnyTree, FileTarget, Input, ListSource, Packages, Size, Source } from "./types.js";

/** A schema with what the compiler takes for it in an Imagefile, where that is not what the schema lets in. */
export const takes =
  <In>() =>
  <T extends z.ZodType>(schema: T): z.ZodType<z.output<T>, In> =>
    schema as unknown as z.ZodType<z.output<T>, In>;

/** An array, which an Imagefile may have read-only. */
export const arrayOf = <T extends z.ZodType>(
  one: T,
  min = 0,
): z.ZodType<readonly z.output<T>[], readonly z.input<T>[]> =>
  min === 0 ? z.array(one) : z.array(one).min(min);

/** A handle of one of these kinds. A packed tree counts as a tree too. */
function handle<In>(kinds: readonly Output["kind"][], type: string): z.ZodType<Handle, In> {
  const fits = (value: unknown): boolean =>
    isHandle(value) &&
    (kinds.includes(inside(value).kind) || (kinds.includes("tree") && value.tree !== undefined));
  return takes<In>()(typed(z.custom<Handle>(fits), type));
}

export const treeLike = handle<AnyTree>(
  ["tree"],
  "a tree (what rootfs, platformfs or run with tree: true return)",
);
export const fileTarget = handle<FileTarget>(["file"], "a file target");
/** `files(…)`. */
export const filesSource = takes<Source>()(
  z.custom<SourceHandle>((v) => isSource(v) && sourceOf(v).kind === "files"),
);

/** The patterns of `files(…)`, relative to the Imagefile or absolute. */
export function patternsOf(handle: SourceHandle): readonly string[] {
  const source = sourceOf(handle);
  if (source.kind !== "files") return [];
  return source.patterns.map((one) => (isAbsolute(one) ? one : join(source.from ?? "", one)));
}

/** Where a repository is: an address of one of these schemes, or a directory, which is relative to the Imagefile. */
export const placeOf = (...schemes: readonly string[]) =>
  z.string().regex(new RegExp(`^(?:(?:${schemes.join("|")})://\\S+|/\\S*|[^\\s:/][^\\s:]*)$`));

const artifact = handle<Input>(["file", "tree"], "a file or tree target");
const anySource = z.custom<SourceHandle>(isSource);
/** A list file, or for presets a command that prints names. */
const isList = (value: unknown): value is SourceHandle =>
  isSource(value) && (sourceOf(value).kind === "list" || isAsked(sourceOf(value)));
const isAsked = (from: AnySource): from is Extract<AnySource, { readonly kind: "probe" }> =>
  from.kind === "probe" && from.reads !== undefined;
const listSource = takes<ListSource>()(z.custom<SourceHandle>(isList));

/** A tree, or the tree inside a packed one. */
export const asTreeHandle = (given: Handle): Handle => given.tree ?? given;

/** Names of variables: capitals, as $NAME in a command. */
const VARIABLE = /^[A-Z][A-Z0-9_]*$/;
/** Variables that are the engine's own. */
export const REFUSED = ["OUT", "PATH", "HOME", "DATECODE"];

const variable = takes<Uppercase<string>>()(
  z.string().superRefine((name, context) => {
    if (!VARIABLE.test(name)) {
      context.addIssue(`a name is capitals, digits and _, because the command reads it as a variable`);
    } else if (REFUSED.includes(name)) {
      context.addIssue(`${REFUSED.join(", ")} are the engine's own variables; take another name`);
    }
  }),
);

/** A record whose keys become variables. */
export const variables = <T extends z.ZodType>(value: T): z.ZodRecord<typeof variable, T> =>
  z.record(variable, value);

export const anyInput = takes<Input>()(
  typed(z.union([artifact, anySource]), "a target, or files(), list(), env(), probe()"),
);

/** What a file system takes for a name, less the ending under which a file is written (cache/io.ts). In bytes. */
const LONGEST_NAME = 255 - ".4194304-99-999999.tmp".length;
/** As long as a datecode gets. */
const DATE = "20261121.99";

/** A command: text for a shell, or words; not one of nothing. */
export const commandText = z.union([
  z.string().regex(/\S/),
  arrayOf(z.string()).refine(([program = ""]) => /\S/.test(program)),
]);

/** `void-{date}.tar.xz`: a file name, no directory; `{date}` is the only thing in braces. */
export const filePattern = z.string().superRefine((name, context) => {
  if (name === "" || name === "." || name === "..") context.addIssue("a file needs a name");
  else if (/[/\0\n]/.test(name)) context.addIssue(`a file name, without directories; found "${name}"`);
  const length = Buffer.byteLength(name.replaceAll("{date}", DATE));
  if (length > LONGEST_NAME)
    context.addIssue(
      `a file name of at most ${LONGEST_NAME} bytes with its date (255, less an ending while it is written); found ${length}`,
    );
  if (name.includes("${date}")) context.addIssue("write {date}, without $");
  for (const brace of name.match(/\{[^}]*\}?|\}/g) ?? []) {
    if (brace !== "{date}") context.addIssue(`only {date} is filled in; found ${brace}`);
  }
});
export const out = option(filePattern, "a file name", "Name of the file; `{date}` becomes the datecode.");

const UNITS: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const SIZE = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/;

/** Bytes. */
export const size = takes<Size>()(
  typed(
    z.union([
      z.number().int().min(0),
      z
        .string()
        .regex(SIZE)
        .transform((text) => {
          const [, number, unit] = SIZE.exec(text) ?? [];
          return Math.round(Number(number) * (UNITS[unit ?? ""] ?? 1));
        }),
    ]),
    `a number of bytes or a size such as "1MiB"`,
  ),
);

const within = typed(
  z.string().refine((path) => path !== "" && !path.startsWith("/") && !path.split("/").includes("..")),
  "a path relative to the tree's root",
);
const paths = arrayOf(within);

export const guards = option(
  z
    .strictObject({
      minSize: option(
        size,
        `bytes or a size such as "1MiB"`,
        "Smallest size in bytes, or such as `1MiB`.",
      ).optional(),
      maxSize: option(size, `bytes or a size such as "1MiB"`, "Largest size.").optional(),
      magic: option(
        z.string().regex(/^(?:[0-9a-fA-F]{2})+$/),
        "hexadecimal digits in pairs",
        "Bytes the file begins with, in hexadecimal.",
      ).optional(),
      has: option(paths, "paths", "Paths the tree must have.").optional(),
      hasNot: option(paths, "paths", "Paths the tree must not have.").optional(),
      links: option(
        z.record(within, z.string().min(1)),
        "{ path: target }",
        "Symbolic links and what each must point to.",
      ).optional(),
      lossless: option(
        z.boolean(),
        "true or false",
        "Whether it is an error that the output cannot hold all of what goes into it: what a format lacks (see the table), " +
          "sockets in a tree, extended attributes of a file. It is a warning unless said.",
      ).optional(),
    })
    .optional(),
  "{ minSize, maxSize, magic, has, hasNot, links, lossless }",
  "Conditions the output must meet before it is published.",
);

/** Guards without the keys that were not given. */
export function guardsOf(given: z.output<typeof guards>, defaults: Guards = {}): Guards {
  const set = Object.entries({ ...defaults, ...given }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set);
}

/** Of guards what holds for every action on the way to the output, too. */
export const losslessOf = ({ lossless }: { readonly lossless?: boolean | undefined } = {}): Guards =>
  lossless === undefined ? {} : { lossless };

export const timeout = option(
  z.number().positive().optional(),
  "a number of seconds",
  "Seconds after which the action is stopped and has failed.",
);

const native = option(
  z.boolean().optional(),
  "true or false",
  "Whether nothing of it may be run under emulation: on a machine of another architecture it is refused before the " +
    "build starts.",
);

/** What every typed rule takes. */
export const common = { native, timeout, guards };

/** What of that bounds each action of a rule. */
export interface Limits {
  readonly timeout?: number;
  readonly native?: boolean;
}

/** Limits without those that were not given. */
export const limits = (o: {
  readonly timeout?: number | undefined;
  readonly native?: boolean | undefined;
}): Limits => ({
  ...(o.timeout === undefined ? {} : { timeout: o.timeout }),
  ...(o.native === true ? { native: true } : {}),
});

const packageList = listSource.transform((given): Wanted => {
  const from = sourceOf(given);
  return isAsked(from) ? { probe: from } : { list: from.kind === "list" ? from.file : "" };
});

/** Names in an array, list files among them, or one list file; as the engine wants it. */
function wanted(one: z.ZodType<Wanted>, word: string, words: string) {
  return takes<Packages>()(
    typed(
      z.union([
        packageList.transform((single): readonly Wanted[] => [single]),
        arrayOf(typed(z.union([one, packageList]), `${word} or list()`)),
      ]),
      `${words} in an array, or list("file")`,
    ),
  );
}

/** A package list. */
export const packageNames = wanted(z.string().regex(/^[^\s-]\S*$/), "a package name", "package names");
/** Paths in a tree, one a line. */
export const pathNames = wanted(z.string().regex(/^[^\n]*[^\n/][^\n]*$/), "a path", "paths");

export const environment = option(
  z
    .record(
      z.string().superRefine((name, context) => {
        if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) context.addIssue("not a name for a variable");
        if (name === "OUT" || name === "DATECODE") context.addIssue(`${name} is the engine's own variable`);
      }),
      z.string(),
    )
    .optional(),
  "{ NAME: text }",
  "Environment of the command; everything else is fixed. `{date}` in a value becomes the datecode.",
);

/** A relative path inside the image; a leading slash is forgiven. */
export const imagePath = typed(
  z
    .string()
    .refine((path) => /[^/]/.test(path) && !path.split("/").includes("..") && !path.includes("\0"))
    .transform((path) => path.replace(/^\/+|\/+$/g, "")),
  "a path inside the tree",
);
