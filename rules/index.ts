// What `import … from "imagemake"` gives an Imagefile. Only names; each is in a file of its own.
export { apt } from "./apt.js";
export { dnf } from "./dnf.js";
export { both, each } from "./each.js";
export { keymap } from "./keymap.js";
export type { Keymap } from "./keymap.js";
export { pacman } from "./pacman.js";
export { project } from "./project.js";
export { layers } from "./search-path.js";
export type { Layers, LayersOptions } from "./search-path.js";
export { arg, env, files, list, probe } from "./sources.js";
export { gpg, minisign, signer, signify } from "./signers.js";
export type { Signer } from "./signers.js";
export * as rule from "./rules.js";
export { run } from "./run.js";
export * as step from "./steps.js";
export type { UserOptions } from "./steps/users.js";
export { xbps } from "./xbps.js";
export type { InstallerIsoOptions } from "./installer-iso.js";
export type { BootFile } from "./installer/files.js";
export type { Signing } from "./installer/signing.js";
export type { NixOptions } from "./nix.js";
export type { BootMedium, BootOptions, Expect } from "./boot.js";
export type { Generator } from "./initramfs.js";
export type { MenuEntry } from "./menu.js";
export type { Arch, Driver } from "./distributions.js";
export type {
  AnyTree,
  Built,
  CheckTarget,
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
