// The index of kernel modules, of every kernel in a tree, made by this machine's depmod. No step of the module
// "imagemake": presets have it after they put their configuration of depmod in.
import { recipe } from "../recipes.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

/** Makes modules.dep and the like again. */
export const depmod = (): Step =>
  makeStep(() => ({
    rule: "step.depmod",
    command: recipe("depmod.sh", ["lib.sh", "depmod.sh"]),
    inputs: {},
    tools: [{ name: "depmod", package: "kmod" }],
  }));
