// Colours and marks for a terminal. Text is cut to size before it is painted.
import { styleText } from "node:util";
import type { Sink } from "./renderer.js";

/** The few styles in use. */
type Style = "green" | "red" | "yellow" | "cyan" | "dim" | "bold";

/** Paints text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;

/** Without colours. */
export const noPaint: Paint = (_, text) => text;

/** NO_COLOR (no-color.org: set and not empty) wins; else what the terminal can, as Node finds it out. */
export function paintFor(sink: Sink, env: NodeJS.ProcessEnv): Paint {
  if ((env["NO_COLOR"] ?? "") !== "" || sink.hasColors?.() !== true) return noPaint;
  // Without `validateStream: false` newer Nodes ask stdout, which may be a pipe.
  return (style, text) => (text === "" ? "" : styleText(style, text, { validateStream: false }));
}

/** What stands before a finished action's name. */
export interface Marks {
  readonly built: string;
  readonly restored: string;
  readonly unchanged: string;
  readonly failed: string;
  readonly stopped: string;
  readonly skipped: string;
  /** Before lines of a log. */
  readonly bar: string;
}

const UNICODE: Marks = {
  built: "✓",
  restored: "↺",
  unchanged: "=",
  failed: "✗",
  stopped: "■",
  skipped: "–",
  bar: "│",
};
const ASCII: Marks = {
  built: "+",
  restored: "<",
  unchanged: "=",
  failed: "!",
  stopped: "#",
  skipped: "-",
  bar: "|",
};

/** Whether ASCII alone can be relied on: on the Linux console, whose font lacks the rest, and where the locale has no UTF-8. */
function isAscii(env: NodeJS.ProcessEnv): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => (value ?? "") !== "") ?? "";
  return env["TERM"] === "linux" || !/\.utf-?8/i.test(locale);
}

/** The marks that the terminal can show. */
export const marksFor = (env: NodeJS.ProcessEnv): Marks => (isAscii(env) ? ASCII : UNICODE);

/** Our own typography in ASCII, each in as many columns; what others wrote stays as it is. */
const PLAINER: Readonly<Record<string, string>> = { "…": "~", "→": ">", "–": "-", "×": "x" };

/** The sink, with that in the place of ours where it can show ASCII alone. */
export function inAscii(sink: Sink, env: NodeJS.ProcessEnv): Sink {
  if (!isAscii(env)) return sink;
  const known = plainer.get(sink);
  if (known !== undefined) return known;
  const write: Sink["write"] = (text) => sink.write(text.replace(/[…→–×]/g, (one) => PLAINER[one] ?? one));
  const made = new Proxy(sink, {
    get: (of, name) => {
      if (name === "write") return write;
      const value: unknown = Reflect.get(of, name);
      return typeof value === "function" ? (value.bind(of) as unknown) : value;
    },
  });
  plainer.set(sink, made);
  return made;
}

/** One for each: `watch` has a renderer for each build, and each would listen to another. */
const plainer = new WeakMap<Sink, Sink>();
