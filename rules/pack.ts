// Packing: a tree into one file, an action of its own that nothing but the user waits for.
import { z } from "zod";
import { declareOne, packed, wrongOption, type Handle } from "../engine/declare.js";
import type { Command, Guards, Tool } from "../engine/model.js";
import { holding } from "./formats.js";
import { option } from "./options.js";
import { recipe } from "./recipes.js";
import { out, takes } from "./schema.js";
import { asPacked, asTree, type AnyTree, type Built } from "./types.js";

interface Format {
  readonly tool: Tool | null;
  /** First bytes of such a file, in hexadecimal. */
  readonly magic: string | null;
}

const GZ: Format = { tool: { name: "pigz", package: "pigz" }, magic: "1f8b" };
const XZ: Format = { tool: { name: "xz", package: "xz-utils" }, magic: "fd377a585a00" };
const ZST: Format = { tool: { name: "zstd", package: "zstd" }, magic: "28b52ffd" };
const BZ2: Format = { tool: { name: "lbzip2", package: "lbzip2" }, magic: "425a68" };

const FORMATS = {
  tar: { tool: null, magic: null },
  "tar.gz": GZ,
  "tar.xz": XZ,
  "tar.zst": ZST,
  "cpio.gz": GZ,
  "cpio.bz2": BZ2,
  "cpio.xz": XZ,
  "cpio.zst": ZST,
} as const satisfies Readonly<Record<string, Format>>;
/** How a tree is packed. */
export type Packing = keyof typeof FORMATS;
const names = Object.keys(FORMATS) as Packing[];

/** How the tree is packed; the compiler takes those of `P`. */
export const packOption = <P extends Packing>() =>
  option(
    takes<P>()(z.enum(names)).optional(),
    names.join(", "),
    "How the tree is packed, where the suffix of `out` does not say it.",
  );

/** `out` and `pack`. */
export const packing = { out: out.optional(), pack: packOption<Packing>() };

/** The guards of a file, and those of the tree in it. */
export function splitGuards(guards: Guards): { readonly file: Guards; readonly tree: Guards } {
  const { minSize, maxSize, magic, ...tree } = guards;
  const file = Object.entries({ minSize, maxSize, magic, lossless: tree.lossless }).filter(
    ([, value]) => value !== undefined,
  );
  return { file: Object.fromEntries(file), tree };
}

/** The format that a file name says, or `pack`. */
export function formatOf(rule: string, pattern: string, pack: Packing | undefined): Packing {
  const format = pack ?? names.filter((name) => pattern.endsWith(`.${name}`)).at(-1);
  if (format === undefined) {
    wrongOption(rule, `out: expected a name that ends in .${names.join(", .")}, or pack; found "${pattern}"`);
  }
  return format;
}

/** Host programs that pack so. */
export function packTools(format: Packing): readonly Tool[] {
  const { tool }: Format = FORMATS[format];
  return [{ name: "getfattr", package: "attr" }, ...(tool === null ? [] : [tool])];
}

/** Which of the two archives a format has inside. */
const archiveOf = (format: Packing): "tar" | "cpio" => (format.startsWith("cpio.") ? "cpio" : "tar");

/** The program that writes archives, which recipes find beside them. */
export const ARCHIVER = [
  "archive.mjs",
  "archive-cpio.mjs",
  "archive-out.mjs",
  "archive-tar.mjs",
  "archive-tree.mjs",
  "access.mjs",
] as const;

/** A recipe that ends in packing a directory; `parts` come before. */
export const packRecipe = (name: string, parts: readonly string[] = []): Command =>
  recipe(name, [...parts, "tell.sh", "pack.sh"], ARCHIVER);

/** The file `pattern` that holds `tree`. */
function packTree(tree: Handle, pattern: string, format: Packing, guards: Guards): Handle {
  const { tool, magic }: Format = FORMATS[format];
  const file = declareOne({
    rule: "pack",
    command: packRecipe("pack.sh"),
    env: { FORMAT: format },
    inputs: { TREE: tree },
    outputs: [{ name: "OUT", kind: "file", pattern }],
    tools: packTools(format),
    root: true,
    holds: holding(archiveOf(format), "TREE"),
    guards: { minSize: 512, ...(magic === null ? {} : { magic }), ...guards },
    resources: { cpu: tool === null ? 1 : 2, memory: 1024 ** 3 },
  });
  return packed(file, tree);
}

/** The tree, or the file that holds it where there is `out`. */
export function treeOrFile<O extends string | undefined>(
  rule: string,
  tree: Handle,
  o: { readonly out?: string | undefined; readonly pack?: Packing | undefined },
  guards: Guards,
): Built<O> {
  // What is built follows `out`, which is what Built says.
  if (o.out === undefined) return asTree(tree) satisfies AnyTree as Built<O>;
  return asPacked(packTree(tree, o.out, formatOf(rule, o.out, o.pack), guards)) satisfies AnyTree as Built<O>;
}
