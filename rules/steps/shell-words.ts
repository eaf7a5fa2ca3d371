// Finds the commands in shell text that source another file. It knows quotes, comments, here-documents and nested
// commands, and runs nothing; what a word stands for is for others to say.

/** One `. word` or `source word`, with the word as it is written. */
export interface Sourcing {
  readonly word: string;
  /** From 1. */
  readonly line: number;
}

/** After these a command begins. */
const RESERVED = new Set([
  "if",
  "then",
  "elif",
  "else",
  "while",
  "until",
  "do",
  "!",
  "{",
  "}",
  "time",
  "command",
  "builtin",
]);
const BLANK = /[ \t\r]/;
const OPERATOR = /[;&|()]/;
const ENDS_WORD = /[\s;&|()<>]/;

/** Every command of the text that sources a file, in order. */
export function sourcings(text: string, firstLine = 1): readonly Sourcing[] {
  return new Scanner(text, firstLine).scan();
}

class Scanner {
  #at = 0;
  #line: number;
  readonly #found: Sourcing[] = [];
  /** Delimiters of here-documents whose text begins with the next line. */
  readonly #heredocs: string[] = [];

  constructor(
    private readonly text: string,
    line: number,
  ) {
    this.#line = line;
  }

  scan(): readonly Sourcing[] {
    // Whether a command may begin here, and whether what was read last sources the next word.
    let begins = true;
    let sources = false;
    while (this.#at < this.text.length) {
      const char = this.#char();
      if (char === "\n") {
        this.#newline();
        [begins, sources] = [true, false];
      } else if (BLANK.test(char)) this.#at += 1;
      else if (this.#starts("\\\n")) this.#take(2);
      else if (char === "#") this.#skipLine();
      else if (OPERATOR.test(char)) {
        this.#at += 1;
        [begins, sources] = [true, false];
      } else if (char === "<" || char === ">") this.#redirection();
      else {
        const line = this.#line;
        const word = this.#word();
        if (sources) this.#found.push({ word, line });
        const command: boolean = begins;
        begins = command && (RESERVED.has(word) || /^\w+\+?=/.test(word));
        sources = command && (word === "." || word === "source");
      }
    }
    return this.#found;
  }

  #char(ahead = 0): string {
    return this.text[this.#at + ahead] ?? "";
  }

  #starts(what: string): boolean {
    return this.text.startsWith(what, this.#at);
  }

  #take(count: number): void {
    for (let i = 0; i < count; i++) if (this.text[this.#at++] === "\n") this.#line += 1;
  }

  #skipLine(): void {
    const end = this.text.indexOf("\n", this.#at);
    this.#at = end === -1 ? this.text.length : end;
  }

  /** Goes past a line's end, and past the here-documents that begin there. */
  #newline(): void {
    this.#take(1);
    for (let wanted = this.#heredocs.shift(); wanted !== undefined; wanted = this.#heredocs.shift()) {
      while (this.#at < this.text.length) {
        const start = this.#at;
        this.#skipLine();
        const line = this.text.slice(start, this.#at);
        this.#take(1);
        // With `<<-` tabs may stand before it; without, such a line would be an odd thing to write.
        if (line.replace(/^\t+/, "") === wanted) break;
      }
    }
  }

  #redirection(): void {
    const operator = /^(?:<<<|<<-?|[<>][<>&|]?)/.exec(this.text.slice(this.#at, this.#at + 3))?.[0] ?? "<";
    this.#at += operator.length;
    if (this.#char() === "(") return;
    while (BLANK.test(this.#char())) this.#at += 1;
    const word = this.#word();
    if (operator === "<<" || operator === "<<-") this.#heredocs.push(word.replace(/['"\\]/g, ""));
  }

  /** A word as it is written, with quotes; commands inside of it are scanned too. */
  #word(): string {
    const start = this.#at;
    while (this.#at < this.text.length && !ENDS_WORD.test(this.#char())) this.#part();
    // What ends a word and begins nothing else would be read for ever.
    if (this.#at === start) this.#at += 1;
    return this.text.slice(start, this.#at);
  }

  /** One character, or what stands between quotes or brackets. */
  #part(): void {
    const char = this.#char();
    if (char === "\\") this.#take(2);
    else if (char === "'") this.#until("'");
    else if (char === '"') this.#quoted('"');
    else if (char === "`") this.#quoted("`");
    else if (this.#starts("$((")) this.#bracketed("(", ")", false);
    else if (this.#starts("$(")) this.#bracketed("(", ")", true);
    else if (this.#starts("${")) this.#bracketed("{", "}", false);
    else this.#take(1);
  }

  #until(end: string): void {
    const close = this.text.indexOf(end, this.#at + 1);
    this.#take((close === -1 ? this.text.length : close + 1) - this.#at);
  }

  #quoted(end: string): void {
    this.#take(1);
    while (this.#at < this.text.length && this.#char() !== end) {
      if (this.#char() === "'") this.#take(1);
      else this.#part();
    }
    this.#take(1);
  }

  /** From `$(` or `${` to the bracket that closes it. */
  #bracketed(open: string, close: string, commands: boolean): void {
    this.#take(2);
    const [start, line] = [this.#at, this.#line];
    for (let depth = 1; this.#at < this.text.length;) {
      const char = this.#char();
      if (char === open) depth += 1;
      if (char === close) depth -= 1;
      if (depth === 0) break;
      if (char === open || char === close) this.#take(1);
      else this.#part();
    }
    if (commands) this.#found.push(...sourcings(this.text.slice(start, this.#at), line));
    this.#take(1);
  }
}
