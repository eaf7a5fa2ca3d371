// The life of a release as a table, and the one function that changes its state. It reads and writes no file.
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Release, ReleaseState } from "./record.js";

/** What leads from one state to another. */
export type Move = "collect" | "reopen" | "sign" | "promote" | "rollback" | "abandon";

const MOVES: Readonly<Record<Move, { readonly from: readonly ReleaseState[]; readonly to: ReleaseState }>> = {
  collect: { from: ["open"], to: "collected" },
  reopen: { from: ["collected", "signed"], to: "open" },
  // Signing again uses the same key; the state stays.
  sign: { from: ["collected", "signed"], to: "signed" },
  promote: { from: ["signed"], to: "promoted" },
  rollback: { from: ["promoted"], to: "withdrawn" },
  abandon: { from: ["open", "collected"], to: "abandoned" },
};

/** The command that leads on from each state; null where it is final. */
export const NEXT: Readonly<Record<ReleaseState, string | null>> = {
  open: "imagemake release collect",
  collected: "imagemake release sign",
  signed: "imagemake release promote",
  promoted: null,
  withdrawn: null,
  abandoned: null,
};

/** What helps somebody who wants an open release and has one in this state. */
const REOPEN: Readonly<Record<ReleaseState, string>> = {
  open: "",
  collected: "imagemake release reopen opens it again",
  signed: "imagemake release reopen opens it again",
  promoted: "promoted is final; imagemake release start opens another",
  withdrawn: "withdrawn is final; imagemake release start opens another",
  abandoned: "imagemake release start opens another",
};

/** States from which a move is possible. */
export const from = (move: Move): readonly ReleaseState[] => MOVES[move].from;

/** The release itself if it is in one of these states, else a problem that names the command that helps. */
export function requireState(release: Release, states: readonly ReleaseState[]): Result<Release> {
  const { datecode, state } = release;
  if (states.includes(state)) return ok(release);
  const next = NEXT[state];
  return fail(
    Exit.usage,
    `release ${datecode} is ${state}, not ${states.join(", ").replace(/, (?=\w+$)/, " or ")}`,
    states.includes("open") || next === null ? REOPEN[state] : `next is ${next}`,
  );
}

/** The release after the move, with its history. */
export function changeState(release: Release, move: Move, now: number, more: Partial<Release> = {}): Release {
  const state = MOVES[move].to;
  return {
    ...release,
    ...more,
    state,
    history: [...release.history, { state, at: new Date(now).toISOString() }],
  };
}
