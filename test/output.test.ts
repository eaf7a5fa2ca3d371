// Data that could not be written: lost listings are errors, a reader that has seen enough is none.
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { MAIN, makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

let project: TestProject;
beforeAll(async () => {
  project = makeProject({
    "Imagefile.ts": `
export const many = each(Array.from({ length: 400 }, (_, n) => \`number-\${n}\`), (n) => run({ inputs: {}, cmd: 'echo > "$OUT"', out: \`\${n}.txt\` }));
export const one = run({ inputs: {}, cmd: 'echo said; echo > "$OUT"', out: "one.txt" });
`,
  });
  await project.good("one");
});
afterAll(() => project.remove());

/** Runs a line of bash in the project, in which `im` is the command. */
function bash(line: string): { status: number | null; stderr: string } {
  const script = `im() { "$NODE" "$MAIN" "$@"; }; ${line}\nexit $?`;
  const env = { PATH: process.env["PATH"], NODE: process.execPath, MAIN };
  const { status, stderr } = spawnSync("bash", ["--norc", "-c", script], {
    cwd: project.dir,
    env,
    encoding: "utf8",
  });
  return { status, stderr };
}

const FULL = "imagemake: cannot write to standard output: no space is left on the device\n";

test.each(["list", "show one --json", "many-all-print", "log one", "--progress json one -B", "--help"])(
  "%s to a full device is status 3 with a word",
  (words) => {
    const { status, stderr } = bash(`im ${words} >/dev/full`);
    expect({ status, stderr }).toEqual({ status: 3, stderr: expect.stringContaining(FULL) });
  },
);

test("a disk that becomes full in the middle of a listing is an error, too", () => {
  const mounted = `mkdir small && mount -t tmpfs -o size=8k small small && im list > small/list; s=$?; stat -c %s small/list >&2; exit $s`;
  const script = `unshare --mount bash -c '${mounted.replace("im ", '"$NODE" "$MAIN" ')}'`;
  const { status, stderr } = bash(script);
  expect({ status, stderr }).toEqual({
    status: 3,
    stderr: expect.stringMatching(/no space is left[^]*\n8192\n$/),
  });
});

test("a closed standard output is an error where something was to be written, and only there", () => {
  expect(bash("im list >&-")).toEqual({
    status: 3,
    stderr: "imagemake: cannot write to standard output: it is closed\n",
  });
  expect(bash("im list >/dev/null").status).toBe(0);
  expect(bash("im list </dev/null >/dev/null 2>&1").status).toBe(0);
  expect(bash("im -s one >&-")).toEqual({ status: 0, stderr: "" });
});

test("whoever ignores a listing on purpose is let alone", () => {
  const { status } = spawnSync(process.execPath, [MAIN, "list"], {
    cwd: project.dir,
    stdio: ["ignore", "ignore", "pipe"],
  });
  expect(status).toBe(0);
  expect(bash(`exec 5<>/dev/null; im list >&5`).status).toBe(0);
});

test("a reader that has seen enough is no error, and nothing is said of it", () => {
  const ended = bash(`set -o pipefail; im list | head -n 1 >/dev/null; im graph | true`);
  expect(ended).toEqual({ status: 0, stderr: "" });
});
