// Runs the programs of RPM with an environment of their own, and our own that ask dnf's and librepo's libraries. Those
// get their question as a JSON file and answer with one line of JSON, after lines about their progress. They write
// nothing beside themselves (-B: with -I they read no variable that says so).
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import type { Json } from "../../../engine/model.js";
import type { DriverContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { notFound } from "../../../engine/tools.js";
import { recipeUrl, type RecipeProgram } from "../../recipes.js";
import { CURL, runner } from "../run.js";
import { toolOf } from "../tools.js";
import { lastLine } from "../words.js";

/** Runs RPM's programs. */
export const run = runner({ network: CURL });

/** dnf looks for the platform among installed packages, of which there are none; dnf-resolve.py finds it elsewhere. */
const NOISE = /^Detection of Platform Module failed/;

/** Puts `question` to the program `rules/recipes/<program>`; its answer, or what it says is wrong. */
export async function ask<T>(
  program: RecipeProgram,
  question: Json,
  answer: z.ZodType<T>,
  context: DriverContext,
): Promise<Result<T>> {
  const file = join(context.scratch, `${program}.json`);
  await writeFile(file, JSON.stringify(question), { mode: 0o600 });
  const argv = ["/usr/bin/python3", "-I", "-B", fileURLToPath(recipeUrl(program)), file] as const;
  let said = "";
  const onLine = (line: string): void => {
    if (line.startsWith("{")) said = line;
    else if (!NOISE.test(line)) context.progress(line);
  };
  const ran = await run(argv, context, { cwd: context.scratch, onLine });
  if (!ran.ok) return ran;
  const { status, stderr } = ran.value;
  if (/^ModuleNotFoundError: No module named '(?:dnf|librepo|hawkey)'/m.test(stderr)) {
    return {
      ok: false,
      problem: { exit: Exit.environment, ...notFound([toolOf("dnf")]), ofHost: true },
    };
  }
  if (status !== 0 || said === "") return fail(Exit.environment, `${program} failed: ${lastLine(stderr)}`);
  const read = answer.safeParse(JSON.parse(said));
  if (read.success) return ok(read.data);
  const [issue] = read.error.issues;
  const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
  return fail(Exit.environment, `${program} gave an answer that cannot be understood (${where})`);
}
