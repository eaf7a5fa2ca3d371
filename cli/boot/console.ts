// Runs one QEMU with our standard streams as its serial console, and gives the terminal back as it was.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/** How it ended: by itself, or because we were sent a signal. */
export type Ended =
  | { readonly kind: "ended"; readonly status: number; readonly said: string }
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals };

/** What a guest is run with. */
export interface Run {
  readonly argv: readonly string[];
  /** Keys go to the guest one by one, Ctrl-C too. */
  readonly terminal: boolean;
  /** Told of what the console says, and of the first key. */
  readonly onOutput: (text: string) => void;
  readonly typed: () => void;
  /** Ends it: what was started is of no use. */
  readonly giveUp: AbortSignal;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Milliseconds that QEMU has to end when told to; stuck in KVM it does not hear TERM. */
const GRACE = 3000;

/** What boot menus leave behind: colours, no line wrap, no cursor. */
const RESET = "\x1b[0m\x1b[?7h\x1b[?25h\r\n";

/** Runs it to its end. It dies with us, however we die. */
export async function runGuest(run: Run): Promise<Ended> {
  const { argv, terminal } = run;
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...argv], {
    // Out of the terminal's foreground group: Ctrl-C is ours to pass on.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  let said = "";
  const asked: NodeJS.Signals[] = [];
  let late: NodeJS.Timeout | undefined;
  // The whole group, which is its own.
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
  };
  const end = (): void => {
    kill("SIGTERM");
    late ??= setTimeout(() => kill("SIGKILL"), GRACE);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (asked.length > 0) kill("SIGKILL");
    asked.push(signal);
    end();
  };
  const onKeys = (keys: Buffer): void => {
    run.typed();
    child.stdin.write(keys);
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  run.giveUp.addEventListener("abort", end);
  child.stdin.on("error", () => undefined);
  child.stdout.on("data", (piece: Buffer) => {
    run.onOutput(piece.toString("latin1"));
    // A terminal that is too slow holds the guest up, not the memory.
    if (!process.stdout.write(piece)) {
      child.stdout.pause();
      process.stdout.once("drain", () => child.stdout.resume());
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4000);
    process.stderr.write(terminal ? text.replaceAll("\n", "\r\n") : text);
  });
  if (terminal) process.stdin.setRawMode(true);
  process.stdin.on("data", onKeys);
  process.stdin.resume();
  try {
    const status = await new Promise<number>((resolve) => {
      child.once("error", (error) => {
        said += error.message;
        resolve(3);
      });
      child.once("close", (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
    const [signal] = asked;
    return signal === undefined ? { kind: "ended", status, said } : { kind: "signal", signal };
  } finally {
    clearTimeout(late);
    process.stdin.off("data", onKeys);
    process.stdin.pause();
    if (terminal) {
      process.stdin.setRawMode(false);
      process.stdout.write(RESET);
    }
    for (const signal of SIGNALS) process.off(signal, onSignal);
    run.giveUp.removeEventListener("abort", end);
  }
}
