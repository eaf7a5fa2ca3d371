// What `preset.` has in an Imagefile: whole product lines, one call each.
export { voidLinux } from "./void.js";
export { voidLive } from "./void-live.js";
export { xcpNg } from "./xcp-ng.js";
