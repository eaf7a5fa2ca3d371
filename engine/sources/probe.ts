// Runs the command of a probe. One that says what it reads sees copies of these files and nothing else of the caller's, so
// that what it said holds as long as they do.
import { isUtf8 } from "node:buffer";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { runProgram, type Ran } from "../../cache/program.js";
import type { Source } from "../model.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { asWritten } from "../shell.js";
import { ACTION_PATH } from "../tools.js";
import type { SourceFile } from "./resolved.js";

type Probe = Extract<Source, { readonly kind: "probe" }>;

/**
 * What the command prints. `dir` is where it runs, unless it says what it reads: `files` are that, and `more` its
 * environment beside the usual.
 */
export function runProbe(
  { argv, what }: Probe,
  dir: string,
  files: readonly SourceFile[] | null,
  more: Readonly<Record<string, string>> = {},
): Result<string> {
  const [program, ...words] = argv;
  if (program === undefined) return fail(Exit.usage, "probe: the command is empty");
  if (files === null) return output(argv, what, runProgram(program, words, { cwd: dir }));
  const copy = mkdtempSync(join(fastest(), "imagemake-probe-"));
  try {
    const home = join(copy, ".tmp");
    mkdirSync(home);
    for (const file of files) place(file, join(copy, file.stage));
    const env = { PATH: ACTION_PATH, HOME: home, TMPDIR: home, LC_ALL: "C.UTF-8", TZ: "UTC", ...more };
    return output(argv, what, runProgram(program, words, { cwd: copy, env }));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Memory, where programs may run from it: a probe may make and remove thousands of files. */
function fastest(): string {
  const memory = "/dev/shm";
  try {
    const trial = mkdtempSync(join(memory, "imagemake-probe-"));
    try {
      writeFileSync(join(trial, "program"), "", { mode: 0o755 });
      return runProgram(join(trial, "program"), []).status === 0 ? memory : tmpdir();
    } finally {
      rmSync(trial, { recursive: true });
    }
  } catch {
    return tmpdir();
  }
}

/** Lays a file or link down at `to`. */
function place(file: SourceFile, to: string): void {
  mkdirSync(file.kind === "directory" ? to : dirname(to), { recursive: true });
  if (file.kind === "text") writeFileSync(to, file.text);
  else if (file.kind === "link") symlinkSync(file.to, to);
  else if (file.kind === "file") {
    copyFileSync(file.path, to);
    chmodSync(to, file.executable ? 0o755 : 0o644);
  }
}

function output(argv: readonly string[], what: string | undefined, run: Ran): Result<string> {
  if (run.status !== 0) {
    const why =
      run.status === null
        ? run.said
        : `it ended with status ${run.status}: ${run.stderr || "it said nothing"}`;
    return fail(
      Exit.environment,
      what === undefined ? `probe ${asWritten(argv)} failed` : `${what} is not available`,
      why,
    );
  }
  if (!isUtf8(run.stdout))
    return fail(Exit.usage, `probe ${asWritten(argv)}: its output is not UTF-8`, "let it say that in text");
  return ok(run.stdout.toString("utf8"));
}
