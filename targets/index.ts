// What `import … from "imagemake"` gives an Imagefile: the rules, and presets built from them. Only names.
export * from "../rules/index.js";
export * as preset from "./presets.js";

export type { VoidLinux, VoidOptions } from "./void.js";
export type { VoidLive, VoidLiveOptions } from "./void-live.js";
export type { XcpNg, XcpNgOptions, XcpNgVersion } from "./xcp-ng.js";
