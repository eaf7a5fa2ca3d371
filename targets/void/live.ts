// The packages of what a checkout makes, which only its scripts know: they are run with stand-ins for xbps, so that an edit
// to one is found without a list of ours.
import type { Wanted } from "../../engine/model.js";
import { recipeText } from "../../rules/recipes.js";
import { checkoutFiles, type Kind } from "./checkout.js";
import type { VoidArch } from "./matrix.js";
import type { Call } from "./release.js";

/** xbps's word for this machine, where the tools of a live image run. */
export const hostArch = (): VoidArch => (process.arch === "arm64" ? "aarch64" : "x86_64");

/**
 * What it holds and is made from (`all`), of a live image what it holds, what is there while its initrd is made, and what
 * mklive.sh installs for itself.
 */
export type Part = "all" | "image" | "initramfs" | "host";

/** Which script is asked, of which checkout. */
export interface Question {
  readonly mklive: string;
  readonly kind: Kind;
  /** For what it is asked, in messages. */
  readonly of: string;
  readonly arch: string;
  readonly boards?: readonly string[];
  /** More files that it reads. */
  readonly reads: readonly string[];
  readonly call: Call;
}

/** Packages that a script asks for. */
export function packagesOf(
  { mklive, kind, of, arch, boards, reads, call }: Question,
  part: Part = "all",
): Wanted {
  const command =
    "lost" in call
      ? ["sh", "-c", 'echo "$1" >&2; exit 1', "sh", call.lost]
      : ["bash", "-eu", "-o", "pipefail", "-c", TEXT(), "bash", part, ...call.words];
  const script = "lost" in call ? "make" : (call.words[0] ?? "").replace(/^\.\//, "");
  return {
    probe: {
      kind: "probe",
      argv: command,
      what: `the package list of ${script} for ${of}${part === "all" ? "" : ` (${part})`}`,
      reads: checkoutFiles(mklive, kind, arch, boards, reads),
    },
  };
}

const TEXT = (): string => ["void-record.sh", "void-packages.sh"].map(recipeText).join("\n");
