// Clears what a crash left in the stage directory. The caller holds the lock: no stage in there is in use.
// Mounts of actions died with their namespaces; what is still mounted there was mounted by somebody else.
import { existsSync, readdirSync } from "node:fs";
import { readPlain, writeIfPossible } from "../../../cache/io.js";
import { isOurs, leftBehindPath, stageOf } from "../../../cache/layout.js";
import { ownerIn, writeWhole } from "../../../cache/write.js";
import { asError, Exit, type Problem } from "../../problem.js";
import type { Project } from "../../project.js";
import { removeTree } from "./remove.js";

/** Names of the stages that were cleared, and what stood in the way of the others. */
export interface Cleared {
  readonly cleared: readonly string[];
  readonly problems: readonly Problem[];
}

/** A stage that could not be deleted, and what was said of it. */
export interface Left {
  readonly name: string;
  readonly message: string;
}

const isLeft = (value: unknown): value is Left =>
  typeof value === "object" &&
  value !== null &&
  "name" in value &&
  typeof value.name === "string" &&
  "message" in value &&
  typeof value.message === "string";

/** The stages that could not be deleted and are still there; told of once, and then by `imagemake doctor`. */
export function leftBehind({ state, stage }: Place): readonly Left[] {
  try {
    const read: unknown = JSON.parse(readPlain(leftBehindPath({ state }))?.toString("utf8") ?? "");
    const all = Array.isArray(read) ? read.filter(isLeft) : [];
    return all.filter(({ name }) => isOurs("stage", name) && existsSync(stageOf({ stage }, name)));
  } catch {
    return [];
  }
}

/** Of these problems those that were not told of before; they are told of now. */
export function untold(place: Place, problems: readonly Problem[]): readonly Problem[] {
  const before = leftBehind(place);
  const news = problems.filter(({ message }) => before.every((one) => one.message !== message));
  const found = news.flatMap(({ message }) => {
    const name = message.startsWith(`${place.stage}/`)
      ? /^[^/ ]+/.exec(message.slice(place.stage.length + 1))?.[0]
      : undefined;
    return name === undefined ? [] : [{ name, message }];
  });
  if (found.length > 0)
    writeIfPossible(() =>
      writeWhole(leftBehindPath(place), JSON.stringify([...before, ...found]), ownerIn(place.state)),
    );
  return news;
}

/** Where stages are, and where it is written down what was said of them. */
type Place = Pick<Project, "state" | "stage">;

/**
 * Unmounts and deletes every stage below `stageDir` but those `kept`, and nothing else there; a directory that is not there
 * has none.
 */
export async function clearStaleStages(stageDir: string, kept: readonly string[] = []): Promise<Cleared> {
  const cleared: string[] = [];
  const problems: Problem[] = [];
  for (const name of stages(stageDir, problems)) {
    if (kept.includes(name)) continue;
    if (!isOurs("stage", name)) {
      problems.push({
        exit: Exit.environment,
        message: `${stageOf({ stage: stageDir }, name)} was not made by imagemake, and stays`,
        hint: "move it elsewhere",
      });
      continue;
    }
    const removed = await removeTree(stageOf({ stage: stageDir }, name), { unmount: true });
    if (removed.ok) cleared.push(name);
    else problems.push(removed.problem);
  }
  return { cleared, problems };
}

function stages(stageDir: string, problems: Problem[]): readonly string[] {
  try {
    return existsSync(stageDir) ? readdirSync(stageDir) : [];
  } catch (error) {
    problems.push({
      exit: Exit.environment,
      message: `${stageDir} could not be read`,
      hint: asError(error).message,
    });
    return [];
  }
}
