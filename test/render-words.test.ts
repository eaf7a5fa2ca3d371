import { describe, expect, test } from "@jest/globals";
import { formatBytes, formatDuration, formatLeft, formatSeconds } from "../cli/render/numbers.js";
import { describeDecision, describeFailure, explainDecision, hintOf } from "../cli/render/reason.js";
import { summaryLine } from "../cli/render/summary.js";
import { visible, visibleLogLine } from "../cli/render/visible.js";
import { formatWhen, releaseLine } from "../cli/render/when.js";
import type { Failure } from "../engine/reason.js";
import type { BuildReason, Change, Decision, PackageChange, RestoreReason } from "../engine/reason.js";

const A = "f:" + "a".repeat(64);
const B = "f:" + "b".repeat(64);
const change = (component: string, before: string | null, after: string | null): Change => ({
  component,
  before,
  after,
});
const changed = (changes: readonly Change[], packages: readonly PackageChange[] = []): BuildReason => ({
  kind: "changed",
  changes,
  packages,
});
const build = (reason: BuildReason): Decision => ({ kind: "build", reason });
const restore = (reason: RestoreReason): Decision => ({ kind: "restore", reason });

describe("numbers in words", () => {
  test.each([
    [-5000, "<0.1 s"],
    [0, "<0.1 s"],
    [49, "<0.1 s"],
    [400, "0.4 s"],
    [9940, "9.9 s"],
    [9960, "10 s"],
    [11_200, "11 s"],
    [59_600, "1 m 0 s"],
    [134_000, "2 m 14 s"],
    [3_599_600, "1 h 0 m"],
    [3_780_000, "1 h 3 m"],
    [93_780_000, "26 h 3 m"],
  ])("a duration of %d ms", (ms, words) => expect(formatDuration(ms)).toBe(words));

  test("a ticking display counts whole seconds", () => {
    expect([0, 1000, 61_000].map(formatSeconds)).toEqual(["0 s", "1 s", "1 m 1 s"]);
  });

  test.each([
    [1, "about 5 s left"],
    [11_000, "about 10 s left"],
    [24_000, "about 25 s left"],
    [58_000, "about 1 min left"],
    [170_000, "about 3 min left"],
    [59.6 * 60_000, "about 1 h left"],
    [98 * 60_000, "about 1 h 40 min left"],
  ])("%d ms are left", (ms, words) => expect(formatLeft(ms)).toBe(words));

  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [1536, "1.5 kB"],
    [9_949_000, "9.9 MB"],
    [9_960_000, "10 MB"],
    [19_200_000, "19 MB"],
    [999_600, "1.0 MB"],
    [1_200_000_000, "1.2 GB"],
    [5e18, "5000 PB"],
  ])("%d bytes", (bytes, words) => expect(formatBytes(bytes)).toBe(words));
});

describe("moments are in UTC, in the words of the contract", () => {
  const opened = Date.UTC(2026, 10, 21, 23, 41);
  test.each([
    [Date.UTC(2026, 10, 21, 23, 59, 59), "23:41 UTC"],
    [Date.UTC(2026, 10, 22, 0, 0, 0), "23:41 UTC yesterday"],
    [Date.UTC(2026, 10, 24, 0, 0, 0), "23:41 UTC 3 days ago"],
    [Date.UTC(2026, 10, 20, 0, 0, 0), "23:41 UTC on 2026-11-21"],
  ])("at %d", (now, words) => expect(formatWhen(opened, now)).toBe(words));

  test("joining a release says when it was opened, opening one that it is new", () => {
    const at = Date.UTC(2026, 10, 22, 0, 5);
    const line = (joined: boolean): string => releaseLine({ datecode: "20261121", opened, joined, at });
    expect(line(true)).toBe("release 20261121 (opened 23:41 UTC yesterday)");
    expect(line(false)).toBe("release 20261121 (opened now)");
  });
});

/** A member, its words in one line, and in full where that differs. */
type Case<T> = readonly [member: T, line: string, lines?: readonly string[]];

/** The compiler makes it complete: a new reason or failure has to be given its words here. */
type Table<T extends { readonly kind: string }> = {
  readonly [K in T["kind"]]: readonly Case<Extract<T, { readonly kind: K }>>[];
};

const buildWords: Table<BuildReason> = {
  "never-built": [[{ kind: "never-built" }, "never built"]],
  unchecked: [
    [
      { kind: "unchecked" },
      "packages are to be verified, as the configuration of their repository asks for now",
    ],
  ],
  changed: [
    [changedOf([]), "its description changed"],
    [changedOf([change("input SRC src/a.txt", A, B)]), "input SRC src/a.txt changed"],
    [changedOf([change("input SRC src/a.txt", null, B)]), "input SRC src/a.txt added"],
    [changedOf([change("input SRC src/a.txt", A, null)]), "input SRC src/a.txt removed"],
    [changedOf([change("input SRC a", A, A.replace("f:", "x:"))]), "input SRC a became executable"],
    [changedOf([change("input SRC a", A.replace("f:", "x:"), A)]), "input SRC a is no longer executable"],
    [changedOf([change("input MODE", A.replace("f:", "e:"), B.replace("f:", "e:"))]), "input MODE changed"],
    [changedOf([change("input SRC link", "l:a", "l:b")]), 'input SRC link changed: "→ a" → "→ b"'],
    [changedOf([change("schema", "1", "2")]), 'how keys are made changed: "1" → "2"'],
    [changedOf([change("env LANG", "C", "de")]), 'environment LANG changed: "C" → "de"'],
    [changedOf([change("env LANG", null, "de")]), 'environment LANG added: "de"'],
    [changedOf([change("env LANG", "C", null)]), 'environment LANG removed: "C"'],
    [changedOf([change("env X", "a\u001b[2J", "b\n")]), 'environment X changed: "a\\u001b[2J" → "b\\n"'],
    [changedOf([change("network", null, "yes")]), "network added"],
    [changedOf([change("tool zstd", "1.5.4", "1.5.5")]), 'tool zstd changed: "1.5.4" → "1.5.5"'],
    [
      changedOf([change("recipe pack.sh", "sha256:" + "a".repeat(64), "sha256:" + "b".repeat(64))]),
      "recipe pack.sh changed",
    ],
    [
      changedOf([change("command", '{"kind":"shell","text":"cat a"}', '{"kind":"shell","text":"cat b"}')]),
      'command changed: "cat a" → "cat b"',
    ],
    [
      changedOf([
        change(
          "command",
          JSON.stringify({
            kind: "shell",
            text: "set -x\ntar -cf $OUT in/TREE --sort=name --numeric-owner\ntrue",
          }),
          JSON.stringify({ kind: "shell", text: "set -x\ntar -cf $OUT in/TREE --sort=name\ntrue" }),
        ),
      ]),
      "command changed",
      [
        "command changed:",
        "  - tar -cf $OUT in/TREE --sort=name --numeric-owner",
        "  + tar -cf $OUT in/TREE --sort=name",
      ],
    ],
    [
      changedOf(
        [change("packages", "a".repeat(64), "b".repeat(64)), change("input LIST", A, B)],
        [
          { name: "systemd", before: "252.1", after: "252.2" },
          { name: "nano", before: "7.2-1", after: null },
          { name: "vim", before: null, after: "2:9.0.1378-2" },
        ],
      ),
      "packages: + vim 2:9.0.1378-2, - nano, systemd 252.1 → 252.2; input LIST changed",
      ["packages: + vim 2:9.0.1378-2, - nano, systemd 252.1 → 252.2", "input LIST changed"],
    ],
    [
      changedOf([], [{ name: "glibc", before: "2.28-1", after: "2.28-1" }]),
      "packages: glibc 2.28-1 (rebuilt, same version)",
    ],
    [changedOf([change("packages", "a".repeat(64), "b".repeat(64))]), "packages changed"],
    [
      changedOf(["a", "b", "c", "d", "e", "f", "g"].map((name) => change(`input SRC ${name}`, A, B))),
      "input SRC a changed; input SRC b changed; input SRC c changed; input SRC d changed and 3 more",
      ["a", "b", "c", "d", "e", "f", "g"].map((name) => `input SRC ${name} changed`),
    ],
  ],
  "input-pending": [
    [{ kind: "input-pending", targets: ["a"] }, "input a is out of date"],
    [{ kind: "input-pending", targets: ["a", "b"] }, "inputs a, b are out of date"],
    [
      { kind: "input-pending", targets: ["a", "b", "c", "d", "e", "f"] },
      "inputs a, b, c, d and 2 more are out of date",
      ["inputs a, b, c, d, e, f are out of date"],
    ],
  ],
  "not-resolved": [[{ kind: "not-resolved" }, "packages not resolved"]],
  inserted: [
    [
      { kind: "inserted", rule: "step.write", now: "img/base-4" },
      "a new step.write; what had its name is img/base-4",
    ],
  ],
  unresolvable: [
    [
      { kind: "unresolvable", problem: { exit: 2, message: "there is no vimm", hint: "did you mean vim?" } },
      "its packages cannot be resolved: there is no vimm",
      ["its packages cannot be resolved: there is no vimm", "did you mean vim?"],
    ],
  ],
  "failed-before": [
    [
      { kind: "failed-before", failure: null, at: "2026-11-21T23:41:00.000Z", log: null, since: null },
      "failed last time",
    ],
    [
      {
        kind: "failed-before",
        failure: { kind: "exit", status: 7 },
        at: "2026-11-21T23:41:00.000Z",
        log: "/p/.imagemake/logs/x.log",
        since: { changes: [change("input SRC a", A, B)], packages: [] },
      },
      "failed last time: exit status 7",
      ["failed last time: exit status 7", "since what is published:", "  input SRC a changed"],
    ],
  ],
  "artifact-lost": [[{ kind: "artifact-lost", target: "a" }, "artifact of a is gone from the store"]],
  rejected: [[{ kind: "rejected", target: "a", because: "no boot" }, "a was rejected: no boot"]],
  "adopted-otherwise": [
    [
      { kind: "adopted-otherwise", target: "a", because: "a fire" },
      "a was adopted (a fire) for what it was made from then",
    ],
  ],
  forced: [[{ kind: "forced" }, "forced"]],
};

function changedOf(changes: readonly Change[], packages: readonly PackageChange[] = []) {
  return { kind: "changed", changes, packages } as const;
}

const restoreWords: Table<RestoreReason> = {
  missing: [[{ kind: "missing", path: "out/a.tar" }, "out/a.tar is missing"]],
  edited: [[{ kind: "edited", path: "out/a.tar" }, "out/a.tar was edited"]],
  "new-name": [[{ kind: "new-name", path: "out/a-20261122.tar" }, "new name out/a-20261122.tar"]],
  shared: [
    [
      { kind: "shared", cache: "file:///srv/c", machine: "builder", at: "2026-11-21T23:41:07.123Z" },
      "taken from file:///srv/c (built on builder, 2026-11-21 23:41 UTC)",
    ],
  ],
  "key-known": [
    [{ kind: "key-known", from: "b7", changes: [] }, "built before (b7)"],
    [
      { kind: "key-known", from: "2026-11-21T23:41:07.123Z", changes: [change("env LANG", "C", "de")] },
      'environment LANG changed: "C" → "de"; built before (2026-11-21 23:41 UTC)',
      ['environment LANG changed: "C" → "de"', "built before (2026-11-21 23:41 UTC)"],
    ],
  ],
};

const failureWords: Table<Failure> = {
  exit: [[{ kind: "exit", status: 25 }, "exit status 25"]],
  signal: [[{ kind: "signal", signal: "SIGKILL" }, "killed by SIGKILL"]],
  timeout: [
    [{ kind: "timeout", seconds: 5 }, "timed out after 5 s"],
    [{ kind: "timeout", seconds: 600 }, "timed out after 10 m 0 s"],
  ],
  interrupted: [[{ kind: "interrupted" }, "interrupted"]],
  "output-missing": [
    [
      { kind: "output-missing", output: "OUT", expected: ".out/a.tar" },
      "output OUT was not made: expected .out/a.tar",
    ],
  ],
  "wrong-date": [
    [
      { kind: "wrong-date", expected: "a-20261121.tar", found: "a-20261122.tar" },
      "output has another date: expected a-20261121.tar, found a-20261122.tar",
    ],
  ],
  guard: [
    [
      { kind: "guard", output: "OUT", message: "0 bytes, at least 1 needed" },
      "output OUT refused: 0 bytes, at least 1 needed",
    ],
  ],
  problem: [[{ kind: "problem", problem: { exit: 3, message: "no space left" } }, "no space left"]],
};

describe("every reason and failure has its words", () => {
  test("up to date", () => {
    expect(describeDecision({ kind: "up-to-date" })).toBe("up to date");
    expect(explainDecision({ kind: "up-to-date" })).toEqual(["up to date"]);
  });
  for (const [reason, line, lines] of Object.values<readonly Case<BuildReason>[]>(buildWords).flat()) {
    test(`to build, ${reason.kind}: ${line}`, () => {
      expect(describeDecision(build(reason))).toBe(line);
      expect(explainDecision(build(reason))).toEqual(lines ?? [line]);
    });
  }
  for (const [reason, line, lines] of Object.values<readonly Case<RestoreReason>[]>(restoreWords).flat()) {
    test(`to restore, ${reason.kind}: ${line}`, () => {
      expect(describeDecision(restore(reason))).toBe(line);
      expect(explainDecision(restore(reason))).toEqual(lines ?? [line]);
    });
  }
  for (const [failure, line] of Object.values<readonly Case<Failure>[]>(failureWords).flat()) {
    test(`failure, ${failure.kind}: ${line}`, () => expect(describeFailure(failure)).toBe(line));
  }

  test("a problem's hint is kept apart from its sentence", () => {
    expect(
      hintOf({ kind: "problem", problem: { exit: 3, message: "a", hint: "apt install b\nor c" } }),
    ).toEqual(["apt install b", "or c"]);
    expect(hintOf({ kind: "exit", status: 1 })).toEqual([]);
  });
});

test("many changed packages are shortened in one line and complete, one a line, in full", () => {
  const packages = Array.from({ length: 20 }, (_, i) => ({
    name: `p${String(i).padStart(2, "0")}`,
    before: i < 3 ? null : "1",
    after: i === 19 ? null : "2",
  }));
  const reason = build(changed([], packages));
  expect(describeDecision(reason)).toBe("packages: + p00 2, + p01 2, + p02 2, - p19 and 16 more");
  const again = packages.map(({ name }) => ({ name, before: "2", after: "2" }));
  // A repository that was signed again as a whole is one line, not a page.
  const said = explainDecision(build(changed([], again)));
  expect(said).toEqual([
    "packages: 20 rebuilt, same version",
    expect.stringMatching(/^ {2}rebuilt, same version: p00 2, p01 2, .*, p19 2$/),
  ]);
  const lines = explainDecision(reason);
  expect(lines[0]).toBe("packages: 3 added, 1 removed, 16 in another version");
  expect(lines).toHaveLength(21);
  expect(lines).toContain("  p07 1 → 2");
});

describe("the summary", () => {
  const done = {
    type: "done" as const,
    built: 0,
    restored: 0,
    upToDate: 0,
    failed: 0,
    skipped: 0,
    isolated: true,
    duration: 134_000,
    at: 0,
  };
  test.each([
    [{ ...done, upToDate: 107 }, [], "nothing to do"],
    [{ ...done, built: 3, restored: 1, upToDate: 12 }, [], "built 3, restored 1, 12 up to date, 2 m 14 s"],
    [{ ...done, restored: 107, duration: 900 }, [], "built 0, restored 107, 0.9 s"],
    [
      { ...done, built: 1, failed: 2, skipped: 3 },
      ["a", "b"],
      "built 1, failed 2 (a, b), skipped 3, 2 m 14 s",
    ],
    [
      { ...done, failed: 7 },
      ["a", "b", "c", "d", "e", "f", "g"],
      "built 0, failed 7 (a, b, c, d, e, …), 2 m 14 s",
    ],
  ])("%#", (event, failed, line) => expect(summaryLine(event, failed)).toBe(line));

  test("what we stopped ourselves has not failed", () => {
    expect(summaryLine({ ...done, failed: 3 }, ["a"], 2)).toBe("built 0, failed 1 (a), stopped 2, 2 m 14 s");
    expect(summaryLine(done, [], 0, 2)).toBe("built 0, not begun 2, 2 m 14 s");
  });
});

test("foreign text cannot move the cursor, end the line or turn it around", () => {
  expect(visible("a\u001b[2Jb\u001b]0;title\u0007c")).toBe("abc");
  expect(visible("a\nb\u0000\u0085\u202ec\td")).toBe("a\\nb\\x00\\x85\\u202ec    d");
  expect(visibleLogLine(" 10%\r 55%\r100% done\r")).toBe("100% done");
});
