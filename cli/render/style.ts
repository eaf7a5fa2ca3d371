// Colours and marks for a terminal. It knows no event; text is cut to size before it is painted.
import { styleText } from "node:util";
import type { Sink } from "./renderer.js";

/** The few styles in use. */
export type Style = "green" | "red" | "yellow" | "cyan" | "dim" | "bold";

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

/** ASCII on the Linux console, whose font lacks them, and where the locale names another character set. */
export function marksFor(env: NodeJS.ProcessEnv): Marks {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => (value ?? "") !== "") ?? "";
  const other = locale.includes(".") && !/\.utf-?8/i.test(locale);
  return env["TERM"] === "linux" || other ? ASCII : UNICODE;
}
