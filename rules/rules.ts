// What `rule.` has in an Imagefile, each in a file of its own. Adding a name here is all that registers a rule: documentation,
// `imagemake explain` and editors find its declaration by it.
export { boot } from "./boot.js";
export { convert } from "./convert.js";
export { disk } from "./disk.js";
export { extract } from "./extract.js";
export { initramfs } from "./initramfs.js";
export { installerIso } from "./installer-iso.js";
export { iso } from "./iso.js";
export { kernel } from "./kernel.js";
export { mirror } from "./mirror.js";
export { nix } from "./nix.js";
export { platformfs } from "./platformfs.js";
export { pxe } from "./pxe.js";
export { rootfs } from "./rootfs.js";
export { check, run } from "./run.js";
export { squashfs } from "./squashfs.js";
export { unique } from "./unique.js";
export { unpack } from "./unpack.js";
