// What the commands between machines share: a session in the release they are about, and words for people.
import { openSession, type Session } from "../engine/build/session.js";
import type { Emit } from "../engine/events.js";
import type { TargetId } from "../engine/model.js";
import { Exit, stop, unwrap } from "../engine/problem.js";
import type { Selected } from "../engine/release/release.js";
import { runOf, type Opened } from "./open.js";
import type { CallWith } from "./call.js";

/** A line on stderr, unless it should be quiet. */
export function tellLine({ options }: CallWith<"quiet">, line: string): void {
  if (options.quiet !== true) process.stderr.write(`${line}\n`);
}

/** A session over these targets, or over all. */
export function sessionOf(
  call: CallWith<"quiet">,
  opened: Opened,
  datecode: string | null,
  wanted: readonly TargetId[],
  readOnly: boolean,
): Session {
  const emit: Emit = (event) => {
    if (event.type === "phase") tellLine(call, `${event.phase} ${event.detail}`);
    if (event.type === "notice") tellLine(call, event.message);
  };
  return unwrap(openSession(runOf(opened, { wanted, datecode, emit }), readOnly));
}

/** The release, if it is there already: export, adoption and refresh open none. */
export function joined(selected: Selected, datecode: string | null): Selected {
  if (selected.kind === "joined") return selected;
  return stop(
    Exit.usage,
    datecode === null ? "no release is open" : `there is no release ${datecode}`,
    "imagemake release start opens one; a build opens one by itself",
  );
}
