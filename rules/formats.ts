// What the formats that trees are written in do not hold: warnings, the guard `lossless` and a table of the
// documentation follow from it.
import type { Holding, Trait } from "../engine/model.js";

/** Whether a format, as the recipes here write it, holds what a tree can have; `lacks` is what it does not. */
interface Format {
  /** For messages and documents. */
  readonly called: string;
  readonly lacks: readonly Trait[];
}

const ATTRIBUTES = ["acl", "capability", "attribute"] as const;

/** Times below a second are in none but tar, ext4 and btrfs; a tree's times are whole seconds after clamping. */
export const HOLDS = {
  tar: { called: "tar", lacks: [] },
  cpio: { called: "cpio", lacks: [...ATTRIBUTES, "large"] },
  squashfs: { called: "squashfs", lacks: ["acl"] },
  ext4: { called: "ext4", lacks: [] },
  btrfs: { called: "btrfs", lacks: [] },
  vfat: {
    called: "FAT",
    lacks: [...ATTRIBUTES, "link", "hardlink", "node", "owner", "mode", "large", "old"],
  },
  iso: { called: "ISO 9660 (Rock Ridge)", lacks: [...ATTRIBUTES, "owner", "mode"] },
} as const satisfies Readonly<Record<string, Format>>;

/** A format of that table. */
export type HoldingFormat = keyof typeof HOLDS;

/** What is to be said of the tree `input`, or what of it lies `beneath` a directory, in that format. */
export function holding(
  format: HoldingFormat,
  input: string,
  { beneath = "", without = [] }: Partial<Pick<Holding, "beneath" | "without">> = {},
): readonly Holding[] {
  const { called, lacks } = HOLDS[format];
  return lacks.length === 0 ? [] : [{ input, beneath, without, format: called, lacks }];
}
