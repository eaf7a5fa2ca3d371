// The packages of live images, which only mkiso.sh and mklive.sh know: asked of the scripts themselves, so that an
// edit to a flavour is found without a list of ours.
import type { Wanted } from "../../engine/model.js";
import type { VoidArch } from "./matrix.js";
import { recipeText } from "../../rules/recipes.js";

/** xbps's word for this machine, where the tools of a live image run. */
export const hostArch = (): VoidArch => (process.arch === "arm64" ? "aarch64" : "x86_64");

const ask = (what: string, mklive: string, ...words: readonly string[]): Wanted => ({
  probe: {
    kind: "probe",
    argv: ["bash", "-eu", "-c", recipeText("void-live-packages.sh"), "bash", mklive, ...words],
    what,
  },
});

/** What a live image holds and is made from (`all`), what it holds, or what is there while its initrd is made. */
export type Part = "all" | "image" | "initramfs";

/** Packages of a live image. */
export const livePackages = (
  mklive: string,
  live: string,
  flavor: string,
  boards: readonly string[],
  part: Part = "all",
): Wanted => {
  const what =
    part === "initramfs"
      ? "the package list of mklive.sh for an initrd"
      : `the package list of mkiso.sh for ${live} ${flavor}`;
  return ask(what, mklive, live, flavor, boards.join(" "), part);
};

/** What mklive.sh installs for itself. */
export const hostPackages = (mklive: string): Wanted =>
  ask("the package list of mklive.sh for this machine", mklive, "host", "", "", "all");
