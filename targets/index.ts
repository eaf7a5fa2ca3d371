// What `import … from "imagemake"` gives an Imagefile: the rules, and presets built from them. Only names.
import { voidLinux } from "./void.js";
import { voidLive } from "./void-live.js";
import { xcpNg } from "./xcp-ng.js";

export * from "../rules/index.js";

/** Whole product lines, one call each. */
export const preset = { voidLinux, voidLive, xcpNg } as const;

export type { VoidLinux, VoidOptions } from "./void.js";
export type { VoidLive, VoidLiveOptions } from "./void-live.js";
export type { XcpNg, XcpNgOptions, XcpNgVersion } from "./xcp-ng.js";
