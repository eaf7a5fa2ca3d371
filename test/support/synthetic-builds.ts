// Event streams of builds that never were, for the tests of the renderers and for looking at them.
// Times count from NIGHT, a moment shortly before midnight UTC.
import type { BuildEvent } from "../../engine/events.js";
import type { Failure } from "../../engine/reason.js";
import type { Decision } from "../../engine/reason.js";

/** 2026-11-21 23:41:00 UTC, in milliseconds. */
export const NIGHT = Date.UTC(2026, 10, 21, 23, 41);

/** An event without its time. */
export type Untimed = BuildEvent extends infer E ? (E extends BuildEvent ? Omit<E, "at"> : never) : never;

/** An event at `seconds` after NIGHT. */
export const at = (seconds: number, event: Untimed): BuildEvent => ({ ...event, at: NIGHT + seconds * 1000 });

export const never: Decision = { kind: "build", reason: { kind: "never-built" } };
const upToDate: Decision = { kind: "up-to-date" };
const morePackages: Decision = {
  kind: "build",
  reason: {
    kind: "changed",
    changes: [],
    packages: [
      { name: "nano", before: "7.2-1", after: null },
      { name: "systemd", before: "252.1", after: "252.2" },
      { name: "vim", before: null, after: "2:9.0.1378-2" },
    ],
  },
};
export const after = (...targets: string[]): Decision => ({
  kind: "build",
  reason: { kind: "input-pending", targets },
});
const missing = (path: string): Decision => ({ kind: "restore", reason: { kind: "missing", path } });

export const started = (seconds: number, target: string, reason: Decision, expected: number | null = null) =>
  at(seconds, {
    type: "started",
    target,
    rule: "run",
    build: `b-${target}`,
    reason,
    expected,
    log: `/project/.imagemake/logs/b-${target}.log`,
  });
export const built = (seconds: number, target: string, duration: number) =>
  at(seconds, {
    type: "built",
    target,
    build: `b-${target}`,
    outputs: [`out/${target}.tar`],
    sizes: [3_145_728],
    digests: ["a".repeat(64)],
    duration: duration * 1000,
  });
export const failed = (seconds: number, target: string, failure: Failure, more: Partial<Untimed> = {}) =>
  at(seconds, {
    type: "failed",
    target,
    build: `b-${target}`,
    failure,
    log: `/project/.imagemake/logs/b-${target}.log`,
    tail: ["Reading package lists...", "E: Unable to locate package vimm"],
    command: 'mmdebstrap --variant=apt bookworm "$OUT"',
    duration: 3200,
    ...more,
  } as Untimed); // `more` is made of fields of this event.

const release = (joined: boolean): BuildEvent =>
  at(0, {
    type: "release",
    datecode: "20261121",
    opened: NIGHT - (joined ? 86_400_000 : 0),
    joined,
    explicit: false,
  });

/** The example's network boot: two chains, one restored, one failing after it. */
function example(): BuildEvent[] {
  const plan: readonly (readonly [string, Decision, number | null])[] = [
    ["rootfs-amd64-mini.tree", never, 11_000],
    ["rootfs-amd64-standard.tree", morePackages, 24_000],
    ["rootfs-arm64-mini.tree", upToDate, null],
    ["rootfs-amd64-mini", after("rootfs-amd64-mini.tree"), 2000],
    ["platformfs-generic.tree", missing("out/debian-generic-20261121.tar.xz"), 9000],
    ["pxe-amd64-mini", after("rootfs-amd64-mini.tree"), 5000],
    ["pxe-amd64-standard", after("rootfs-amd64-standard.tree", "platformfs-generic.tree"), 30_000],
    ["boot-amd64-standard", after("pxe-amd64-standard"), 70_000],
  ];
  return [
    release(true),
    at(0, {
      type: "plan",
      decisions: plan.map(([target, decision, expected]) => ({ target, rule: "run", decision, expected })),
    }),
    at(0, { type: "phase", phase: "snapshot", detail: "bookworm main (amd64)" }),
    at(2, { type: "phase", phase: "resolve", detail: "rootfs-amd64-standard.tree: 214 packages" }),
    at(3, { type: "phase", phase: "fetch", detail: "27 packages, 19 MB" }),
    started(6, "rootfs-amd64-mini.tree", never, 11_000),
    started(6, "rootfs-amd64-standard.tree", morePackages, 24_000),
    at(7, {
      type: "restored",
      target: "platformfs-generic.tree",
      outputs: ["out/debian-generic-20261121.tar.xz"],
      sizes: [44_040_192],
      reason: missing("out/debian-generic-20261121.tar.xz"),
    }),
    built(17, "rootfs-amd64-mini.tree", 11),
    started(17, "rootfs-amd64-mini", after("rootfs-amd64-mini.tree"), 2000),
    started(17, "pxe-amd64-mini", after("rootfs-amd64-mini.tree"), 5000),
    at(18, {
      type: "notice",
      level: "warning",
      message: "the state directory is on overlay: trees are copied",
    }),
    built(19, "rootfs-amd64-mini", 2),
    built(22, "pxe-amd64-mini", 5),
    built(36, "rootfs-amd64-standard.tree", 30),
    started(36, "pxe-amd64-standard", after("rootfs-amd64-standard.tree"), 30_000),
    failed(39.2, "pxe-amd64-standard", { kind: "exit", status: 25 }),
    at(39.2, { type: "skipped", target: "boot-amd64-standard", because: "pxe-amd64-standard" }),
    at(40, {
      type: "done",
      built: 4,
      restored: 1,
      upToDate: 1,
      failed: 1,
      skipped: 1,
      isolated: true,
      duration: 40_000,
    }),
  ];
}

/** Void's 107 artifacts on 24 slots, each with its own duration; no failures. */
function many(): BuildEvent[] {
  const platforms = ["rpi-armv7l-musl", "pinebookpro-aarch64", "x86_64-musl", "GCP-x86_64", "宽-unicode"];
  const targets = Array.from({ length: 107 }, (_, i) => ({
    target: `platformfs-${platforms[i % platforms.length] ?? ""}-${i}`,
    takes: 4 + ((i * 7) % 23),
  }));
  const events: BuildEvent[] = [
    release(false),
    at(0, {
      type: "plan",
      decisions: targets.map(({ target, takes }) => ({
        target,
        rule: "run",
        decision: never,
        expected: takes % 5 === 0 ? null : takes * 1000,
      })),
    }),
  ];
  const slots = Array.from({ length: 24 }, () => 0);
  for (const { target, takes } of targets) {
    const slot = slots.indexOf(Math.min(...slots));
    const from = slots[slot] ?? 0;
    slots[slot] = from + takes;
    events.push(started(from, target, never, takes % 5 === 0 ? null : takes * 1000));
    events.push(built(from + takes, target, takes));
  }
  const duration = Math.max(...slots);
  events.push(
    at(duration, {
      type: "done",
      built: 107,
      restored: 0,
      upToDate: 0,
      failed: 0,
      skipped: 0,
      isolated: true,
      duration: duration * 1000,
    }),
  );
  return events.toSorted(
    (a, b) => a.at - b.at || Number(a.type === "started") - Number(b.type === "started"),
  );
}

/** Everything up to date. */
const nothing = (): BuildEvent[] => [
  release(true),
  at(0, { type: "plan", decisions: [{ target: "a", rule: "run", decision: upToDate, expected: null }] }),
  at(0, { type: "up-to-date", target: "a" }),
  at(0, {
    type: "done",
    built: 0,
    restored: 0,
    upToDate: 1,
    failed: 0,
    skipped: 0,
    isolated: true,
    duration: 80,
  }),
];

/** By name, for the replay script. */
export const builds: Readonly<Record<string, () => BuildEvent[]>> = { example, many, nothing };
