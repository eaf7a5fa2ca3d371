// What has to be reached, as data. It measures nothing and prints nothing.

import type { ImagesResult } from "./images.js";
import type { WatchResult } from "./watch.js";

/** A bar and what was measured against it. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  /** The largest value that passes. */
  readonly limit: number;
  readonly pass: boolean;
}

/** Median milliseconds by program, of runs with nothing to do. */
export type Medians = Readonly<Record<"imagemake" | "make" | "ninja" | "node", number>>;

/** A bar on imagemake's time as a multiple of another program's. */
interface IdleBar {
  readonly leaves: number;
  readonly against: keyof Medians;
  readonly limit: number;
}

const IDLE: readonly IdleBar[] = [
  { leaves: 1000, against: "make", limit: 1 },
  { leaves: 1000, against: "node", limit: 2 },
  { leaves: 10_000, against: "make", limit: 0.15 },
  { leaves: 10_000, against: "ninja", limit: 3 },
];

/** At most as long as wireit. */
const FULL_LIMIT = 1;

/** At most 5 % above what no order of work can undercut. */
const SCHEDULE_LIMIT = 1.05;

/** What an edit may cost, as a multiple of what nobody can do without. */
const EDIT_LIMIT = 1.3;
/** A script's way takes at least five times as long. */
const SCRIPTS_LIMIT = 1 / 5;
/** What mkosi 14 took to build all of an image again for one package more, on such a machine, in seconds. */
const MKOSI = 68;
const MKOSI_LIMIT = 1 / 10;

/** The bars on edits of images, all in seconds. */
export const imageBars = ({ overlay, package: one }: ImagesResult): readonly Bar[] => [
  bar("a file of an overlay: imagemake / mksquashfs + xorriso", overlay.imagemake / overlay.bare, EDIT_LIMIT),
  bar("one package more: imagemake / apt alone", one.imagemake / one.apt, EDIT_LIMIT),
  bar("one package more: imagemake / unpack, install, xz -9", one.imagemake / one.scripts, SCRIPTS_LIMIT),
  bar(
    `one package more: imagemake / ${MKOSI} s of mkosi (measured elsewhere)`,
    one.imagemake / MKOSI,
    MKOSI_LIMIT,
  ),
];

/** What a save may cost beyond the action that it builds, in milliseconds. */
const WATCH_LIMIT = 150;

/** The bar on `watch`. */
export const watchBar = ({ targets, median, action }: WatchResult): Bar =>
  bar(`a save while watching, ${targets} targets: ms beyond the action`, median - action, WATCH_LIMIT);

/** A value against its limit; what could not be measured (NaN) does not pass. */
const bar = (name: string, value: number, limit: number): Bar => ({
  name,
  value,
  limit,
  pass: value <= limit,
});

/** The bars on a run with nothing to do; none for other numbers of leaves than 1,000 and 10,000. */
export const idleBars = (leaves: number, medians: Medians): readonly Bar[] =>
  IDLE.filter((each) => each.leaves === leaves).map((each) =>
    bar(
      `nothing to do, ${leaves} leaves: imagemake / ${each.against}`,
      medians.imagemake / medians[each.against],
      each.limit,
    ),
  );

/** The bar on building everything, in milliseconds. */
export const fullBar = (leaves: number, imagemake: number, wireit: number): Bar =>
  bar(`from nothing, ${leaves} leaves: imagemake / wireit`, imagemake / wireit, FULL_LIMIT);

/** The bar on the scheduler, both in seconds. */
export const scheduleBar = (actions: number, slots: number, makespan: number, bound: number): Bar =>
  bar(`schedule of ${actions} actions on ${slots} slots / lower bound`, makespan / bound, SCHEDULE_LIMIT);
