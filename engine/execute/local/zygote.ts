// One perl that has read init.pl and forks a process an action: an action is spared the start of perl, and the
// engine a process of its own to start. It dies with the engine, and its actions with it. It knows the words of
// init.pl only as strings.
import { type ChildProcess, spawn } from "node:child_process";
import { Readable, Writable } from "node:stream";

/** How often it is looked whether actions are still there whose end nobody reported. Milliseconds. */
const LOOK_MS = 2000;

/** What init.pl gets for one action. */
export interface Request {
  /** Appended. */
  readonly log: string;
  readonly env: Readonly<Record<string, string>>;
  /** WORD… -- ARGV… */
  readonly words: readonly string[];
}

interface Running {
  pid: number | null;
  /** Signals asked for before the process was known. */
  readonly asked: NodeJS.Signals[];
  report: string;
  /** Its process was not there any more when it was looked for. */
  missed: boolean;
  readonly resolve: (end: StartedEnd) => void;
}

/** Starts actions through one perl; another is started when that one died. */
export class Zygote {
  readonly #running = new Map<string, Running>();
  #child: ChildProcess | null = null;
  #requests: Writable | null = null;
  #reports: Readable | null = null;
  #said = "";
  #partial = "";
  #count = 0;
  #look: NodeJS.Timeout | undefined;

  /** `argv` starts `init.pl PARENT serve ARCH`. */
  constructor(
    private readonly argv: readonly string[],
    private readonly env: Readonly<Record<string, string>>,
  ) {}

  /** Starts one action. */
  start(request: Request): Started {
    const id = String((this.#count += 1));
    const ended = new Promise<StartedEnd>((resolve) => {
      this.#running.set(id, { pid: null, asked: [], report: "", missed: false, resolve });
    });
    this.#open();
    const env = Object.entries(request.env).map(([name, value]) => `${name}=${value}`);
    const payload = Buffer.from([id, request.log, String(env.length), ...env, ...request.words].join("\0"));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(payload.length);
    this.#requests?.write(Buffer.concat([length, payload]));
    return { ended, kill: (signal) => this.#kill(id, signal) };
  }

  #open(): void {
    this.#reports?.resume();
    if (this.#child === null) this.#spawn();
    this.#hold(true);
  }

  #spawn(): void {
    const [program = "", ...words] = this.argv;
    const child = spawn(program, words, {
      cwd: "/",
      env: this.env,
      detached: true,
      stdio: ["pipe", "ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#said = this.#partial = "";
    this.#requests = child.stdin;
    // Its death is told by `exit`.
    child.stdin?.on("error", () => undefined);
    this.#reports = reportsOf(child);
    this.#reports?.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr
      ?.setEncoding("utf8")
      .on("data", (text: string) => (this.#said = (this.#said + text).slice(-2000)));
    child.once("error", (error) => this.#gone(child, error.message));
    child.once("exit", (status, signal) =>
      this.#gone(child, this.#said.trim() || `perl ended with ${signal ?? status ?? ""}`),
    );
  }

  /** While nothing runs, neither process nor pipes keep node from ending. */
  #hold(busy: boolean): void {
    const handles: readonly unknown[] = [this.#child, this.#child?.stdin, this.#child?.stderr, this.#reports];
    for (const handle of handles) {
      if (!isHandle(handle)) continue;
      if (busy) handle.ref();
      else handle.unref();
    }
    clearInterval(this.#look);
    if (busy) this.#look = setInterval(() => this.#lookAround(), LOOK_MS);
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split("\n");
    this.#partial = lines.pop() ?? "";
    for (const line of lines) {
      const [id = "", rest = ""] = line.split(/ (.*)/s);
      const running = this.#running.get(id);
      if (running === undefined) continue;
      if (rest === "end") this.#end(id, { error: null, status: 0, signal: null, report: running.report });
      else if (rest.startsWith("pid ")) this.#born(running, Number(rest.slice(4)));
      else running.report += `${running.report === "" ? "" : "\n"}${rest}`;
    }
  }

  #born(running: Running, pid: number): void {
    running.pid = pid;
    for (const signal of running.asked) signalTo(pid, signal);
  }

  #kill(id: string, signal: NodeJS.Signals): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    if (running.pid === null) running.asked.push(signal);
    else signalTo(running.pid, signal);
    // A keeper that was killed cannot say that it has ended.
    if (signal === "SIGKILL") this.#end(id, { error: null, status: null, signal, report: running.report });
  }

  /**
   * Ends what was killed from outside: what is missed twice. On a busy machine the word of one that has ended may still
   * be in the pipe the first time.
   */
  #lookAround(): void {
    for (const [id, running] of this.#running) {
      const { pid, report, missed } = running;
      if (pid === null || signalTo(pid, 0)) continue;
      if (missed) this.#end(id, { error: null, status: 0, signal: null, report });
      else running.missed = true;
    }
  }

  #end(id: string, end: StartedEnd): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    if (this.#running.size === 0) this.#hold(false);
    running.resolve(end);
  }

  #gone(child: ChildProcess, why: string): void {
    if (this.#child !== child) return;
    this.#hold(false);
    this.#child = this.#requests = this.#reports = null;
    const error = new Error(why);
    for (const id of [...this.#running.keys()])
      this.#end(id, { error, status: null, signal: null, report: "" });
  }
}

interface Handle {
  ref(): void;
  unref(): void;
}

const isHandle = (value: unknown): value is Handle =>
  typeof value === "object" && value !== null && "ref" in value && "unref" in value;

/** False when there is no such process any more. */
function signalTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Where a child reports, its descriptor 3. Node gives a child no pipes at all where too many files are open. */
export function reportsOf(child: ChildProcess): Readable | null {
  const pipe = (child.stdio as ChildProcess["stdio"] | undefined)?.[3];
  return pipe instanceof Readable ? pipe : null;
}

// A started action, however it was started: a way to send it signals, and how it ended.

/** How the process that keeps an action ended; `error` when there never was one. */
export interface StartedEnd {
  readonly error: Error | null;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What init.pl said of the command, line by line; null where it was started without it. */
  readonly report: string | null;
}

/** A started action. `ended` never rejects. */
export interface Started {
  readonly ended: Promise<StartedEnd>;
  kill(signal: NodeJS.Signals): void;
}
