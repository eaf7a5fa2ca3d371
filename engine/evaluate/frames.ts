// Who is calling: the Imagefile (or a module it imports), the engine, or what loads the Imagefile. Read from the
// stack.
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../../cache/installed.js";
import { place } from "./place.js";

/** `at` is `file:line`, null where the stack does not say. */
export type Caller =
  | { readonly who: "loader" }
  | { readonly who: "engine" }
  | { readonly who: "imagefile"; readonly at: string | null };

const ENGINE = fileURLToPath(new URL("dist/", PACKAGE));
// bundle.js puts the same files together as these patterns do.
const LOADER = /\/dist\/(?:engine\/evaluate\/|cache\/compiled\.|run\/(?:evaluate-|compiled\.))/;
/** What stands between a function and whoever called it: the files of the listeners. */
const LISTENER = /\/(?:evaluate\/(?:frames|patch|record|track[a-z-]*)|run\/evaluate-listeners)\.js$/;

/** Whose code a file is. Tests of the engine are the engine's. */
export type Owner = "node" | "loader" | "engine" | "library" | "imagefile";

/** By the file's path; empty where there is none. */
export function ownerOf(file: string): Owner {
  // Node's own loading of modules; what it loads is recorded by name.
  if (file.startsWith("node:internal/modules/")) return "loader";
  if (file === "" || file.startsWith("node:")) return "node";
  if (file.includes("/node_modules/jiti/")) return "loader";
  if (file.startsWith(ENGINE)) return LOADER.test(file) ? "loader" : "engine";
  return file.includes("/node_modules/") ? "library" : "imagefile";
}

/**
 * The nearest caller that is not node. A library stands for whoever called it; where it was only being
 * loaded, for the Imagefile. The place is the nearest in the Imagefile's own modules, else in the library.
 */
export function caller(): Caller {
  const frames = stack();
  const first = frames.find(({ owner }) => owner !== "node");
  if (first?.owner === "loader") return { who: "loader" };
  const decides = frames.find(({ owner }) => owner !== "node" && owner !== "library");
  if (decides?.owner === "engine") return { who: "engine" };
  const at = frames.find(({ owner }) => owner === "imagefile") ?? first;
  return { who: "imagefile", at: at === undefined ? null : place(at.file, at.line) };
}

/** Whether it is node itself that looks, as console does for colours. */
export const calledByNode = (): boolean => stack()[0]?.file.startsWith("node:") === true;

/** `file:line` of the nearest caller in the Imagefile's own modules. */
export function placeInStack(): string | null {
  const frame = stack().find(({ owner }) => owner === "imagefile");
  return frame === undefined ? null : place(frame.file, frame.line);
}

interface Frame {
  readonly owner: Owner;
  readonly file: string;
  readonly line: number;
}

/** Deep enough for a library between the call and the Imagefile. */
const DEPTH = 60;

function stack(): readonly Frame[] {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- only put back, never called
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: readonly NodeJS.CallSite[] } = {};
  Error.prepareStackTrace = (_, sites) => sites;
  Error.stackTraceLimit = DEPTH;
  try {
    Error.captureStackTrace(holder, stack);
    // The trace is made when it is first asked for.
    const frames = (holder.stack ?? []).map(frameOf);
    return frames.slice(frames.findIndex(({ file }) => !LISTENER.test(file)));
  } finally {
    // Undefined, where nobody set it.
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function frameOf(site: NodeJS.CallSite): Frame {
  const file = (site.getFileName() ?? "").replace(/^file:\/\//, "");
  return { owner: ownerOf(file), file, line: site.getLineNumber() ?? 0 };
}
