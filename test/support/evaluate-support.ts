// Directories with Imagefiles, and a process that evaluates them.
import { afterAll, afterEach } from "@jest/globals";
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Reads } from "../../engine/evaluate/fresh.js";
import type { Graph } from "../../engine/model.js";
import type { Result } from "../../engine/problem.js";

/** One evaluation. */
export interface Ask {
  readonly file: string;
  readonly cwd: string;
  readonly args: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** With the real rules instead of the puppet's few. */
  readonly real?: boolean;
}

/** What came of it. */
export interface Answer {
  readonly result: Result<{ readonly graph: Graph; readonly reads: Reads }>;
  /** Whether everything listened to was as before. */
  readonly restored: boolean;
  /** What readsChanged said right after. */
  readonly changed: string | null;
}

/** A process that evaluates and, for each test of a file, a directory of its own. */
export function evaluating(): { readonly puppet: Puppet; readonly yard: Yard } {
  const [puppet, yard] = [new Puppet(), new Yard()];
  afterEach(() => yard.renew());
  afterAll(async () => {
    yard.remove();
    await puppet.close();
  });
  return { puppet, yard };
}

const newDir = (): string => realpathSync(mkdtempSync(join(tmpdir(), "imagemake-evaluate-")));

/** A directory that vanishes with `remove`. Files are as old as if they had been there for a minute. */
export class Yard {
  #dir = newDir();

  get dir(): string {
    return this.#dir;
  }

  /** From here on it is another directory, with nothing in it. */
  renew(): void {
    this.remove();
    this.#dir = newDir();
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Writes files by their relative names. */
  write(files: Readonly<Record<string, string>>): this {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), text);
      const past = Date.now() / 1000 - 60;
      utimesSync(this.path(name), past, past);
    }
    return this;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** The evaluating process. It lives as long as the tests, so evaluations follow each other as in `watch`. */
export class Puppet {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterableIterator<string>;
  readonly #reader: Interface;

  constructor() {
    const script = fileURLToPath(new URL("./evaluate-puppet.js", import.meta.url));
    this.#child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Evaluates `Imagefile.ts` of a yard, unless another file is named. */
  async ask(yard: Yard, more: Partial<Ask> = {}): Promise<Answer> {
    const ask: Ask = { file: yard.path("Imagefile.ts"), cwd: yard.dir, args: {}, ...more };
    this.#child.stdin.write(`${JSON.stringify(ask)}\n`);
    const line = await this.#lines.next();
    return JSON.parse(String(line.value)) as Answer; // Written by evaluate-puppet.ts.
  }

  /** The same, where it has to succeed. */
  async reads(yard: Yard, more: Partial<Ask> = {}): Promise<Reads> {
    return (await this.value(yard, more)).reads;
  }

  async graph(yard: Yard, more: Partial<Ask> = {}): Promise<Graph> {
    return (await this.value(yard, more)).graph;
  }

  async value(yard: Yard, more: Partial<Ask> = {}): Promise<{ graph: Graph; reads: Reads }> {
    const { result } = await this.ask(yard, more);
    if (!result.ok) throw new Error(result.problem.message);
    return result.value;
  }

  /** The message where it has to fail with exit status 2, and the hint after it. */
  async problem(yard: Yard, more: Partial<Ask> = {}): Promise<string> {
    const { result } = await this.ask(yard, more);
    if (result.ok) throw new Error("it was accepted");
    const { exit, message, hint } = result.problem;
    if (exit !== 2) throw new Error(`exit status ${exit}`);
    return hint === undefined ? message : `${message} (${hint})`;
  }

  /** One evaluation in a process that has nothing else to do. Its exit status and standard output. */
  static async alone(ask: Ask): Promise<{ status: number | null; stdout: string }> {
    const load = new URL("../../engine/evaluate/load.js", import.meta.url).href;
    const code = `import { evaluate } from ${JSON.stringify(load)};
      const result = await evaluate({ ...${JSON.stringify(ask)}, engine: async () => ({}) });
      process.stdout.write(JSON.stringify(result));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], {
      cwd: ask.cwd,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let stdout = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { status, stdout };
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.on("close", resolve));
    this.#child.stdin.end();
    await closed;
    this.#reader.close();
  }
}
