// What a package request asks for: names in the Imagefile, in list files, and from probes. It resolves nothing.
import type { Action, Wanted } from "../model.js";
import { ok, type Problem, type Result } from "../problem.js";
import { asWritten } from "../shell.js";
import { namesOf } from "../sources/lists.js";
import type { Sources } from "../sources/resolve.js";

/** A package name and the list it stands in, null for one named in the Imagefile. */
export interface WantedPackage {
  readonly name: string;
  readonly list: string | null;
}

/** Everything that an action asks for, in the Imagefile's order. */
export async function wantedOf(action: Action, sources: Sources): Promise<Result<readonly WantedPackage[]>> {
  const entries: WantedPackage[] = [];
  for (const wanted of action.packages?.want ?? []) {
    if (typeof wanted === "string") {
      entries.push({ name: wanted, list: null });
      continue;
    }
    const names = await namesIn(wanted, sources);
    if (!names.ok) return names;
    const list = "list" in wanted ? wanted.list : (wanted.probe.what ?? asWritten(wanted.probe.argv));
    for (const name of names.value) entries.push({ name, list });
  }
  return ok(entries);
}

/** What a list file has, or a probe prints. */
async function namesIn(
  wanted: Exclude<Wanted, string>,
  sources: Sources,
): Promise<Result<readonly string[]>> {
  if ("list" in wanted) {
    const text = sources.list(wanted.list);
    return text.ok ? ok(text.value.split("\n").filter((name) => name !== "")) : text;
  }
  const found = await sources.resolve(wanted.probe, "packages");
  if (!found.ok) return found;
  const texts = found.value.kind === "files" ? found.value.files : [];
  return ok(texts.flatMap((file) => (file.kind === "text" ? namesOf(file.text) : [])));
}

/** The problem, with the lists in which a package stands that it names. */
export function blame(problem: Problem, entries: readonly WantedPackage[]): Problem {
  const named = entries.filter(({ name }) => mentions(problem, name));
  const lists = [...new Set(named.map((entry) => entry.list ?? "the Imagefile"))];
  return lists.length === 0
    ? problem
    : { ...problem, message: `${problem.message} (asked for in ${lists.join(", ")})` };
}

/** Whether a problem is about the package of that name. */
export const mentions = ({ message }: Problem, name: string): boolean =>
  new RegExp(`(^|[^\\w.+-])${name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")}($|[^\\w+-])`).test(message);
