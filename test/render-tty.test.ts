import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { Board } from "../cli/render/board.js";
import { cut, cutMiddle, widthOf } from "../cli/render/columns.js";
import { statusOf } from "../cli/render/status.js";
import { noPaint } from "../cli/render/style.js";
import { createTty, type TtyRenderer } from "../cli/render/tty.js";
import type { BuildEvent } from "../engine/events.js";
import { FakeTerminal } from "./support/fake-terminal.js";
import { after, at, built, builds, failed, never, NIGHT, started } from "./support/synthetic-builds.js";

/** A renderer on a terminal in memory, with the clock of the build itself. */
class Show {
  readonly terminal: FakeTerminal;
  readonly renderer: TtyRenderer;
  now = NIGHT;

  constructor(columns = 80, rows = 24, env: NodeJS.ProcessEnv = { LANG: "C.UTF-8" }, colours = false) {
    this.terminal = new FakeTerminal(columns, rows, colours);
    const clock = (): number => this.now;
    this.renderer = createTty({
      stderr: this.terminal,
      verbosity: "normal",
      cwd: "/project",
      jobs: 2,
      env,
      clock,
    });
    open.push(this);
  }

  /** Gives all events up to `seconds`, then draws. */
  async until(seconds: number, events: BuildEvent[]): Promise<void> {
    for (let next = events[0]; next !== undefined && next.at <= NIGHT + seconds * 1000; next = events[0]) {
      this.now = next.at;
      this.renderer.event(next);
      await this.renderer.ready;
      events.shift();
    }
    this.now = NIGHT + seconds * 1000;
    this.renderer.refresh();
  }

  /** The screen; spinner frames all look alike. */
  get screen(): string[] {
    return this.terminal.screen.map((line) => line.replace(/^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/u, "⠋"));
  }
}

const open: Show[] = [];
afterEach(() => {
  for (const show of open.splice(0)) show.renderer.close();
});
const take = (name: string): BuildEvent[] => builds[name]?.() ?? [];

const ENDED = [
  "release 20261121 (opened 23:41 UTC yesterday)",
  "↺ platformfs-generic.tree out/debian-generic-20261121.tar.xz is missing",
  "✓ rootfs-amd64-mini.tree 11 s",
  "warning: the state directory is on overlay: trees are copied",
  "✓ rootfs-amd64-mini 2.0 s",
  "✓ pxe-amd64-mini 5.0 s",
  "✓ rootfs-amd64-standard.tree 30 s",
  "✗ pxe-amd64-standard: exit status 25 (after 3.2 s)",
  "  │ Reading package lists...",
  "  │ E: Unable to locate package vimm",
  "  log: .imagemake/logs/b-pxe-amd64-standard.log (imagemake log pxe-amd64-standard)",
  '  command: mmdebstrap --variant=apt bookworm "$OUT"',
  "– boot-amd64-standard skipped: pxe-amd64-standard failed",
  "built 4, restored 1, failed 1 (pxe-amd64-standard), skipped 1, 1 up to date, 40 s",
  "  out/debian-generic-20261121.tar.xz   44 MB",
  "  out/rootfs-amd64-mini.tree.tar      3.1 MB  11 s",
  "  out/rootfs-amd64-mini.tar           3.1 MB  2.0 s",
  "  out/pxe-amd64-mini.tar              3.1 MB  5.0 s",
  "  out/rootfs-amd64-standard.tree.tar  3.1 MB  30 s",
  "  9.0 s of work was not done again",
];

describe("the live display", () => {
  test("shows phases, then what runs with its times, below what has ended", async () => {
    const [show, events] = [new Show(100), take("example")];
    await show.until(2.5, events);
    expect(show.screen).toEqual([ENDED[0], "⠋ resolve rootfs-amd64-standard.tree: 214 packages"]);
    await show.until(12, events);
    expect(show.screen).toEqual([
      ENDED[0],
      ENDED[1],
      "⠋ building 1/7, 12 s, about 2 min left, 2 running",
      "  rootfs-amd64-mini.tree      6 s, about 5 s left   never built",
      "  rootfs-amd64-standard.tree  6 s, about 20 s left  packages: + vim 2:9.0.1378-2, - nano, system…",
    ]);
    await show.until(34, events);
    expect(show.screen.slice(-2)).toEqual([
      "⠋ building 4/7, 34 s, about 2 min left, 1 running",
      "  rootfs-amd64-standard.tree  28 s, usually 24 s  packages: + vim 2:9.0.1378-2, - nano, systemd …",
    ]);
  });

  test("leaves each line once, and nothing of itself", async () => {
    const show = new Show(100);
    await show.until(100, take("example"));
    expect(show.screen).toEqual(ENDED);
  });

  test("never hides the cursor: nobody could show it again after a kill", async () => {
    const show = new Show();
    await show.until(100, take("many"));
    expect(show.terminal.written).not.toContain("\u001b[?25");
  });

  test("writes a frame at once, so that it does not flicker", async () => {
    const show = new Show();
    await show.until(12, take("example"));
    const before = show.terminal.writes;
    show.renderer.refresh();
    expect(show.terminal.writes).toBe(before + 1);
  });

  test.each([100, 60, 41, 30, 20])(
    "survives a terminal that shrinks to %d columns and grows again",
    async (width) => {
      const [show, events] = [new Show(101), take("example")];
      await show.until(12, events);
      for (const columns of [width, 101, width, 90, 101]) show.terminal.resize(columns);
      await show.until(100, events);
      expect(show.screen).toEqual(ENDED);
    },
  );

  test("shows as many running actions as there is room for", async () => {
    const show = new Show(80, 8);
    await show.until(3, take("many"));
    const [headline, ...lines] = show.screen.slice(1);
    expect(headline).toMatch(/^⠋ building 0\/107, 3 s, about \d+ min left, 24 running$/);
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)).toBe("  and 19 more");
  });

  test("uses colours only where the terminal has them and NO_COLOR is not set", async () => {
    for (const [env, colours, coloured] of [
      [{}, true, true],
      [{}, false, false],
      [{ NO_COLOR: "1" }, true, false],
      [{ NO_COLOR: "" }, true, true],
    ] as const) {
      const show = new Show(80, 24, env, colours);
      await show.until(100, take("example"));
      expect(show.terminal.written.includes("\u001b[32m")).toBe(coloured);
      expect(/\[\d+m/.test(show.terminal.written)).toBe(coloured);
    }
  });

  test("keeps to ASCII marks on the Linux console and in other character sets", async () => {
    for (const env of [{ TERM: "linux", LANG: "C.UTF-8" }, { LANG: "de_DE.ISO-8859-1" }, { LANG: "C" }, {}]) {
      const show = new Show(100, 24, env);
      await show.until(100, take("example"));
      expect(show.screen).toContain("+ rootfs-amd64-mini 2.0 s");
    }
  });

  test("with nothing to do draws nothing at all", async () => {
    const show = new Show();
    await show.until(1, take("nothing"));
    expect(show.terminal.written).toBe("release 20261121 (opened 23:41 UTC yesterday)\nnothing to do\n");
  });

  test("closed while ora is still being loaded stays closed", async () => {
    const show = new Show();
    show.renderer.event(started(0, "a", never));
    show.renderer.close();
    await show.renderer.ready;
    show.renderer.refresh();
    expect(show.terminal.written).toBe("");
  });
});

describe("Ctrl-C", () => {
  test("says what is being stopped, once", async () => {
    const nobody = (): void => undefined;
    process.on("SIGINT", nobody);
    try {
      const [show, events] = [new Show(100), take("example")];
      await show.until(12, events);
      process.emit("SIGINT", "SIGINT");
      process.emit("SIGINT", "SIGINT");
      show.now += 2000;
      show.renderer.refresh();
      expect(show.screen.slice(2)).toEqual([
        "interrupted, stopping rootfs-amd64-mini.tree, rootfs-amd64-standard.tree",
        "⠋ stopping 2 running, 2 s, Ctrl-C again: do not wait",
        "  rootfs-amd64-mini.tree      8 s",
        "  rootfs-amd64-standard.tree  8 s",
      ]);
      show.renderer.event(failed(14, "rootfs-amd64-mini.tree", { kind: "interrupted" }));
      expect(show.screen.slice(3, 5)).toEqual([
        "■ rootfs-amd64-mini.tree stopped",
        "⠋ stopping 1 running, 2 s, Ctrl-C again: do not wait",
      ]);
    } finally {
      process.off("SIGINT", nobody);
    }
  });

  test("leaves no listener behind", async () => {
    const before = process.listenerCount("SIGINT");
    const show = new Show();
    await show.until(12, take("example"));
    show.renderer.close();
    expect(process.listenerCount("SIGINT")).toBe(before);
  });

  test("still ends a process in which nobody else listens", async () => {
    const url = (name: string): string =>
      JSON.stringify(new URL(`../cli/render/${name}`, import.meta.url).href);
    const script = `
      const { createTty } = await import(${url("tty.js")});
      const renderer = createTty({ stderr: process.stderr, verbosity: "normal", cwd: "/" });
      const reason = { kind: "build", reason: { kind: "forced" } };
      renderer.event({ type: "started", target: "a", build: "b", reason, expected: null, at: Date.now() });
      await renderer.ready;
      process.stdout.write("ready");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    await once(child.stdout, "data");
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([null, "SIGINT"]);
  });
});

describe("the estimate", () => {
  const plan = (...decisions: [string, number | null, string[]][]): Board => {
    const board = new Board();
    board.apply(
      at(0, {
        type: "plan",
        decisions: decisions.map(([target, expected, inputs]) => ({
          target,
          rule: target,
          decision: inputs.length === 0 ? never : after(...inputs),
          expected,
        })),
      }),
    );
    return board;
  };

  test("is the work over the slots, or the longest chain", () => {
    const board = plan(["a", 10_000, []], ["b", 10_000, []], ["c", 10_000, []], ["d", 10_000, []]);
    expect(board.timeLeft(NIGHT, 2)).toBe(20_000);
    expect(plan(["a", 10_000, []], ["b", 10_000, ["a"]], ["c", 1000, []]).timeLeft(NIGHT, 2)).toBe(20_000);
  });

  test("goes down while actions run, and not below nothing when one takes longer", () => {
    const board = plan(["a", 10_000, []], ["b", 4000, ["a"]]);
    board.apply(started(0, "a", never, 10_000));
    expect(board.timeLeft(NIGHT + 3000, 2)).toBe(11_000);
    expect(board.timeLeft(NIGHT + 60_000, 2)).toBe(4000);
    expect(board.timeLeft(NIGHT - 60_000, 2)).toBe(14_000);
    board.apply(built(10, "a", 10));
    expect(board.timeLeft(NIGHT + 10_000, 2)).toBe(4000);
  });

  test("takes the mean for what was never built, and says nothing when most was not", () => {
    expect(plan(["a", 10_000, []], ["b", null, []]).timeLeft(NIGHT, 1)).toBe(20_000);
    expect(plan(["a", 10_000, []], ["b", null, []], ["c", null, []]).timeLeft(NIGHT, 1)).toBeNull();
    expect(plan(["a", null, []]).timeLeft(NIGHT, 1)).toBeNull();
  });

  test("asks nobody how long something takes that is up to date: each asks the index", () => {
    const standing = {
      target: "a",
      rule: "run",
      decision: { kind: "up-to-date" as const },
      get expected(): number {
        throw new Error("asked");
      },
    };
    expect(() => new Board().apply(at(0, { type: "plan", decisions: [standing] }))).not.toThrow();
  });

  test("of a first build comes from what the same rule made in it", () => {
    const board = new Board();
    const decisions = ["a", "b", "c"].map((target) => ({
      target,
      rule: "pack",
      decision: never,
      expected: null,
    }));
    board.apply(at(0, { type: "plan", decisions }));
    expect(board.timeLeft(NIGHT, 1)).toBeNull();
    board.apply(started(0, "a", never));
    board.apply(built(8, "a", 8));
    expect(board.timeLeft(NIGHT + 8000, 1)).toBe(16_000);
    board.apply({ ...started(8, "b", never), rule: "pack" } as BuildEvent);
    expect(board.running.get("b")?.expected).toBe(8000);
  });
});

describe("lines fit", () => {
  const text = fc.oneof(fc.string({ maxLength: 60 }), fc.string({ unit: "grapheme", maxLength: 60 }));

  test("cut text is as wide as allowed, and whole when it fits", () => {
    fc.assert(
      fc.property(text, fc.integer({ min: -3, max: 80 }), (line, columns) => {
        for (const shorten of [cut, cutMiddle]) {
          const short = shorten(line, columns);
          expect(widthOf(short)).toBeLessThanOrEqual(Math.max(0, columns));
          if (widthOf(line) <= columns) expect(short).toBe(line);
        }
      }),
    );
    expect(cut("rootfs-amd64", 8)).toBe("rootfs-…");
    expect(cutMiddle("rootfs-amd64-standard", 12)).toBe("rootfs…ndard");
    expect(cutMiddle("平台平台平台", 8)).toBe("平台…台");
  });

  test("whatever the names, the sizes and the moment", () => {
    const names = fc.array(fc.oneof(text, fc.constant("platformfs-pinebookpro-aarch64")), { maxLength: 30 });
    fc.assert(
      fc.property(
        names,
        fc.integer({ min: 12, max: 140 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: -10, max: 4000 }),
        (targets, columns, rows, seconds) => {
          const board = new Board();
          for (const [index, target] of targets.entries()) {
            board.apply(started(0, target, never, index % 2 === 0 ? null : 60_000));
          }
          const now = NIGHT + seconds * 1000;
          const { word, rest } = statusOf(board, {
            now,
            columns,
            rows,
            left: 90_000,
            paint: noPaint,
            lastSaid: () => null,
          });
          const lines = `* ${word} ${rest}`.split("\n");
          expect(lines.length).toBeLessThanOrEqual(Math.max(1, rows - 1));
          for (const line of lines) expect(widthOf(line)).toBeLessThan(columns);
        },
      ),
    );
  });
});
