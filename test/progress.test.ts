// What a person is told while and after something is built, and before: on the real command line.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { makeProject, MAIN, type TestProject } from "./support/cli.js";
import { until } from "./support/sandbox.js";

const IMAGEFILE = `import { files, project, run } from "imagemake";
export const slow = run({ inputs: { GO: files("go") }, cmd: \`
  n=0; echo started
  printf 'step 1\\\\rstep 2 of 3'
  until [ -e /tmp/imagemake-never ] || [ $((n += 1)) -gt 25 ]; do sleep 0.1; done
  echo; head -c 2000000 /dev/zero > "$OUT"\`, out: "slow-{date}.bin" });
const small = (name) => run({ inputs: { SLOW: slow }, cmd: \`echo \${name} > "$OUT"\`, out: \`\${name}.txt\` });
export const many = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [\`n\${n}\`, small(\`n\${n}\`)]));
export const broken = run({ inputs: {}, cmd: "echo no good >&2; exit 4", out: "broken.txt" });
export default project({ default: [slow] });
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE, go: "1" });
});
afterAll(() => project.remove());

test("a log hears what runs and its last line while nothing ends, and at the end where things are", async () => {
  const { stderr } = await project.call({ env: { IMAGEMAKE_HEARTBEAT: "1" } }, "slow");
  expect(stderr).toMatch(
    /\nstart slow: never built\nstill building 0\/1, \d s\n {2}slow \d s: step 2 of 3\n/,
  );
  expect(stderr).toMatch(/\nbuilt 1, \d.*\n {2}out\/slow-\d{8}\.bin {2}2\.0 MB {2}\d\.\d s\n$/);
});

test("a dry run says how much there is to do, how long it takes and what room it takes", async () => {
  project.write("go", "2");
  const { stdout, stderr } = await project.run("-n", "slow", "many-n1");
  expect(stdout).toMatch(/^slow: /);
  expect(stderr).toMatch(
    /\n2 to build, about \d(\.\d)? s\nabout 2\.0 MB on disk, [\d.]+ [kMGT]B are free\n$/,
  );
  expect((await project.run("-n", "-s", "slow")).stderr).not.toContain("to build");
});

test("of many files some are named, and with -v the slowest actions", async () => {
  const { stderr } = await project.run("-v", "many-all");
  const ending = stderr.slice(stderr.indexOf("\nbuilt 11, ") + 1).split("\n");
  expect(ending[1]).toMatch(/^ {2}out\/slow-\d{8}\.bin {2}2\.0 MB {2}\d\.\d s$/);
  expect(ending[8]).toMatch(/^ {2}and 4 files more, 12 B$/);
  expect(ending[9]).toMatch(/^ {2}slowest: slow \d\.\d s, many-n\d .*, many-n\d .*$/);
});

test("what was restored says how much work that saved, and a failure how to see all of its log", async () => {
  execFileSync("rm", ["-r", project.path("out")]);
  const restored = await project.run("slow");
  expect(restored.stderr).toMatch(
    /\nbuilt 0, restored 1, .*\n {2}out\/slow-\d{8}\.bin {2}2\.0 MB\n {2}\d\.\d s of work was not done again\n$/,
  );
  const { stderr } = await project.run("broken");
  expect(stderr).toMatch(/\n {2}\| no good\n {2}log: \S+\.log \(imagemake log broken\)\n/);
});

test("log -f goes on with what is printed until the end, and says how that was", async () => {
  project.write("go", "follow");
  const building = project.start({}, "slow");
  await until("it runs", () => project.names(".imagemake/logs").some((name) => name.endsWith(".unfinished")));
  const { status, stdout, stderr } = await project.run("log", "-f", "slow");
  expect([status, stdout]).toEqual([0, "started\nstep 1\rstep 2 of 3\n"]);
  expect(stderr).toMatch(/^imagemake: slow is running since .*\nimagemake: slow is built\n$/);
  if (building.exitCode === null) await once(building, "close");
  // It has ended: then there is nothing to follow. Before the command's name the letter is the Imagefile's.
  expect((await project.run("-f", "Imagefile.ts", "log", "slow", "--follow")).stdout).toBe(stdout);
});

test("log --failed has the logs of all whose last build failed", async () => {
  const { stdout } = await project.run("log", "--failed");
  expect(stdout).toBe("==> broken: exit status 4 <==\nno good\n");
  expect(JSON.parse((await project.run("log", "--failed", "--json")).stdout)).toMatchObject([
    { action: "broken" },
  ]);
  expect((await project.run("log", "--failed", "slow")).stderr).toBe("imagemake: no last build failed\n");
  expect(await project.run("log")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("name a target"),
  });
});

test("on a terminal the last line of what runs is shown beside it, in ASCII where the locale has nothing else", () => {
  project.write("go", "3");
  const shown = (locale: string): string =>
    execFileSync("script", ["-qec", `${process.execPath} ${MAIN} -B slow broken || true`, "/dev/null"], {
      cwd: project.dir,
      env: { PATH: process.env["PATH"], TERM: "xterm", LC_ALL: locale, NO_COLOR: "1" },
      encoding: "utf8",
      timeout: 60_000,
    });
  const utf8 = shown("C.UTF-8");
  expect(utf8).toMatch(/ slow {2}.*step 2 of 3/);
  expect(utf8).toMatch(/✓ slow|✗ broken/);
  // eslint-disable-next-line no-control-regex
  expect(shown("C")).toMatch(/^[\x00-\x7f]*$/);
});
