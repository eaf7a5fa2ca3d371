// Looking without touching: a session for commands that only say something, and the one target they are
// about. It changes nothing, not even the database, and never uses the network.
import { decideAll, inputsThere, openSession, type Session } from "../engine/build/session.js";
import type { Judgement } from "../engine/decide.js";
import type { Action, Graph, TargetId } from "../engine/model.js";
import { Exit, fail, ok, stop, unwrap, type Result } from "../engine/problem.js";
import { openImagefile, runOf, type Opened } from "./open.js";
import type { CallWith } from "./call.js";
import { oneDate, select } from "./select.js";
import { relationsOf } from "../engine/relations.js";

/** An Imagefile, and a session over some of its targets that may only look. */
export interface Looking {
  readonly opened: Opened;
  readonly session: Session;
  readonly targets: readonly TargetId[];
}

/** Opens the Imagefile and looks at the named targets; where none is named at `others`, or at all exported ones. */
export async function look(
  call: CallWith<"directory" | "file" | "release" | "alwaysMake" | "isolation">,
  names: readonly string[],
  others?: (graph: Graph) => readonly TargetId[],
): Promise<Looking> {
  const opened = unwrap(await openImagefile(call.options, call.args, false));
  const { graph } = opened;
  const everything =
    others?.(graph) ?? graph.targets.filter((target) => target.exported).map((target) => target.id);
  const selection = names.length === 0 ? null : unwrap(select(graph, names));
  const targets = selection?.targets ?? everything;
  const run = runOf(opened, {
    wanted: targets,
    datecode: unwrap(oneDate(selection?.datecode ?? null, opened.datecode)),
    force: call.options.alwaysMake === true,
    isolated: call.options.isolation,
  });
  const session = unwrap(openSession(run, true));
  return { opened, session, targets };
}

/** Decides everything looked at, with closures resolved from snapshots that are here already. */
export async function judge(session: Session): Promise<ReadonlyMap<string, Judgement>> {
  unwrap(await inputsThere(session));
  unwrap(await session.pins.resolve(session.actions, true));
  return unwrap(await decideAll(session));
}

/** The one action that a command is about. */
export function onlyAction({ opened, targets }: Looking): Action {
  return unwrap(actionOf(opened.graph, targets));
}

/** The action of the one target that is named. */
export function actionOf(graph: Graph, targets: readonly TargetId[]): Result<Action> {
  const [only, ...others] = targets;
  const action = relationsOf(graph).producer(only);
  if (action === undefined) return stop(Exit.usage, "no target named");
  return others.length === 0
    ? ok(action)
    : fail(Exit.usage, `name one target, not ${targets.length}`, targets.join(" "));
}
