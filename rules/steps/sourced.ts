// Which files a hook sources, itself and through those: found when the Imagefile is loaded, so that they are declared
// inputs. A path that only a run can tell is left alone: what is not declared is not there when the hook runs.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { posix } from "node:path";
import { nearest } from "../../engine/evaluate/nearest.js";
import { sourcings } from "./shell-words.js";

/** The hook's files, or what is wrong with one, in words. Paths relative to `base`, sorted. */
export type Sourced =
  | { readonly kind: "files"; readonly files: readonly string[] }
  | { readonly kind: "wrong"; readonly message: string; readonly hint?: string };

/** What a hook is looked at with. */
export interface Scene {
  /** Directory that has all its files, absolute. */
  readonly base: string;
  /** The hook, relative to `base`. */
  readonly script: string;
  /** What `$ARCH` is; null where nobody knows. */
  readonly arch: string | null;
  /** Whether the hook runs in `base`, so that a path means one beneath it. */
  readonly runsInBase: boolean;
}

/** One word after `.`: a file beneath `base`, nothing to declare, or a mistake. */
type Meaning =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "none" }
  | { readonly kind: "wrong"; readonly why: string; readonly hint?: string };

/** Every file that the hook sources. */
export function sourcedBy(scene: Scene): Sourced {
  const seen = new Set([scene.script]);
  for (const file of seen) {
    for (const { word, line } of sourcings(readFileSync(posix.join(scene.base, file), "utf8"))) {
      const meaning = meaningOf(word, file, scene);
      if (meaning.kind === "file") seen.add(meaning.path);
      if (meaning.kind === "wrong") {
        const { why, hint } = meaning;
        return {
          kind: "wrong",
          message: `${file}:${line}: \`. ${word}\`: ${why}`,
          ...(hint === undefined ? {} : { hint }),
        };
      }
    }
  }
  seen.delete(scene.script);
  return { kind: "files", files: [...seen].sort() };
}

/** Ways to say "the directory of the hook", and "the directory of this very file". */
const OF_HOOK = /^(?:\$\(dirname (?:-- )?\$\{?0\}?\)|\$\{0%\/\*\})\//;
const OF_FILE = /^(?:\$\(dirname (?:-- )?\$\{?BASH_SOURCE(?:\[0\])?\}?\)|\$\{BASH_SOURCE(?:\[0\])?%\/\*\})\//;

function meaningOf(word: string, file: string, scene: Scene): Meaning {
  // Quotes matter to the shell alone.
  const plain = word.replace(/["']/g, "");
  const known = scene.arch === null ? plain : plain.replace(/\$(?:ARCH\b|\{ARCH\})/g, scene.arch);
  const [start] = OF_HOOK.exec(known) ?? OF_FILE.exec(known) ?? [];
  const rest = known.slice(start?.length ?? 0);
  if (/[$`\\]/.test(rest)) return { kind: "none" };
  if (start !== undefined)
    return declared(posix.join(posix.dirname(OF_HOOK.test(known) ? scene.script : file), rest), scene);
  if (posix.isAbsolute(rest)) {
    return {
      kind: "wrong",
      why: "that file is this machine's, and nobody would notice a change of it",
      hint: `the tree's own is "$1${rest}"; else copy it beside the hook`,
    };
  }
  const beside = posix.join(posix.dirname(scene.script), rest);
  // Without a slash the shell looks along PATH, which begins with the hook's directory.
  if (!rest.includes("/")) return declared(beside, scene);
  if (scene.runsInBase && isFile(scene, posix.normalize(rest))) return declared(rest, scene);
  const help = `a path is taken from the ${scene.runsInBase ? "Imagefile's" : "stage's"} directory`;
  return {
    kind: "wrong",
    why: "there is no such file",
    hint: isFile(scene, beside)
      ? `${help}; beside the hook it is "$(dirname "$0")/${posix.normalize(rest)}"`
      : help,
  };
}

function declared(path: string, scene: Scene): Meaning {
  const normal = posix.normalize(path);
  if (normal.startsWith("../"))
    return { kind: "wrong", why: "that lies outside of the directory that the hook is in" };
  if (isFile(scene, normal)) return { kind: "file", path: normal };
  const dir = posix.dirname(normal);
  const near = nearest(posix.basename(normal), namesIn(posix.join(scene.base, dir)));
  return {
    kind: "wrong",
    why: `there is no ${normal}`,
    ...(near === undefined ? {} : { hint: `did you mean ${posix.join(dir, near)}?` }),
  };
}

const isFile = ({ base }: Scene, path: string): boolean =>
  statSync(posix.join(base, path), { throwIfNoEntry: false })?.isFile() === true;

const namesIn = (dir: string): readonly string[] => (existsSync(dir) ? readdirSync(dir) : []);
