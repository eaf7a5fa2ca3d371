// What `imagemake diff` found, as data and for people: images that differ alike are told of once.
import { grouped } from "../../cache/grouped.js";
import type {
  ChangedFile,
  ChangedList,
  ChangedPackage,
  ChangedValue,
  FileState,
  ManifestChanges,
} from "../../engine/contents/compare.js";
import type { TargetId } from "../../engine/model.js";
import { counted, formatBytes } from "./numbers.js";

/** The form of what --json prints. */
export const DIFF_FORM = 1;

/** An artifact, in what is printed. */
export interface Shown {
  readonly artifact: string;
  /** Bytes. */
  readonly size: number;
}

/** A changed file, with the lines that differ where it is text that is here on both sides. */
export type ShownFile = ChangedFile & { readonly diff: string | null };

/** A tree whose entries differ; `files` is null where they were not compared, or are no longer known. */
export interface TreeDifference {
  /** The action that made it. */
  readonly tree: TargetId;
  readonly files: readonly ShownFile[] | null;
  readonly times: number;
}

/** An image that came, went, or differs; `changes` is null where of one side nothing is known but its digest. */
export interface ImageDifference {
  readonly target: TargetId;
  readonly before: Shown | null;
  readonly after: Shown | null;
  readonly changes: ManifestChanges | null;
  readonly trees: readonly TreeDifference[];
  /** Of a file that no tree went into: the lines that differ, where it is text. */
  readonly diff: string | null;
}

/** What --json prints. */
export interface Difference {
  readonly imagemakeDiff: typeof DIFF_FORM;
  readonly a: string;
  readonly b: string;
  readonly same: boolean;
  /** Whether files were compared: always between two images, between many with --files. */
  readonly files: boolean;
  readonly images: readonly ImageDifference[];
}

/** So many files of a tree are named, unless all are wanted. */
const FEW = 50;

/** All of it, as lines. */
export function differenceText({ a, b, images, same, files }: Difference, all: boolean): string {
  if (same) return "";
  const groups = grouped(images, (image) =>
    JSON.stringify([image.before === null, image.after === null, bodyOf(image, all)]),
  );
  const lines = [`a: ${a}`, `b: ${b}`];
  for (const alike of groups.values()) {
    lines.push("");
    for (const image of alike) lines.push(headOf(image));
    const [first] = alike;
    if (first !== undefined) lines.push(...bodyOf(first, all).map((line) => `  ${line}`));
  }
  const hidden = images.some(({ trees }) => trees.length > 0) && !files;
  if (hidden)
    lines.push("", "files were not compared: --files compares them, as does naming one target on each side");
  return `${lines.join("\n")}\n`;
}

function headOf({ target, before, after }: ImageDifference): string {
  if (before === null) return `+ ${target} (${formatBytes(after?.size ?? 0)})`;
  if (after === null) return `- ${target} (${formatBytes(before.size)})`;
  const short = (id: string): string => id.slice(0, 14);
  const ids = `${short(before.artifact)} → ${short(after.artifact)}`;
  return `${target}: ${ids}, ${sizes(before.size, after.size)}`;
}

const sizes = (before: number, after: number): string =>
  before === after
    ? formatBytes(after)
    : `${formatBytes(before)} → ${formatBytes(after)} (${signed(after - before)})`;

const signed = (bytes: number): string => `${bytes < 0 ? "-" : "+"}${formatBytes(Math.abs(bytes))}`;

function bodyOf({ before, after, changes, trees, diff }: ImageDifference, all: boolean): string[] {
  if (before === null || after === null) return [];
  const sections: (readonly [head: string, lines: readonly string[]])[] = [];
  if (changes !== null) {
    const { packages, os, kernels, services, users, groups, sources, tools } = changes;
    sections.push(
      [`packages${moreOf(packages)}`, packages.map(packageLine)],
      ["system", os.map(valueLine)],
      ["kernels", listLines(kernels)],
      ["services", listLines(services)],
      ["users", listLines(users)],
      ["groups", listLines(groups)],
      ["files of the project", sources.map(sourceLine)],
      ["tools", tools.map(valueLine)],
    );
  }
  for (const tree of trees)
    if (tree.files !== null) sections.push([`files in ${tree.tree}`, fileLines(tree, tree.files, all)]);
  if (diff !== null) sections.push(["content", patchLines(diff)]);
  const said = sections.filter(([, lines]) => lines.length > 0);
  if (said.length === 0) return [trees.length > 0 ? FILES_ONLY : BYTES_ONLY];
  return said.flatMap(([head, lines]) => [head, ...lines.map((line) => `  ${line}`)]);
}

const FILES_ONLY = "the manifests differ in files alone, which were not compared or are no longer known";
const BYTES_ONLY = "nothing but the bytes differs that the manifests tell of";

function moreOf(packages: readonly ChangedPackage[]): string {
  const bytes = packages.reduce(
    (sum, { before, after }) => sum + (after?.size ?? 0) - (before?.size ?? 0),
    0,
  );
  return bytes === 0 ? "" : ` (${signed(bytes)})`;
}

function packageLine({ name, before, after }: ChangedPackage): string {
  if (before === null) return `+ ${name} ${after?.version ?? ""} (${formatBytes(after?.size ?? 0)})`;
  if (after === null) return `- ${name} ${before.version} (${formatBytes(before.size)})`;
  if (before.version === after.version) return `~ ${name} ${after.version}, another file of the same version`;
  return `~ ${name} ${before.version} → ${after.version} (${sizes(before.size, after.size)})`;
}

const valueLine = ({ name, before, after }: ChangedValue): string =>
  before === null
    ? `+ ${name} ${after ?? ""}`
    : after === null
      ? `- ${name} ${before}`
      : `~ ${name} ${before} → ${after}`;

/** Digests say nothing to people. */
const sourceLine = ({ name, before, after }: ChangedValue): string =>
  `${before === null ? "+" : after === null ? "-" : "~"} ${name}`;

const listLines = ({ removed, added }: ChangedList): string[] => [
  ...removed.map((one) => `- ${one}`),
  ...added.map((one) => `+ ${one}`),
];

function fileLines({ times }: TreeDifference, files: readonly ShownFile[], all: boolean): string[] {
  const shown = all ? files : files.slice(0, FEW);
  const lines = shown.flatMap(fileLine);
  if (shown.length < files.length)
    lines.push(`and ${counted(files.length - shown.length, "more file")}: --verbose names them all`);
  if (times > 0)
    lines.push(`${counted(times, "entry").replace(/entrys$/, "entries")} whose time alone differs`);
  return lines;
}

function fileLine({ path, what, before, after, diff }: ShownFile): string[] {
  if (before === null) return [`+ ${path}${kindOf(after)}`];
  if (after === null) return [`- ${path}${kindOf(before)}`];
  const words = what.map((aspect) => {
    switch (aspect) {
      case "kind":
        return `${before.kind} → ${after.kind}`;
      case "mode":
        return `mode ${before.mode} → ${after.mode}`;
      case "owner":
        return `owner ${before.owner} → ${after.owner}`;
      case "link":
        return `link ${before.link ?? ""} → ${after.link ?? ""}`;
      case "content":
        return diff === null ? `content ${sizes(before.size ?? 0, after.size ?? 0)}` : "content";
      case "capability":
      case "attributes":
      case "hard links":
      case "device":
        return aspect;
    }
  });
  return [`~ ${path} (${words.join(", ")})`, ...(diff === null ? [] : patchLines(diff))];
}

/** Without the names of files, which stand above. */
const patchLines = (diff: string): string[] =>
  diff
    .replace(/\n$/, "")
    .split("\n")
    .filter((line) => !/^(?:---|\+\+\+) [ab]\//.test(line))
    .map((line) => `  ${line}`);

const kindOf = (state: FileState | null): string =>
  state === null || state.kind === "file"
    ? ""
    : ` (${state.kind === "symlink" ? `link to ${state.link ?? ""}` : state.kind})`;
