// The far side of elsewhere.ts: a process with a state directory of its own that executes what it is sent, from contents that
// it has or finds between the two, and lays there what was made. It ends when nobody asks it any more.
import { readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { copyAndHash } from "../../cache/copy.js";
import type { ArtifactId } from "../../cache/index.js";
import { logPath, stageOf } from "../../cache/layout.js";
import { hasPackage, takePackage } from "../../cache/packages.js";
import { drivers } from "../../cli/open.js";
import { probeIsolation } from "../../engine/execute/local/capability.js";
import { LocalExecutor } from "../../engine/execute/local/executor.js";
import { removeTree } from "../../engine/execute/local/remove.js";
import type { Outcome, StagedAction } from "../../engine/execute/executor.js";
import { makeStage } from "../../engine/execute/stage.js";
import { stageDirectory } from "../../engine/execute/stage-source.js";
import { asError, ok, unwrap, type Result } from "../../engine/problem.js";
import { contentsIn, idsOf, packageId, type Executed, type Question } from "./elsewhere.js";
import { localIn } from "./local-store.js";

const [dir = "", between = ""] = process.argv.slice(2);
const isolation = unwrap(await probeIsolation(dir));
const { contents, index, layout, store, whole } = localIn(dir, isolation);
const share = await contentsIn(between);
const executor = new LocalExecutor({ layout, index, store, whole, drivers, isolation });
const running = new Map<number, { readonly stop: AbortController; readonly kill: AbortController }>();

async function answer(id: number, question: Question): Promise<unknown> {
  switch (question.do) {
    case "obstacles":
      return [...(await executor.obstacles(question.actions, question.asked))];
    case "prepare":
      return executor.prepare(question.needed, question.toBuild);
    case "lacks":
      return [...(await contents.missing(question.ids))];
    case "execute":
      return execute(id, question.staged);
    case "stop":
      return running.get(question.execution)?.stop.abort();
    case "kill":
      return running.get(question.execution)?.kill.abort();
  }
}

async function execute(id: number, staged: StagedAction): Promise<Executed> {
  const [stop, kill] = [new AbortController(), new AbortController()];
  running.set(id, { stop, kill });
  const [stage, log] = [stageOf(layout, staged.build), logPath(layout, staged.build)];
  writeFileSync(log, "");
  try {
    const laid = await lay(staged, makeStage(stage));
    const outcome: Outcome = laid.ok
      ? await executor.execute(staged, {
          dir: stage,
          log,
          signal: stop.signal,
          killSignal: kill.signal,
          keep: false,
        })
      : { kind: "not-run", problem: laid.problem };
    const given = outcome.kind === "made" ? await give(Object.values(outcome.outputs)) : ok(undefined);
    return {
      outcome: given.ok ? outcome : { kind: "problem", problem: given.problem },
      said: readFileSync(log).toString("base64"),
    };
  } catch (error) {
    return { outcome: { kind: "not-run", problem: { exit: 3, message: asError(error).message } }, said: "" };
  } finally {
    running.delete(id);
    unwrap(await removeTree(stage));
    rmSync(log);
  }
}

/** Takes what is lacking, and lays the sources into the stage. */
async function lay(staged: StagedAction, work: string): Promise<Result<void>> {
  for (const id of await contents.missing(idsOf(staged))) {
    const giving = await share.give(id);
    if (!giving.ok) return giving;
    const problem = (await contents.take([giving.value])).get(id);
    if (problem !== undefined) return { ok: false, problem };
  }
  for (const { path, content } of staged.sources) {
    const to = join(work, path);
    stageDirectory(content === "d:" ? to : dirname(to));
    if (content.startsWith("l:")) symlinkSync(content.slice(2), to);
    else if (content !== "d:") unwrap(await copyAndHash(store.path(content), to));
  }
  for (const { sha256, size } of staged.packages ?? []) {
    if (hasPackage(layout.packages, sha256, size)) continue;
    const copy = join(dirname(work), "package");
    unwrap(await copyAndHash(store.path(packageId(sha256)), copy));
    takePackage(layout.packages, sha256, copy);
  }
  return ok(undefined);
}

/** Lays what was made where the other side finds it. */
async function give(ids: readonly ArtifactId[]): Promise<Result<void>> {
  for (const id of await share.missing(ids)) {
    const giving = await contents.give(id);
    if (!giving.ok) return giving;
    const problem = (await share.take([giving.value])).get(id);
    if (problem !== undefined) return { ok: false, problem };
  }
  return ok(undefined);
}

for await (const line of createInterface(process.stdin)) {
  const { id, ...question } = JSON.parse(line) as Question & { readonly id: number };
  void answer(id, question).then((value) => console.log(JSON.stringify({ id, value })));
}
process.exit(0);
