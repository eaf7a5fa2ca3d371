// What `import … from "imagemake"` gives an Imagefile: the rules, and presets built from them. Only names.
import { voidLinux } from "./void.js";
import { voidLive } from "./void-live.js";

export * from "../rules/index.js";

/** Whole product lines, one call each. */
export const preset = { voidLinux, voidLive } as const;

export type { VoidLinux, VoidOptions } from "./void.js";
export type { VoidLive, VoidLiveOptions } from "./void-live.js";
