// Completion in the real shells, where a person presses Tab.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { makeProject, MAIN, type TestProject } from "./support/cli.js";

const IMAGEFILE = `import { arg, project, run } from "imagemake";
const flavour = arg("FLAVOUR", "base", ["base", "xfce"]);
const made = (word) => run({ inputs: {}, cmd: \`echo \${word} > "$OUT"\`, out: \`\${word}.txt\` });
export const etc = made(flavour);
export const image = { one: made("one"), two: made("two") };
export default project({ default: [etc] });
`;

let project: TestProject;

beforeAll(async () => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "bin/imagemake": `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`,
    "sub/file.txt": "",
  });
  chmodSync(project.path("bin/imagemake"), 0o755);
  await project.good();
});
afterAll(() => project.remove());

const env = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${project.path("bin")}:${process.env["PATH"] ?? ""}`,
  TERM: "dumb",
});

const script = (shell: string): string =>
  execFileSync(process.execPath, [MAIN, "completion", shell], { encoding: "utf8" });

const shell = (...argv: readonly [string, ...string[]]): string =>
  execFileSync(argv[0], argv.slice(1), { cwd: project.dir, env: env(), encoding: "utf8", timeout: 60_000 });

/** As readline has it: what is typed up to the cursor. */
const bash = (line: string): string[] =>
  shell(
    "bash",
    "-c",
    `compopt() { echo "compopt $*"; }; ${script("bash")} COMP_LINE=$1 COMP_POINT=\${#1}; _imagemake imagemake; printf '%s\\n' "\${COMPREPLY[@]}"`,
    "bash",
    line,
  )
    .split("\n")
    .filter((one) => one !== "");

const fish = (line: string): string[] =>
  shell("fish", "--no-config", "-c", `${script("fish")}\ncomplete -C "$argv[1]"`, line)
    .split("\n")
    .map((one) => one.replace(/\t.*/, ""))
    .filter((one) => one !== "");

const LINES: readonly (readonly [line: string, offers: readonly string[]])[] = [
  ["imagemake im", ["image-one", "image-two", "image-all"]],
  ["imagemake why et", ["etc", "etc-all"]],
  ["imagemake explain rule.i", ["rule.initramfs", "rule.installerIso", "rule.iso"]],
  ["imagemake -k release r", ["refresh", "reopen", "reject", "rollback"]],
  ["imagemake list ", ["etc-all", "image-all", "FLAVOUR="]],
  ["imagemake boot --firmware ", ["bios", "uefi"]],
  ["imagemake cache gc --js", ["--json"]],
  ["imagemake cache gc --rel", []],
  ["imagemake --progress=pl", ["--progress=plain"]],
  ["imagemake FLAVOUR=xf", ["FLAVOUR=xfce"]],
  ["imagemake __", []],
];

test.each(LINES)("fish completes `%s`", (line, offers) => {
  expect(fish(line).sort()).toEqual([...offers].sort());
});

test.each(LINES)("bash completes `%s`", (line, offers) => {
  // Readline puts the answer behind the last `=`.
  const behind = offers.map((one) => (/=./.test(one) ? one.replace(/^[^=]*=/, "") : one));
  expect(bash(line).sort()).toEqual([...behind].sort());
});

test("bash leaves files and directories to readline, and puts no blank behind FLAVOUR=", () => {
  expect(bash("imagemake -f ")).toEqual(["compopt -o default"]);
  expect(bash("imagemake -C ")).toEqual(["compopt -o dirnames"]);
  expect(bash("imagemake FLAV").sort()).toEqual(["FLAVOUR=", "compopt -o nospace"]);
});

test("zsh completes at a real Tab", () => {
  // What is called after completion notes its words instead.
  project.write(
    "bin/imagemake",
    `#!/bin/sh
case $1 in completion | __complete) exec ${process.execPath} ${MAIN} "$@" ;; esac
echo "$*" >> ${project.path("called")}
`,
  );
  const typed = ["release stat", "why etc-", "FLAVOUR=xf", "FLAV", "-C su"];
  const setUp = "autoload -Uz compinit; compinit -u -D; source <(imagemake completion zsh)";
  execFileSync("script", ["-qec", "zsh -f -i", "/dev/null"], {
    cwd: project.dir,
    env: env(),
    input: [setUp, ...typed.map((line) => `imagemake ${line}\t`), "exit", ""].join("\n"),
    timeout: 60_000,
  });
  expect(project.read("called").split("\n")).toEqual([
    "release status",
    "why etc-all",
    "FLAVOUR=xfce",
    "FLAVOUR=",
    "-C sub",
    "",
  ]);
}, 120_000);

test("an Imagefile that was never run is not evaluated by a Tab", async () => {
  const fresh = makeProject({
    "Imagefile.ts": `import { writeFileSync } from "node:fs"; writeFileSync("evaluated", ""); export default {};`,
  });
  try {
    const { status, stdout, stderr } = await fresh.run("__complete", "--", "wh");
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: "why\twhy a target would be built, or was\n",
      stderr: "",
    });
    expect(fresh.names(".")).toEqual(["Imagefile.ts"]);
  } finally {
    fresh.remove();
  }
});

test("a shell that is not known is told which are", async () => {
  const { status, stderr } = await project.run("completion", "tcsh");
  expect([status, stderr]).toEqual([
    2,
    "imagemake: there is no completion for tcsh\n  it is there for bash, zsh, fish\n",
  ]);
});
