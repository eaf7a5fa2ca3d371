// Everything that is shell, by shellcheck: recipes as they are composed, scripts, and texts within TypeScript that are marked
// with `/* sh */`, or `/* sh, not SC1234: why */` where one of its codes does not count. What it finds is told at the line of the file that it comes from.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../cache/installed.js";
import { runsScript } from "../engine/shell.js";
import type { Composition } from "./compositions.js";

/** Text for one shell, and where each of its lines is (both from 1). */
export interface Script {
  readonly name: string;
  readonly text: string;
  readonly shell: "bash" | "sh";
  /** Codes that do not count. */
  readonly without?: readonly string[];
  readonly place: (line: number) => Place;
}
interface Place {
  readonly file: string;
  readonly line: number;
}

/** What shellcheck says of one line. */
interface Finding extends Place {
  readonly column: number;
  readonly level: string;
  readonly code: number;
  readonly message: string;
  readonly script: string;
}

const root = fileURLToPath(PACKAGE);
/** Where .shellcheckrc is found. */
const WORK = join(root, "dist/shellcheck");

/** How recipes are run: their first line here, as the options would be unknown otherwise. */
const [, , shopt = "", ...set] = runsScript("").slice(0, -1);
const OPTIONS = `shopt -s ${shopt}; set ${set.join(" ")}`;

/** A recipe as it is run. */
export const scriptOf = ({ name, text, parts }: Composition): Script => ({
  name,
  text: `${OPTIONS}\n${text}`,
  shell: "bash",
  place: (line) => {
    const part = parts.findLast(({ before }) => before < line - 1);
    return { file: `rules/recipes/${part?.file ?? name}`, line: line - 1 - (part?.before ?? 0) };
  },
});

/** A file of its own. */
export const scriptIn = (file: string, shell: Script["shell"]): Script => ({
  name: file,
  text: readFileSync(join(root, file), "utf8"),
  shell,
  place: (line) => ({ file, line }),
});

const MARKED = /\/\* sh(?:, not (SC\d+): [^*]+)? \*\/ (?:`((?:[^`\\]|\\.)*)`|'([^'\n]*)')/gs;

/** Texts in the sources of these folders that are marked as shell. What is filled in counts as a word, or as nothing where it begins a line. */
export function marked(folders: readonly string[]): readonly Script[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(folder, name)),
  );
  return files.flatMap((file) => {
    const source = readFileSync(join(root, file), "utf8");
    return [...source.matchAll(MARKED)].map(({ index, 1: code, 2: template, 3: quoted = "" }): Script => {
      const before = source.slice(0, index).split("\n").length - 1;
      const filled = template?.replace(/^\$\{[^}]*\}/gm, "").replace(/(?<!\\)\$\{[^}]*\}/g, "x");
      const text = filled?.replace(/\\(.)/gs, (_, c: string) => (c === "n" ? "\n" : c)) ?? quoted;
      return {
        name: `${file}:${before + 1}`,
        text,
        shell: "sh",
        ...(code === undefined ? {} : { without: [code] }),
        place: (line) => ({ file, line: before + line }),
      };
    });
  });
}

const startsItself = (text: string): boolean => text.startsWith("#!");

/** Of these only the whole of a recipe could say that they are wrong everywhere: not used here is used elsewhere. */
const EVERYWHERE = [2034];

/** What shellcheck finds, each once, as lines of text. */
export function shellcheck(scripts: readonly Script[]): readonly string[] {
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(WORK, { recursive: true });
  const files = scripts.map(({ text, shell, without = [] }, i) => {
    const file = join(WORK, String(i));
    // In the place of `#!`, or before the first line.
    const directive = ["# shellcheck", `shell=${shell}`, ...without.map((code) => `disable=${code}`)].join(
      " ",
    );
    writeFileSync(file, startsItself(text) ? text.replace(/^.*/, directive) : `${directive}\n${text}`);
    return file;
  });
  const ran = spawnSync("shellcheck", ["--format", "json1", "--", ...files], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (ran.status !== 0 && ran.status !== 1)
    throw new Error(`shellcheck failed: ${ran.error?.message ?? ran.stderr}`);
  // Its own form: https://www.shellcheck.net/wiki/Integration
  const { comments } = JSON.parse(ran.stdout) as {
    comments: { file: string; line: number; column: number; level: string; code: number; message: string }[];
  };
  const found = comments.flatMap(({ file, line, ...rest }): Finding[] => {
    const script = scripts[files.indexOf(file)];
    if (script === undefined) return [];
    const at = script.place(startsItself(script.text) ? line : line - 1);
    return [{ ...rest, ...at, script: script.name }];
  });
  return linesOf(found, scripts);
}

function linesOf(found: readonly Finding[], scripts: readonly Script[]): readonly string[] {
  const groups = new Map<string, Finding[]>();
  for (const one of found) {
    const key = `${one.file}:${one.line}:${one.column}: ${one.level}: ${one.message} [SC${one.code}]`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups].flatMap(([text, [first, ...more]]) => {
    if (first === undefined) return [];
    const having = scripts.filter(({ text: all, place }) =>
      all.split("\n").some((_, i) => place(i + 1).file === first.file),
    );
    if (EVERYWHERE.includes(first.code) && more.length + 1 < having.length) return [];
    return [first.script === first.file ? text : `${text} (in ${first.script})`];
  });
}
