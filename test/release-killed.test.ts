// SIGKILL at collect, sign and promote, at the calls that change names: nothing half-made is believed, `current` never
// dangles, and the same command run again finishes.
import { cpSync, existsSync, lstatSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import type { TestProject } from "./support/cli.js";
import { builtRelease, DAY } from "./support/release.js";
import { interfere, systemCalls, type SystemCall } from "./support/system-calls.js";

jest.setTimeout(180_000);

const CALLS = ["rename", "symlink", "link", "mkdir"];
const CHANGED = ["releases", "release-keys", DAY, "current"];

let project: TestProject;
beforeAll(async () => {
  project = await builtRelease();
});
afterAll(() => project.remove());

/** Copies what the commands change; what is not there is taken away. */
function copyAll(from: string, to: string): void {
  for (const name of CHANGED) {
    rmSync(project.path(to, name), { recursive: true, force: true });
    if (lstatSync(project.path(from, name), { throwIfNoEntry: false }) !== undefined)
      cpSync(project.path(from, name), project.path(to, name), { recursive: true, verbatimSymlinks: true });
  }
}

/** At most three, evenly spread, the last among them: it writes the release's file. */
const some = (calls: readonly SystemCall[]): readonly SystemCall[] => {
  const step = Math.max(1, Math.ceil(calls.length / 3));
  return calls.filter((_, at) => (calls.length - 1 - at) % step === 0);
};

const state = (): string => (JSON.parse(project.read(`releases/${DAY}.json`)) as { state: string }).state;

// In this order: each begins where the one before has ended.
test.each([
  { command: "collect", before: "open", after: "collected" },
  { command: "sign", before: "collected", after: "signed" },
  { command: "promote", before: "signed", after: "promoted" },
])("$command, killed, is finished by the next run", async ({ command, before, after }) => {
  copyAll(".", `saved-${command}`);
  const { ended, calls } = await systemCalls(project, CALLS, "release", command);
  expect(ended.status).toBe(0);
  const own = calls.filter(({ text }) => text.includes(DAY) || text.includes("current"));
  expect(own.length).toBeGreaterThan(1);
  for (const call of some(own)) {
    copyAll(`saved-${command}`, ".");
    const under = interfere(project, call, "signal=KILL");
    expect((await project.call({ under }, "release", command)).status).toBeNull();
    expect(state()).toBe(before);
    const link = lstatSync(project.path("current"), { throwIfNoEntry: false });
    if (link !== undefined) expect(existsSync(project.path("current", "sha256sum.txt"))).toBe(true);
    await project.good("release", command);
    expect(state()).toBe(after);
    expect(project.names(DAY).filter((name) => name.startsWith(".") || name.endsWith(".tmp"))).toEqual([]);
    if (command !== "collect") await project.good("release", "verify", "--release", DAY);
  }
  const left = project.names(".").filter((name) => /making|signing|collecting|replaced/.test(name));
  expect(left).toEqual([]);
});
