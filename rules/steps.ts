// `step`: single changes to a tree, each a layer of its own, and each in a file of its own under steps/.
import { dconf, dconfSchema } from "./steps/dconf.js";
import { graft, graftSchema } from "./steps/graft.js";
import { hook, hookSchema } from "./steps/hook.js";
import { install, installSchema } from "./steps/install.js";
import { link, linkSchema } from "./steps/link.js";
import { overlay, overlaySchema } from "./steps/overlay.js";
import { remove, removeSchema } from "./steps/remove.js";
import { services, servicesSchema } from "./steps/services.js";
import { users, usersSchema } from "./steps/users.js";
import { write, writeSchema } from "./steps/write.js";

/** Single changes to a tree, each a layer of its own. */
export const step = {
  install,
  remove,
  overlay,
  write,
  link,
  graft,
  users,
  services,
  dconf,
  hook,
} as const;

/** The steps' schemas, for the documentation. */
export const stepSchemas = {
  install: installSchema,
  remove: removeSchema,
  overlay: overlaySchema,
  write: writeSchema,
  link: linkSchema,
  graft: graftSchema,
  users: usersSchema,
  services: servicesSchema,
  dconf: dconfSchema,
  hook: hookSchema,
} as const;
