// `imagemake release refresh [TARGET…]`: new snapshots for these targets and all that is built on them, and
// what that changes in packages. With -n it only says so.
import { makeState, takeLock } from "../../build/build.js";
import { openSession, wantedActions } from "../../build/session.js";
import type { Action, Graph, TargetId } from "../../model.js";
import { packageChanges } from "../../packages/closure.js";
import { stop, unwrap } from "../../problem.js";
import { saveRelease } from "../../release/release.js";
import { drivers, openImagefile } from "../open.js";
import { changesInFull } from "../render/change.js";
import type { Call } from "../run.js";
import { select } from "../select.js";

/** Takes the snapshots, resolves, prints the difference; nothing is built. */
export async function command(call: Call): Promise<number> {
  const { options } = call;
  const opened = unwrap(await openImagefile(options, call.args, true));
  const { project, graph } = opened;
  const selection = call.names.length === 0 ? null : unwrap(select(graph, call.names));
  const signal = new AbortController().signal;
  const say = (line: string): void => {
    if (options.quiet !== true) process.stderr.write(`${line}\n`);
  };
  makeState(project);
  const lock = unwrap(
    await takeLock({
      project,
      signal,
      noWait: !options.wait,
      now: Date.now,
      emit: (event) => {
        if (event.type === "waiting") say(`waiting for ${event.holder}`);
      },
    }),
  );
  try {
    const session = unwrap(
      openSession(
        {
          project,
          graph,
          drivers,
          wanted: graph.targets.map((target) => target.id),
          datecode: selection?.datecode ?? opened.datecode,
          force: false,
          emit: (event) => {
            if (event.type === "phase") say(`${event.phase}: ${event.detail}`);
          },
          signal,
          killSignal: signal,
          now: Date.now,
        },
        false,
      ),
    );
    if (session.selected.kind === "opens") {
      stop(2, "no release is open", "imagemake release start opens one; a build opens one by itself");
    }
    const { pins } = session;
    const before = pins.release.closures;
    const affected = session.actions.filter(
      (action) => action.packages !== null && Object.hasOwn(before, action.id),
    );
    const chosen = affectedBy(graph, affected, selection?.targets ?? null);
    await pins.forget(chosen);
    unwrap(await pins.resolve(chosen));
    const rows = chosen.flatMap((action) => {
      const changes = packageChanges(
        before[action.id]?.packages ?? [],
        pins.release.closures[action.id]?.packages ?? [],
      );
      return changes.length === 0 ? [] : [{ target: action.id, changes }];
    });
    if (options.dryRun !== true) saveRelease(project, pins.release);
    if (options.json === true) process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    else {
      for (const { target, changes } of rows) {
        process.stdout.write(
          `${target}\n${changesInFull([], changes)
            .map((line) => `  ${line}\n`)
            .join("")}`,
        );
      }
      if (rows.length === 0) process.stdout.write("no package changed\n");
    }
    return 0;
  } finally {
    lock.release();
  }
}

/** The actions with packages among the chosen targets, what they need, and all that is built on them. */
function affectedBy(
  graph: Graph,
  actions: readonly Action[],
  targets: readonly TargetId[] | null,
): readonly Action[] {
  if (targets === null) return actions;
  const chosen = new Set(wantedActions(graph, targets).map((action) => action.id));
  const producer = new Map(graph.targets.map((target) => [target.id, target.action]));
  for (const action of graph.actions) {
    const reads = action.inputs.some(
      (input) => input.kind === "artifact" && chosen.has(producer.get(input.target) ?? ""),
    );
    if (reads) chosen.add(action.id);
  }
  return actions.filter((action) => chosen.has(action.id));
}
