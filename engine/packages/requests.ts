// What package requests ask for, by name and as digests, what they lie on, and what their repositories are called. It
// resolves nothing.
import { createHash } from "node:crypto";
import { relative } from "node:path";
import { addTo } from "../../cache/grouped.js";
import { canonical, toJson } from "../key.js";
import type { Action, Graph, PackageRequest, TargetId, Wanted } from "../model.js";
import type { Obstacle, Obstacles } from "../obstacles.js";
import { Exit, ok, type Problem, type Result } from "../problem.js";
import type { Project } from "../project.js";
import { relationsOf } from "../relations.js";
import { asWritten } from "../shell.js";
import { namesOf } from "../sources/lists.js";
import type { Sources } from "../sources/resolve.js";
import { closureDigest } from "./closure.js";
import type { Package, PackageDriver, ResolveRequest } from "./driver.js";
import type { Policy } from "./policy.js";

/** What a list asks for. While `digest` is the same, which has no snapshot in it, a pinned answer stands. */
export interface Asked {
  readonly asked: PackageRequest;
  readonly entries: readonly WantedPackage[];
  readonly on: readonly Package[];
  readonly driver: PackageDriver;
  readonly policy: Policy;
  readonly beside: Pick<ResolveRequest, "beside">;
  readonly digest: string;
}

/** The actions with packages that made the tree of `target`, the lowest first. */
export function beneath(graph: Graph, target: TargetId | null): Action[] {
  const found: Action[] = [];
  for (let at = target; at !== null;) {
    const action = relationsOf(graph).producer(at);
    if (action === undefined) break;
    if (action.packages !== null) found.push(action);
    const base = action.outputs.find((output) => output.kind === "tree")?.base;
    const input = action.inputs.find((one) => one.name === base);
    at = action.packages?.on ?? (input?.kind === "artifact" ? input.target : null);
  }
  return found.reverse();
}

/** The actions with packages among `actions` and the trees beneath them, each after what it lies on. */
export function withBeneath(graph: Graph, actions: readonly Action[]): Action[] {
  const all = actions.flatMap((action) => [...beneath(graph, action.packages?.on ?? null), action]);
  return [...new Set(all)].filter(({ packages }) => packages !== null);
}

/** The digest of what is asked for. */
export function requestDigest(
  { driver, repo, arch, options }: PackageRequest,
  { repositoryName }: Pick<PackageDriver, "repositoryName">,
  policy: Policy,
  names: readonly string[],
  on: readonly Package[],
  { beside }: Pick<ResolveRequest, "beside">,
): string {
  const asked = {
    ...{ driver, repository: repositoryName(repo), policy: policy.digest, arch, options },
    want: [...new Set(names)].sort(),
    on: closureDigest(on),
    // Where the files lie does not count.
    ...(beside === undefined
      ? {}
      : { beside: [beside.options, beside.files.map(({ sha256 }) => sha256).sort()] }),
  };
  return createHash("sha256")
    .update(canonical(toJson(asked)))
    .digest("hex");
}

/** What counts beside the snapshot, with the digests of the files that it means. */
export async function besideOf(
  { beside }: PackageRequest,
  { dir }: Project,
  sources: Sources,
): Promise<Result<Pick<ResolveRequest, "beside">>> {
  if (beside === undefined) return ok({});
  const { options } = beside;
  if (beside.files.length === 0) return ok({ beside: { options, files: [] } });
  const found = await sources.digests(beside.files);
  if (!found.ok) return found;
  const files = found.value.map(({ path, digest }) => ({ path, name: relative(dir, path), sha256: digest }));
  return ok({ beside: { options, files } });
}

/**
 * Those whose repository has a name that another one has too: a release has one snapshot under a name, so they cannot be
 * told apart.
 */
export async function namesakes(
  actions: readonly Action[],
  nameOf: (asked: PackageRequest) => Promise<string>,
): Promise<Obstacles> {
  const called = new Map<string, { readonly repo: string; readonly action: Action }[]>();
  for (const action of actions) {
    if (action.packages === null) continue;
    const name = await nameOf(action.packages);
    addTo(called, name, { repo: canonical(action.packages.repo), action });
  }
  const found = new Map<TargetId, Obstacle>();
  for (const [name, those] of called) {
    const [first] = those;
    const other = those.find(({ repo }) => repo !== first?.repo);
    if (first === undefined || other === undefined) continue;
    const [one, two] = [first.action, other.action];
    const problem: Problem = {
      exit: Exit.usage,
      message:
        `${one.id} (${one.at}) and ${two.id} (${two.at}) take packages from different repositories that are both ` +
        `called ${name}`,
      hint:
        "a release has one snapshot under each name: give all targets the same repository, address and keys alike, " +
        "or move some into an Imagefile of their own (-f FILE)",
    };
    for (const { action } of those) found.set(action.id, problem);
  }
  return found;
}

// What a package request asks for: names in the Imagefile, in list files, and from probes. It resolves nothing.

/** A package name and the list it stands in, null for one named in the Imagefile. */
interface WantedPackage {
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
