// Which log belongs to an action that runs, or that was stopped or killed and so left no row: a note beside the logs,
// one an action, that goes when the end of the action is recorded.
import { closeSync, existsSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hashBytes } from "../../cache/hash.js";
import { logPath, partPath, stageOf, unfinishedPath } from "../../cache/layout.js";
import { isPlain, readPlain } from "../../cache/io.js";
import { fields, jsonOf, matching, milliseconds, size, text } from "../../cache/shape.js";
import type { TargetId } from "../model.js";
import type { Project } from "../project.js";
import { giveFdToUser, giveToUser } from "../../cache/write.js";

/** An action without an end. */
export interface Unfinished {
  readonly id: string;
  readonly line: string;
  readonly action: TargetId;
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly status: "running" | "stopped";
  readonly log: string;
}

/** What is written down. */
interface Note extends Omit<Unfinished, "status" | "log"> {
  /** The engine's process. */
  readonly engine: number;
}

const noteOf = (project: Project, action: TargetId): string =>
  unfinishedPath(project, hashBytes(`${project.line}\0${action}`).slice(0, 16));

/** Among the stages, which are nobody's but ours, it is given to the user: a kill finds no other file among the logs. */
export function makeLog(log: string, part: string): void {
  const fd = openSync(part, "a", 0o644);
  try {
    giveFdToUser(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(part, log);
}

/** The action begins; what an earlier run of it left is forgotten. */
export function noteUnfinished(project: Project, begun: Omit<Note, "line" | "engine">): void {
  const note: Note = { ...begun, line: project.line, engine: process.pid };
  // Among the stages, as the log: what a kill leaves there is cleared.
  const part = partPath(project, begun.id, "note");
  writeFileSync(part, JSON.stringify(note), { mode: 0o644 });
  giveToUser(part);
  renameSync(part, noteOf(project, begun.action));
}

/** Its end is recorded, or it never came to run. */
export const forgetUnfinished = (project: Project, action: TargetId): void =>
  rmSync(noteOf(project, action), { force: true });

/** The run of an action that is newer than its last row, with its log; null where there is none. */
export function unfinishedOf(project: Project, action: TargetId): Unfinished | null {
  const note = read(noteOf(project, action));
  if (note?.action !== action || note.line !== project.line) return null;
  const log = logPath(project, note.id);
  if (!isPlain(log)) return null;
  const { id, line, started, engine } = note;
  const status = isAlive(engine) && existsSync(stageOf(project, id)) ? "running" : "stopped";
  return { id, line, action, started, status, log };
}

const isNote = fields({
  // It names a file.
  id: matching(/^[0-9a-z]+-[0-9a-f]+$/),
  line: text,
  action: text,
  started: milliseconds,
  engine: size,
});

/** Null for none, and for half of one. */
function read(file: string): Note | null {
  try {
    return jsonOf(readPlain(file)?.toString("utf8"), isNote) as Note | null;
  } catch {
    return null;
  }
}

/** Whether there is such a process, somebody else's too. */
const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`);
