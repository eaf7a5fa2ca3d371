// recipes/qemu.mjs exports what rules/guest.ts says of it. Checked by tsconfig.recipes.json.
import type { Qemu } from "../../../rules/guest.js";
import * as module from "../../../rules/recipes/qemu.mjs";

export const checked: Qemu = module;
