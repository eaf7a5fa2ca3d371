// Whether everything is there that actions read from outside the graph, looked at before anything is built: what is
// missing is not found only when its action's turn comes. It decides nothing.
import type { Drivers, PackageDriver } from "../packages/driver.js";
import type { Action } from "../model.js";
import { fail, ok, type Problem, type Result } from "../problem.js";
import { matchPatterns } from "../sources/globs.js";
import type { Sources } from "../sources/resolve.js";

/** As many are named; the rest is counted. */
const NAMED = 5;

/** Looks at every source of `actions`: their inputs, the lists of their packages, and the keys of the repositories. */
export async function checkInputs(
  actions: readonly Action[],
  { dir, sources, drivers }: { readonly dir: string; readonly sources: Sources; readonly drivers: Drivers },
): Promise<Result<void>> {
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
      if (input.kind === "source")
        note(action, await sources.resolve(input.source, input.name), `input ${input.name}: `);
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
  }
  return together([...found.values()]);
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
    2,
    `${line === null ? list : `${list}:${line}`}: ${JSON.stringify(entry)} is not the name of a package`,
    `names as ${driver?.name ?? "the driver"} takes them, blanks or ends of lines between them`,
  );
}

/** Several problems as one: what exit status says is that of the first. */
function together(problems: readonly Problem[]): Result<void> {
  const [first, ...more] = problems;
  if (first === undefined) return ok(undefined);
  const rest = more.slice(0, NAMED - 1).map(({ message }) => message);
  if (more.length > rest.length) rest.push(`and ${more.length - rest.length} more`);
  const hint = [first.hint ?? "", ...rest].filter((line) => line !== "").join("\n");
  return hint === "" ? fail(first.exit, first.message) : fail(first.exit, first.message, hint);
}
