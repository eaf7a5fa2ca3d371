// What a build does about damage in the store: what it was going to read is removed and made anew. It looks at nothing itself;
// what read it while it was damaged fails (engine/execute/local/executor.ts).
import type { ArtifactRow } from "../../cache/index.js";
import { discardDamaged } from "../damage.js";
import { ok, type Result } from "../problem.js";
import { forgetRecords } from "../record.js";
import type { Session } from "./session.js";

/** What is damaged is removed and named, with what was built since from it: all that is made anew. */
export async function mend(
  { decider, index, options }: Session,
  damaged: ArtifactRow,
): Promise<Result<void>> {
  const { id, kind } = damaged;
  // Another action that reads it may have been here already, and may have made it anew.
  if (decider.whole.lost.has(id)) {
    const maker = index.makerOf(id);
    // They may hold that what is void now is up to date.
    forgetRecords(options.project);
    decider.products.spoil();
    const { voided, problem } = await discardDamaged({ project: options.project, index }, damaged);
    if (problem !== null) return { ok: false, problem };
    const since = new Set(voided.map(({ build }) => build.action));
    const whose = maker === undefined ? "" : ` (made by ${maker})`;
    const also = since.size === 0 ? "" : `; what was built from it counts no more: ${[...since].join(", ")}`;
    options.emit({
      type: "notice",
      level: "warning",
      message: `the ${kind} ${id}${whose} in the store is damaged, and is made anew${also}`,
      at: options.now(),
    });
  }
  decider.whole.forget(id);
  return ok(undefined);
}
