// What `step.` has in an Imagefile: single changes to a tree, each a layer of its own, in a file of its own under steps/.
export { dconf } from "./steps/dconf.js";
export { graft } from "./steps/graft.js";
export { hook } from "./steps/hook.js";
export { install } from "./steps/install.js";
export { link } from "./steps/link.js";
export { overlay } from "./steps/overlay.js";
export { remove } from "./steps/remove.js";
export { services } from "./steps/services.js";
export { alternatives, hostname, locale, timezone } from "./steps/settings.js";
export { users } from "./steps/users.js";
export { write } from "./steps/write.js";
