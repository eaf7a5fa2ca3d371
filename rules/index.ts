// What `import … from "imagemake"` gives an Imagefile. Only names; each is in a file of its own.
import { boot } from "./boot.js";
import { check, run } from "./run.js";
import { nix } from "./nix.js";
import { platformfs } from "./platformfs.js";
import { pxe } from "./pxe.js";
import { rootfs } from "./rootfs.js";
import { unpack } from "./unpack.js";

export { apt } from "./apt.js";
export { both, each } from "./each.js";
export { project } from "./project.js";
export { arg, env, files, list, probe } from "./sources.js";
export { minisign, signify } from "./signers.js";
export type { Signer } from "./signers.js";
export { step } from "./steps.js";
export { xbps } from "./xbps.js";
export { run };

/** The rules. */
export const rule = { run, check, rootfs, platformfs, unpack, pxe, nix, boot } as const;

export type { NixOptions } from "./nix.js";
export type { BootMedium, BootOptions, Expect } from "./boot.js";
export type {
  AnyTree,
  Arch,
  Built,
  CheckTarget,
  Driver,
  FileTarget,
  Group,
  Input,
  ListSource,
  Outs,
  PackedTree,
  Packages,
  Project,
  Repo,
  Size,
  Source,
  Step,
  Target,
  TreeTarget,
} from "./types.js";
