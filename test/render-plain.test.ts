import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { chooseRenderer, type Progress, type Verbosity } from "../cli/render/index.js";
import { plainLines } from "../cli/render/plain.js";
import { tableLines } from "../cli/render/columns.js";
import type { BuildEvent } from "../engine/events.js";
import { FakeTerminal } from "./support/fake-terminal.js";
import { at, builds, failed, never, started } from "./support/synthetic-builds.js";

const example = (): BuildEvent[] => builds["example"]?.() ?? [];
const say = (events: readonly BuildEvent[], verbosity: Verbosity = "normal"): string[] =>
  events.flatMap(plainLines(verbosity, "/project"));

describe("the plain log", () => {
  test("says each event that matters once, in this wording", () => {
    expect(say(example())).toEqual([
      "release 20261121 (opened 23:41 UTC yesterday)",
      "6 to build, 1 to restore, 1 up to date",
      "snapshot bookworm main (amd64)",
      "resolve rootfs-amd64-standard.tree: 214 packages",
      "fetch 27 packages, 19 MB",
      "start rootfs-amd64-mini.tree: never built",
      "start rootfs-amd64-standard.tree: packages: + vim 2:9.0.1378-2, - nano, systemd 252.1 → 252.2",
      "restored platformfs-generic.tree: out/debian-generic-20261121.tar.xz is missing",
      "built rootfs-amd64-mini.tree (11 s)",
      "start rootfs-amd64-mini: input rootfs-amd64-mini.tree is out of date",
      "start pxe-amd64-mini: input rootfs-amd64-mini.tree is out of date",
      "warning: the state directory is on overlay: trees are copied",
      "built rootfs-amd64-mini (2.0 s)",
      "built pxe-amd64-mini (5.0 s)",
      "built rootfs-amd64-standard.tree (30 s)",
      "start pxe-amd64-standard: input rootfs-amd64-standard.tree is out of date",
      "failed pxe-amd64-standard: exit status 25 (after 3.2 s)",
      "  | Reading package lists...",
      "  | E: Unable to locate package vimm",
      "  log: .imagemake/logs/b-pxe-amd64-standard.log (imagemake log pxe-amd64-standard)",
      '  command: mmdebstrap --variant=apt bookworm "$OUT"',
      "skipped boot-amd64-standard: pxe-amd64-standard failed",
      "built 4, restored 1, failed 1 (pxe-amd64-standard), skipped 1, 1 up to date, 40 s",
      "  out/debian-generic-20261121.tar.xz   44 MB",
      "  out/rootfs-amd64-mini.tree.tar      3.1 MB  11 s",
      "  out/rootfs-amd64-mini.tar           3.1 MB  2.0 s",
      "  out/pxe-amd64-mini.tar              3.1 MB  5.0 s",
      "  out/rootfs-amd64-standard.tree.tar  3.1 MB  30 s",
      "  9.0 s of work was not done again",
    ]);
  });

  test("with nothing to do says only that", () => {
    expect(say(builds["nothing"]?.() ?? [])).toEqual([
      "release 20261121 (opened 23:41 UTC yesterday)",
      "nothing to do",
    ]);
  });

  test("quiet says failures and nothing else", () => {
    const lines = say(example(), "quiet");
    expect(lines[0]).toBe("failed pxe-amd64-standard: exit status 25 (after 3.2 s)");
    expect(lines).toHaveLength(5);
  });

  test("verbose adds what is up to date, reasons in full and outputs", () => {
    const lines = say([at(0, { type: "up-to-date", target: "a" }), ...example()], "verbose");
    expect(lines).toContain("up to date a");
    expect(lines).toContain("  packages: + vim 2:9.0.1378-2, - nano, systemd 252.1 → 252.2");
    expect(lines).toContain(`  out/rootfs-amd64-mini.tar ${"a".repeat(64)}`);
  });

  test("a planned target whose inputs came out the same is news", () => {
    const plan = at(0, {
      type: "plan",
      decisions: [{ target: "a", rule: "run", decision: never, expected: null }],
    });
    const lines = say([plan, at(1, { type: "up-to-date", target: "a" })]);
    expect(lines[1]).toBe("unchanged a: same inputs after all");
  });

  test("not every fetched file is a line, but a long fetch is seen to go on", () => {
    const events = Array.from({ length: 25 }, (_, i) =>
      at(i, { type: "phase", phase: "fetch", detail: `${i} of 25` }),
    );
    expect(say(events)).toEqual(["fetch 0 of 25", "fetch 10 of 25", "fetch 20 of 25"]);
  });

  test("an interrupted action is stopped, not failed, and its log is not shown", () => {
    const done = {
      built: 0,
      restored: 0,
      upToDate: 0,
      failed: 1,
      skipped: 0,
      isolated: true,
      duration: 4000,
    };
    const events = [failed(3, "a", { kind: "interrupted" }), at(4, { type: "done", ...done })];
    expect(say(events)).toEqual(["stopped a: interrupted (after 3.2 s)", "built 0, stopped 1, 4.0 s"]);
  });

  test("a command of several lines keeps them", () => {
    const lines = say([
      failed(3, "a", { kind: "exit", status: 1 }, { command: "set -x\nfalse\n", tail: [] }),
    ]);
    expect(lines.slice(-3)).toEqual(["  command:", "    set -x", "    false"]);
  });

  test("holds no control characters, whatever is in the events", () => {
    const evil = "a\u001b[31mb\u0007\r\n\tc\u009b2J\u202e";
    const events: BuildEvent[] = [
      at(0, { type: "release", datecode: "20261121", opened: 0, joined: true, explicit: false }),
      at(0, { type: "phase", phase: "fetch", detail: evil }),
      started(0, evil, { kind: "build", reason: { kind: "artifact-lost", target: evil } }),
      at(0, {
        type: "restored",
        target: evil,
        outputs: [evil],
        sizes: [1],
        reason: { kind: "restore", reason: { kind: "missing", path: evil } },
      }),
      at(0, {
        type: "built",
        target: evil,
        build: evil,
        outputs: [evil],
        sizes: [1],
        digests: [evil],
        duration: 1,
      }),
      failed(
        0,
        evil,
        { kind: "guard", output: evil, message: evil },
        { log: evil, tail: [evil, evil], command: evil },
      ),
      at(0, { type: "skipped", target: evil, because: evil }),
      at(0, { type: "notice", level: "warning", message: evil }),
      at(0, { type: "waiting", holder: evil }),
    ];
    for (const line of say(events, "verbose")) expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
  });
});

describe("the choice of a renderer", () => {
  const cases: readonly (readonly [
    Progress,
    Verbosity,
    boolean,
    NodeJS.ProcessEnv,
    "tty" | "plain" | "json",
  ])[] = [
    ["auto", "normal", true, { TERM: "xterm" }, "tty"],
    ["auto", "normal", false, { TERM: "xterm" }, "plain"],
    ["auto", "normal", true, { TERM: "dumb" }, "plain"],
    ["auto", "normal", true, { TERM: "xterm", CI: "true" }, "plain"],
    ["auto", "normal", true, { TERM: "xterm", CI: "false" }, "tty"],
    ["auto", "quiet", true, { TERM: "xterm" }, "plain"],
    ["tty", "normal", false, { TERM: "xterm", CI: "1" }, "tty"],
    ["plain", "normal", true, { TERM: "xterm" }, "plain"],
    ["json", "quiet", true, { TERM: "xterm" }, "json"],
  ];
  test.each(cases)("%s, %s, terminal %s, %j: %s", async (progress, verbosity, isTTY, env, chosen) => {
    const [stdout, stderr] = [new FakeTerminal(), new FakeTerminal()];
    Object.defineProperty(stderr, "isTTY", { value: isTTY });
    const utf8 = { LANG: "C.UTF-8", ...env };
    const renderer = await chooseRenderer({ progress, verbosity, stdout, stderr, cwd: "/", env: utf8 });
    const event = failed(1, "a", { kind: "exit", status: 1 });
    renderer.event(event);
    renderer.close();
    renderer.close();
    if (chosen === "json") {
      const [begin, ...lines] = stdout.written.trimEnd().split("\n");
      expect([begin, lines.map((line): unknown => JSON.parse(line))]).toEqual([
        expect.stringContaining('"begin"'),
        [event],
      ]);
      expect(stderr.written).toBe("");
    } else {
      expect(stdout.written).toBe("");
      expect(stderr.screen[0]).toMatch(chosen === "tty" ? /^✗ a: / : /^failed a: /);
    }
  });

  test("a reader that goes away does not end the build", async () => {
    const script = `
      const { createJson } = await import(${JSON.stringify(new URL("../cli/render/json.js", import.meta.url).href)});
      const renderer = createJson(process.stdout);
      for (let at = 0; at < 20; at += 1) {
        renderer.event({ type: "waiting", holder: "x".repeat(10000), at });
        await new Promise((done) => setImmediate(done));
      }
      process.stderr.write("went on");`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    expect(await once(child, "close")).toEqual([0, null]);
    expect(stderr).toBe("went on");
  });
});

describe("tables", () => {
  const rows = [
    { name: "rootfs-x86_64", size: "19 MB", state: "built" },
    { name: "平台", size: "1.2 GB", state: "a\nb" },
  ];
  const columns = [
    { head: "TARGET", value: (row: (typeof rows)[0]) => row.name, shrinks: true },
    { head: "SIZE", value: (row: (typeof rows)[0]) => row.size, align: "right" as const },
    { head: "STATE", value: (row: (typeof rows)[0]) => row.state },
  ];

  test("align by display width, without blanks at the ends of lines", () => {
    expect(tableLines(rows, columns)).toEqual([
      "TARGET           SIZE  STATE",
      "rootfs-x86_64   19 MB  built",
      "平台           1.2 GB  a\\nb",
    ]);
  });

  test("only shrink on a terminal, and only the column that may", () => {
    expect(tableLines(rows, columns, { width: 24, head: false })).toEqual([
      "rootfs-x…   19 MB  built",
      "平台       1.2 GB  a\\nb",
    ]);
    expect(tableLines(rows, columns, { width: 5, head: false })[0]).toBe("rootfs-…   19 MB  built");
    expect(tableLines(rows, columns, { width: null, head: false })[0]).toBe("rootfs-x86_64   19 MB  built");
  });

  test("of nothing are a heading, or nothing", () => {
    expect(tableLines([], columns)).toEqual(["TARGET  SIZE  STATE"]);
    expect(tableLines([], columns, { head: false })).toEqual([]);
  });
});
