// A terminal in memory: what renderers write ends up on a screen that can be read. It understands the few
// sequences we and ora write; any other one is an error, so that a new one does not go unseen.
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { widthOf } from "../../cli/render/columns.js";
import { until } from "./sandbox.js";

/** Lines wrap at `columns`; there is no scrolling: `screen` also holds what a real one had scrolled away. */
export class FakeTerminal extends EventEmitter {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** Everything written, raw. */
  written = "";
  /** How many writes there were. */
  writes = 0;

  readonly #colours: boolean;
  /** A cell holds one character, and nothing where it is the right half of a wide one. */
  #cells: string[][] = [[]];
  /** Rows that continue the row above them. */
  #wrapped = new Set<number>();
  #x = 0;
  #y = 0;

  constructor(columns = 80, rows = 24, colours = false) {
    super();
    this.columns = columns;
    this.rows = rows;
    this.#colours = colours;
  }

  hasColors(): boolean {
    return this.#colours;
  }

  write(text: string): boolean {
    this.written += text;
    this.writes += 1;
    // eslint-disable-next-line no-control-regex -- Escape sequences are what this is about.
    for (const [part] of text.matchAll(/\x1b\[[0-9;?]*[A-Za-z]|[\s\S]/gu)) this.#take(part);
    return true;
  }

  /** The lines as they stand, without blanks at their ends; empty ones at the end are left out. */
  get screen(): string[] {
    const lines = this.#cells.map((row) => row.join("").trimEnd());
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }

  /** Wraps what is there anew, as terminals do, and tells. */
  resize(columns: number, rows = this.rows): void {
    const logical: string[] = [];
    // What is below the cursor has been erased: nobody writes there and goes up again.
    for (const [y, row] of this.#cells.slice(0, this.#y + 1).entries()) {
      const text = row.join("");
      if (this.#wrapped.has(y)) logical.push((logical.pop() ?? "") + text);
      else logical.push(text);
    }
    this.columns = columns;
    this.rows = rows;
    this.#cells = [[]];
    this.#wrapped.clear();
    this.#x = this.#y = 0;
    for (const [index, line] of logical.entries()) {
      if (index > 0) this.#take("\n");
      for (const character of line) this.#take(character);
    }
    this.emit("resize");
  }

  #take(part: string): void {
    if (part === "\n") {
      this.#down();
      this.#x = 0;
    } else if (part === "\r") this.#x = 0;
    else if (part.startsWith("\u001b")) this.#control(part);
    else this.#put(part);
  }

  #put(character: string): void {
    const width = widthOf(character);
    if (this.#x + width > this.columns) {
      this.#down();
      this.#x = 0;
      this.#wrapped.add(this.#y);
    }
    const row = this.#cells[this.#y] ?? [];
    this.#cells[this.#y] = row;
    while (row.length < this.#x) row.push(" ");
    row[this.#x] = character;
    for (let extra = 1; extra < width; extra += 1) row[this.#x + extra] = "";
    this.#x += width;
  }

  #down(): void {
    this.#y += 1;
    this.#cells[this.#y] ??= [];
  }

  #control(sequence: string): void {
    if (/^.\[[\d;]*m$/s.test(sequence) || /^.\[\?2026[hl]$/s.test(sequence)) return;
    if (sequence === "\u001b[2K") {
      this.#cells[this.#y] = [];
      this.#wrapped.delete(this.#y);
    } else if (sequence === "\u001b[1A") this.#y = Math.max(0, this.#y - 1);
    else throw new Error(`the fake terminal does not know ${JSON.stringify(sequence)}`);
  }
}

// A terminal of its own for a command, by script(1).

/** Runs a shell script in a terminal of its own; `\x03` written to its input is Ctrl-C. */
export const inTerminal = (cwd: string, script: string): ChildProcess =>
  spawn("script", ["--quiet", "--flush", "--return", "--command", script, "/dev/null"], {
    cwd,
    env: { ...process.env, TERM: "xterm-256color", CI: "" },
    stdio: ["pipe", "pipe", "pipe"],
  });

/** Types each answer when its question has come. */
export async function answer(
  terminal: ChildProcess,
  dialogue: readonly (readonly [question: string, answer: string])[],
): Promise<void> {
  let said = "";
  terminal.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  for (const [question, words] of dialogue) {
    await until(`it asks "${question}"`, () => said.includes(question));
    said = said.slice(said.indexOf(question) + question.length);
    terminal.stdin?.write(words);
  }
}
