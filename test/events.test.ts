// The stream of events is what its declaration says, in builds of every kind: test/support/cli.ts holds each line of
// each test against it; here are builds that between them tell of every event and of most kinds of reasons.
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, unlinkSync } from "node:fs";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { eventsPage, PAGE, SCHEMA, schemaText } from "../cli/event-reference.js";
import { eventSchema, type BuildEvent } from "../engine/events.js";
import { eventsIn, finish, makeProject, type TestProject } from "./support/cli.js";
import { makePuppet } from "./support/faults.js";
import { watch } from "./support/watching.js";

jest.setTimeout(120_000);

const puppet = makePuppet();
let project: TestProject;
const seen = new Set<string>();

const IMAGEFILE = `
const sh = (cmd: string, out: string, more = {}) => run({ inputs: { SRC: files("src/*.txt") }, cmd, out, ...more });
export const good = sh('cat $SRC > "$OUT"', "good-{date}.txt");
export const after = run({ inputs: { IN: good }, cmd: 'cp "$IN" "$OUT"', out: "after.txt" });
export const same = run({ inputs: { SRC: files("src/*.txt") }, cmd: ': > "$OUT"', out: "same.txt" });
export const unchanged = run({ inputs: { IN: same }, cmd: 'cp "$IN" "$OUT"', out: "unchanged.txt" });
export const waits = sh(\`${puppet.cmd} cat $SRC > "$OUT"\`, "waits.txt");
export const bad = {
  exit: sh("echo why; exit 3", "bad1.txt"),
  signal: sh("kill -KILL $$", "bad2.txt"),
  timeout: sh("sleep 60", "bad3.txt", { timeout: 1 }),
  missing: sh(":", "bad4.txt"),
  guard: sh(': > "$OUT"', "bad5.txt", { guards: { minSize: 1 } }),
  date: sh("touch x-20010101.txt", "x-{date}.txt"),
};
export const afterBad = run({ inputs: { IN: bad.exit }, cmd: 'cp "$IN" "$OUT"', out: "after-bad.txt" });
export const tree = run({ inputs: { SRC: files("src/*.txt") }, cmd: 'mknod "$OUT/pipe" p; cp $SRC "$OUT"', tree: true });
`;

/** Kinds of whatever is in there. */
function kindsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = "kind" in value && typeof value.kind === "string" ? [value.kind] : [];
  return [...own, ...Object.values(value).flatMap(kindsIn)];
}

/** Takes part in the witness at the end. */
function told(events: readonly BuildEvent[]): readonly BuildEvent[] {
  for (const event of events) for (const one of [event.type, ...kindsIn(event)]) seen.add(one);
  return events;
}
const build = async (...words: string[]): Promise<readonly BuildEvent[]> =>
  told((await project.events({}, ...words)).events);

beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, "src/a.txt": "a\n" });
});
afterAll(() => {
  puppet.close();
  project.remove();
});

test("builds: never built, up to date, restored in each way, changed, forced, unchanged after all", async () => {
  await build("good", "after", "same", "unchanged");
  expect((await build("good", "after")).at(-1)).toMatchObject({ type: "done", upToDate: 2 });
  unlinkSync(project.path("out/after.txt"));
  await build("after");
  project.write("src/a.txt", "b\n");
  await build("-k", "after", "unchanged");
  project.write("src/a.txt", "a\n");
  await build("after");
  await build("-B", "good");
  rmSync(project.path(".imagemake/store"), { recursive: true });
  rmSync(project.path("out"), { recursive: true });
  await build("good");
});

test("failures of every kind, and what is skipped for them", async () => {
  await build("-k", "bad", "afterBad".replace("B", "-b"));
  await build("-k", "bad");
});

test("a build that is interrupted, and one that waits for another", async () => {
  const runs = puppet.runs();
  const first = project.start({}, "--progress", "json", "waits");
  const ended = finish(first);
  await puppet.started(runs + 1, first);
  const second = project.start({}, "--progress", "json", "waits");
  const waited = finish(second);
  let said = "";
  while (!said.includes("waiting")) said += String((await once(second.stdout ?? second, "data"))[0]);
  first.kill("SIGINT");
  const lines = (stdout: string): string[] => stdout.split("\n").filter((line) => line !== "");
  expect(told(eventsIn(lines((await ended).stdout)))).toContainEqual(
    expect.objectContaining({ type: "failed", failure: { kind: "interrupted" } }),
  );
  puppet.release();
  const { stdout } = await waited;
  expect(told(eventsIn(lines(stdout)))).toContainEqual(expect.objectContaining({ type: "built" }));
});

test("with a shared cache, in a release, and by --events, appended to", async () => {
  await project.good("release", "start", "good");
  await build("--cache", `file://${project.path("share")}`, "good");
  mkdirSync(project.path("share"));
  await build("--cache", `file://${project.path("share")}`, "good", "-B");
  rmSync(project.path(".imagemake"), { recursive: true });
  await build("--cache", `file://${project.path("share")}`, "good", "after");
  for (let run = 0; run < 2; run += 1) await project.good("-B", "good", "--events", "events");
  const lines = project.read("events").trimEnd().split("\n");
  const second = lines.findLastIndex((line) => line.includes('"begin"'));
  expect(second).toBeGreaterThan(0);
  told(eventsIn(lines.slice(0, second)));
  told(eventsIn(lines.slice(second)));
});

test("watch: what changed, what that rebuilt, what stands in the way", async () => {
  const watching = watch(project, {}, "good");
  await watching.idle();
  project.write("src/a.txt", "watched\n");
  await watching.next("rebuilt");
  await watching.idle();
  project.write("Imagefile.ts", "export const good = ;\n");
  await watching.next("blocked");
  project.write("Imagefile.ts", IMAGEFILE);
  await watching.idle();
  expect((await watching.end()).status).toBe(130);
  told(watching.events);
});

test("between them these builds told of every event, but for a guest", () => {
  const types = eventSchema.options.map((option) => option.unwrap().shape.type.value);
  expect(types.filter((type) => !seen.has(type))).toEqual(["guest"]);
  const kinds = ["never-built", "changed", "input-pending", "failed-before", "forced", "artifact-lost"];
  const restored = ["missing", "key-known", "shared"];
  const failures = ["exit", "signal", "timeout", "interrupted", "output-missing", "wrong-date", "guard"];
  expect([...kinds, ...restored, ...failures].filter((kind) => !seen.has(kind))).toEqual([]);
});

test("docs/events.md and docs/events.json say what the declaration says (npm run docs)", () => {
  expect(readFileSync(PAGE, "utf8")).toBe(eventsPage());
  expect(readFileSync(SCHEMA, "utf8")).toBe(schemaText());
});
