// Whether everything is there that actions read from outside the graph, looked at before anything is built: what is
// missing is not found only when its action's turn comes. It decides nothing.
import type { Drivers, PackageDriver } from "../packages/driver.js";
import type { Action } from "../model.js";
import { noticeAbout, type Notice } from "../notice.js";
import { Exit, fail, ok, type Problem, type Result } from "../problem.js";
import { matchPatterns } from "../sources/globs.js";
import type { Sources } from "../sources/resolve.js";

/** As many are named; the rest is counted. */
const NAMED = 5;

/**
 * Looks at every source of `actions`: their inputs, the lists of their packages, and the keys of the repositories. What
 * of them does not come along into a tree is the value, sentences with their place in the Imagefile.
 */
export async function checkInputs(
  actions: readonly Action[],
  { dir, sources, drivers }: { readonly dir: string; readonly sources: Sources; readonly drivers: Drivers },
): Promise<Result<readonly Notice[]>> {
  const lost: Notice[] = [];
  const found = new Map<string, Problem>();
  const note = (action: Action, looked: Result<unknown>, what = ""): void => {
    if (looked.ok || found.has(looked.problem.message)) return;
    const { problem } = looked;
    found.set(problem.message, {
      ...problem,
      message: `${action.at}: ${action.id}: ${what}${problem.message}`,
    });
  };
  for (const action of actions) {
    for (const input of action.inputs) {
      if (input.kind !== "source") continue;
      const resolved = await sources.resolve(input.source, input.name);
      note(action, resolved, `input ${input.name}: `);
      if (resolved.ok && resolved.value.kind === "files")
        for (const notice of resolved.value.dropped) lost.push(noticeAbout(action.at, notice));
    }
    const { packages } = action;
    if (packages === null) continue;
    const driver = await drivers[packages.driver]?.();
    for (const wanted of packages.want) {
      if (typeof wanted === "string") {
        note(action, entries(driver, [[wanted, null]], "packages"));
      } else if ("list" in wanted) {
        const lines = sources.lines(wanted.list);
        note(action, lines.ok ? entries(driver, lines.value, wanted.list) : lines);
      } else {
        note(action, await sources.resolve(wanted.probe, "packages"));
      }
    }
    const keys = driver?.keyFiles(packages.repo) ?? [];
    if (keys.length > 0) note(action, await matchPatterns(dir, keys), "keys: ");
    const own = packages.beside?.files ?? [];
    if (own.length > 0) note(action, await matchPatterns(dir, own), "package files: ");
  }
  const [first, ...more] = found.values();
  return first === undefined ? ok(lost) : together(first, more);
}

/** What a person should know of the repositories that these actions take packages from, once each. */
export async function cautionsOf(
  actions: readonly Action[],
  { dir, drivers }: { readonly dir: string; readonly drivers: Drivers },
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for (const { packages } of actions) {
    if (packages === null) continue;
    const caution = (await drivers[packages.driver]?.())?.caution?.(packages.repo, dir) ?? null;
    if (caution !== null) found.add(caution);
  }
  return found;
}

/** Entries of a list, each with its line, that the package manager can make nothing of. */
function entries(
  driver: PackageDriver | undefined,
  lines: Iterable<readonly [string, number | null]>,
  list: string,
): Result<void> {
  const odd = [...lines].find(([entry]) => driver?.isEntry(entry) === false);
  if (odd === undefined) return ok(undefined);
  const [entry, line] = odd;
  return fail(
    Exit.usage,
    `${line === null ? list : `${list}:${line}`}: ${JSON.stringify(entry)} is not the name of a package`,
    `names as ${driver?.name ?? "the driver"} takes them, blanks or ends of lines between them`,
  );
}

/** Several problems as one: what exit status says is that of the first. */
function together(first: Problem, more: readonly Problem[]): Result<never> {
  const rest = more.slice(0, NAMED - 1).map(({ message }) => message);
  if (more.length > rest.length) rest.push(`and ${more.length - rest.length} more`);
  const hint = [first.hint ?? "", ...rest].filter((line) => line !== "").join("\n");
  return hint === "" ? fail(first.exit, first.message) : fail(first.exit, first.message, hint);
}
