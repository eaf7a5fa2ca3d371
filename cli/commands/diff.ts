// `imagemake diff A B`: what differs between two releases, targets, artifacts or manifests: packages and what else their
// manifests say, then files. Exit 0 where they are the same, 1 where they differ, as diff has it.
import { readPlain } from "../../cache/io.js";
import { manifestChanges, treeChanges, type ChangedFile } from "../../engine/contents/compare.js";
import { MOST_READ, type ReadFile } from "../../engine/contents/tree-facts.js";
import type { TargetId } from "../../engine/model.js";
import { Exit, unwrap } from "../../engine/problem.js";
import type { Call } from "../call.js";
import { output } from "../output.js";
import {
  DIFF_FORM,
  differenceText,
  type Difference,
  type ImageDifference,
  type Shown,
  type ShownFile,
  type TreeDifference,
} from "../render/difference.js";
import { Sides, type Side, type SideImage } from "../sides.js";
import { projectOfCall, warn } from "../state.js";

/** Compares, prints, and says by its status whether they differ. */
export async function command(call: Call<"diff">): Promise<number> {
  const sides = new Sides(projectOfCall(call), call);
  const [a, b] = [
    unwrap(await sides.side(call.names[0] ?? "")),
    unwrap(await sides.side(call.names[1] ?? "")),
  ];
  const pairs = pairsOf(a, b).filter(([before, after]) => before?.artifact !== after?.artifact);
  const files = call.options.files === true || pairs.length <= 1;
  const comparison = new Comparison(sides, a, b, files);
  const images: ImageDifference[] = [];
  for (const [before, after] of pairs) images.push(await comparison.image(before, after));
  const same = images.length === 0;
  const difference: Difference = { imagemakeDiff: DIFF_FORM, a: a.name, b: b.name, same, files, images };
  for (const { target, before, after, changes } of images)
    if (before !== null && after !== null && changes === null)
      warn(`nothing is known of what is in ${target} on one side, but that it is another`);
  if (call.options.json === true) output.write(`${JSON.stringify(difference, null, 2)}\n`);
  else output.write(differenceText(difference, call.options.verbose === true));
  return same ? Exit.done : Exit.failed;
}

type Pair = readonly [SideImage | null, SideImage | null];

/** By target; two single images are compared whatever they are called. */
function pairsOf(a: Side, b: Side): Pair[] {
  const [first, second] = [a.images[0], b.images[0]];
  if (a.images.length === 1 && b.images.length === 1 && first !== undefined && second !== undefined)
    return a.kind === "release" && b.kind === "release" && first.target !== second.target
      ? [
          [first, null],
          [null, second],
        ]
      : [[first, second]];
  const [before, after] = [byTarget(a), byTarget(b)];
  return [...new Set([...before.keys(), ...after.keys()])].map((target) => [
    before.get(target) ?? null,
    after.get(target) ?? null,
  ]);
}

const byTarget = ({ images }: Side): ReadonlyMap<TargetId, SideImage> =>
  new Map(images.map((image) => [image.target, image]));

/** Texts that are larger are not compared line by line, in bytes; nor those with more changed lines. */
const MOST_TEXT = 1 << 20;
const MOST_EDITS = 4000;

class Comparison {
  /** Trees of many images are the same. */
  readonly #trees = new Map<string, Promise<Omit<TreeDifference, "tree">>>();

  constructor(
    private readonly sides: Sides,
    private readonly a: Side,
    private readonly b: Side,
    private readonly files: boolean,
  ) {}

  async image(before: SideImage | null, after: SideImage | null): Promise<ImageDifference> {
    const target = after?.target ?? before?.target ?? "";
    const [old, now] = [before?.manifest ?? null, after?.manifest ?? null];
    const changes = old === null || now === null ? null : manifestChanges(old, now);
    const trees: TreeDifference[] = [];
    const alone = old?.trees.length === 1 && now?.trees.length === 1;
    for (const tree of old?.trees ?? []) {
      const other = alone ? now.trees[0] : now?.trees.find(({ by }) => by === tree.by);
      if (other === undefined || other.digest === tree.digest) continue;
      const known = `${tree.digest} ${other.digest}`;
      const found = this.#trees.get(known) ?? this.#tree(tree.digest, other.digest);
      this.#trees.set(known, found);
      trees.push({ tree: other.by, ...(await found) });
    }
    const isPlain = (old?.trees.length ?? 0) + (now?.trees.length ?? 0) === 0;
    const diff =
      isPlain && before !== null && after !== null ? await this.#plain(target, before, after) : null;
    return { target, before: asShown(before), after: asShown(after), changes, trees, diff };
  }

  async #tree(before: string, after: string): Promise<Omit<TreeDifference, "tree">> {
    const unknown = { files: null, times: 0 };
    if (!this.files) return unknown;
    const [old, now] = [this.sides.tree(this.a, before), this.sides.tree(this.b, after)];
    if (old === null || now === null) return unknown;
    const { files, times } = treeChanges(old, now);
    const [readOld, readNow] = [this.sides.reader(before, old), this.sides.reader(after, now)];
    const shown: ShownFile[] = [];
    for (const file of files) shown.push({ ...file, diff: await contentDiff(file, readOld, readNow) });
    return { files: shown, times };
  }

  async #plain(target: TargetId, before: SideImage, after: SideImage): Promise<string | null> {
    if (Math.max(before.size, after.size) > MOST_TEXT) return null;
    const [old, now] = [this.sides.file(before), this.sides.file(after)];
    return old === null || now === null ? null : await textDiff(target, readPlain(old), readPlain(now));
  }
}

const asShown = (image: SideImage | null): Shown | null =>
  image === null ? null : { artifact: image.artifact, size: image.size };

async function contentDiff(file: ChangedFile, before: ReadFile, after: ReadFile): Promise<string | null> {
  const { path, what } = file;
  const most = Math.max(file.before?.size ?? MOST_READ, file.after?.size ?? MOST_READ);
  if (!what.includes("content") || most > MOST_TEXT) return null;
  const bytes = Buffer.from(path).toString("latin1");
  return textDiff(path, before(bytes), after(bytes));
}

/** The lines that differ; null where one side is not here, or no text. */
async function textDiff(path: string, before: Buffer | null, after: Buffer | null): Promise<string | null> {
  const [old, now] = [textIn(before), textIn(after)];
  if (old === null || now === null) return null;
  const { createTwoFilesPatch } = await import("diff");
  const options = { context: 3, maxEditLength: MOST_EDITS };
  const patch = createTwoFilesPatch(`a/${path}`, `b/${path}`, old, now, undefined, undefined, options);
  return patch?.replace(/^=+\n/, "") ?? null;
}

/** The text of bytes that are UTF-8 without a NUL. */
function textIn(bytes: Buffer | null): string | null {
  if (bytes === null || bytes.includes(0)) return null;
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : null;
}
