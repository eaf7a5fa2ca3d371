// What `import … from "imagemake"` gives an Imagefile: the rules, and presets built from them. Only names.
import { voidLinux } from "./void.js";

export * from "../rules/index.js";

/** Whole product lines, one call each. */
export const preset = { voidLinux } as const;

export type { VoidLinux, VoidOptions } from "./void.js";
