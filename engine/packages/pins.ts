// The closures of the wanted targets, within one release: looked up where they are pinned, resolved from
// the release's snapshots where not. Taking snapshots and fetching are the only steps that use the network.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Index } from "../../cache/index.js";
import { canonical, toJson } from "../key.js";
import type { Action, Graph, PackageRequest, TargetId, Wanted } from "../model.js";
import { fail, ok, type Problem, type Result } from "../problem.js";
import type { Project } from "../project.js";
import type { PinnedClosure, Release } from "../release/release.js";
import { asWritten } from "../shell.js";
import { namesOf } from "../sources/lists.js";
import type { Sources } from "../sources/resolve.js";
import type { Emit } from "../events.js";
import { closureDigest } from "./closure.js";
import type { Drivers, Package, PackageDriver, SnapshotAt, SnapshotContext } from "./driver.js";
import { Snapshots } from "./snapshots.js";

/** A package name and the list it stands in, null for one named in the Imagefile. */
interface Wish {
  readonly name: string;
  readonly list: string | null;
}

/** What the pins of a run need. */
export interface PinsContext {
  readonly project: Project;
  readonly graph: Graph;
  readonly sources: Sources;
  readonly index: Index;
  readonly drivers: Drivers;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** Only look: resolve from snapshots that are here, write nothing down, use no network. */
  readonly readOnly: boolean;
  /** Where looking may take snapshots after all, to say what they would change; the caller removes it. */
  readonly preview?: string;
}

/** The closures of one release, as far as they are known. Holds the release and the changes made to it. */
export class Pins {
  readonly #actions: ReadonlyMap<TargetId, Action>;
  readonly #known = new Map<string, PinnedClosure>();
  readonly #snapshots: Snapshots;

  constructor(
    private readonly context: PinsContext,
    public release: Release,
  ) {
    const { project, preview } = context;
    this.#snapshots =
      preview === undefined ? new Snapshots(project.snapshots) : new Snapshots(preview, [project.snapshots]);
    const actions = new Map(context.graph.actions.map((action) => [action.id, action]));
    this.#actions = new Map(
      context.graph.targets.flatMap((target) => {
        const action = actions.get(target.action);
        return action === undefined ? [] : [[target.id, action] as const];
      }),
    );
  }

  /** The pinned closure of an action; null where it is not resolved (yet), undefined where it has none. */
  async closure(action: Action): Promise<Result<PinnedClosure | null | undefined>> {
    if (action.packages === null) return ok(undefined);
    const known = this.#known.get(action.id);
    if (known !== undefined) return ok(known);
    const request = await this.#request(action);
    if (!request.ok) return request;
    if (request.value === null) return ok(null);
    const pinned = this.release.closures[action.id];
    if (pinned?.request !== request.value.digest) return ok(null);
    this.#known.set(action.id, pinned);
    return ok(pinned);
  }

  /** Every package that the tree of `target` holds; null while one of its closures is not resolved. */
  async held(target: TargetId | null): Promise<Result<readonly Package[] | null>> {
    const held: Package[] = [];
    for (const action of this.#beneath(target)) {
      const own = await this.closure(action);
      if (!own.ok) return own;
      if (own.value === null) return ok(null);
      held.push(...(own.value?.packages ?? []));
    }
    return ok(held);
  }

  /** The actions with packages that made the tree of `target`, the lowest first. */
  #beneath(target: TargetId | null): Action[] {
    const found: Action[] = [];
    for (let at = target; at !== null;) {
      const action = this.#actions.get(at);
      if (action === undefined) break;
      if (action.packages !== null) found.unshift(action);
      const base = action.outputs.find((output) => output.kind === "tree")?.base;
      const input = action.inputs.find((one) => one.name === base);
      at = action.packages?.on ?? (input?.kind === "artifact" ? input.target : null);
    }
    return found;
  }

  /**
   * Resolves what `actions` (in build order) and the trees beneath them lack, taking snapshots where the
   * release has none. When only looking, what would need the network stays unresolved.
   */
  async resolve(actions: readonly Action[]): Promise<Result<void>> {
    const needed = new Set(
      actions.flatMap((action) => [...this.#beneath(action.packages?.on ?? null), action]),
    );
    if (![...needed].some((action) => action.packages !== null)) return ok(undefined);
    const distinct = await this.#distinctNames();
    if (!distinct.ok) return distinct;
    // What a person can mend is said before the network is asked.
    for (const action of needed) {
      const wishes = await this.#wishes(action);
      if (!wishes.ok) return wishes;
    }
    for (const action of needed) {
      const have = await this.closure(action);
      if (!have.ok) return have;
      if (have.value !== null) continue;
      if (this.#isOffline && !(await this.#canResolve(action))) continue;
      const resolved = await this.#resolve(action);
      if (!resolved.ok) return resolved;
    }
    return ok(undefined);
  }

  /** Fetches the package files of `actions` that the store lacks, in one phase. */
  async fetch(actions: readonly Action[]): Promise<Result<void>> {
    const byRepository = new Map<string, { asked: PackageRequest; packages: Map<string, Package> }>();
    for (const action of actions) {
      const closure = await this.closure(action);
      if (!closure.ok) return closure;
      const asked = action.packages;
      if (asked === null || closure.value === null || closure.value === undefined) continue;
      const missing = closure.value.packages.filter((pkg) => !this.#hasFile(pkg));
      if (missing.length === 0) continue;
      const repository = canonical(toJson([asked.driver, asked.repo, asked.arch]));
      const entry = byRepository.get(repository) ?? { asked, packages: new Map() };
      for (const pkg of missing) entry.packages.set(pkg.sha256, pkg);
      byRepository.set(repository, entry);
    }
    const { packages: dir } = this.context.project;
    for (const { asked, packages } of byRepository.values()) {
      const list = [...packages.values()];
      const bytes = list.reduce((sum, pkg) => sum + pkg.size, 0);
      const driver = await this.driver(asked.driver);
      const count = list.length === 1 ? "1 package" : `${list.length} packages`;
      this.#phase(
        "fetch",
        `${count}, ${Math.ceil(bytes / 1e6)} MB (${driver.repositoryName(asked.repo)} ${asked.arch})`,
      );
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const fetched = await this.#withScratch((context) =>
        driver.fetch(asked.repo, asked.arch, list, dir, context),
      );
      if (!fetched.ok) return fetched;
    }
    return ok(undefined);
  }

  /** Whether the store has the file of a package, whole as far as its size says. */
  #hasFile(pkg: Package): boolean {
    const stats = statSync(join(this.context.project.packages, pkg.sha256), { throwIfNoEntry: false });
    return stats?.size === pkg.size;
  }

  /** The driver of that name. */
  async driver(name: string): Promise<PackageDriver> {
    const load = this.context.drivers[name];
    if (load === undefined) throw new Error(`no driver is called ${name}`);
    return load();
  }

  /** Forgets the snapshots behind these actions and their closures: the next `resolve` takes new ones. */
  async forget(actions: readonly Action[]): Promise<void> {
    const snapshots = { ...this.release.snapshots };
    const closures = { ...this.release.closures };
    for (const action of actions) {
      if (action.packages === null) continue;
      const name = await this.#snapshotName(action.packages);
      snapshots[name] = { digest: "", taken: "" };
      Reflect.deleteProperty(closures, action.id);
      this.#known.delete(action.id);
    }
    const kept = Object.fromEntries(
      Object.entries(snapshots).filter(([, snapshot]) => snapshot.digest !== ""),
    );
    this.release = { ...this.release, snapshots: kept, closures };
  }

  /** Runs `work` with a scratch directory that is removed afterwards. */
  async #withScratch<T>(work: (context: SnapshotContext) => Promise<T>): Promise<T> {
    const { project, readOnly } = this.context;
    const parent = readOnly ? tmpdir() : project.stage;
    mkdirSync(parent, { recursive: true, mode: 0o700 });
    const scratch = mkdtempSync(join(parent, readOnly ? "imagemake-" : "driver-"));
    try {
      const progress = (line: string): void => this.#phase("fetch", line);
      const { emit, signal } = this.context;
      const warn = (message: string): void =>
        emit({ type: "notice", level: "warning", message, at: Date.now() });
      return await work({ scratch, base: project.dir, signal, progress, warn });
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  async #resolve(action: Action): Promise<Result<void>> {
    const request = await this.#request(action);
    if (!request.ok) return request;
    const asked = action.packages;
    if (asked === null || request.value === null) return ok(undefined);
    const on = await this.held(asked.on);
    if (!on.ok) return on;
    const at = await this.#snapshot(asked);
    if (!at.ok) return at;
    const driver = await this.driver(asked.driver);
    this.#phase("resolve", action.id);
    const { wishes, digest } = request.value;
    const want = [...new Set(wishes.map((wish) => wish.name))].sort();
    const packages = await this.#withScratch((context) =>
      driver.resolve({ snapshot: at.value, want, options: asked.options, on: on.value ?? [] }, context),
    );
    if (!packages.ok) return { ok: false, problem: blame(packages.problem, action.id, wishes) };
    const closure: PinnedClosure = {
      request: digest,
      digest: closureDigest(packages.value),
      packages: packages.value,
    };
    if (!this.context.readOnly) this.context.index.addClosure(closure.digest, JSON.stringify(packages.value));
    this.#known.set(action.id, closure);
    this.release = { ...this.release, closures: { ...this.release.closures, [action.id]: closure } };
    return ok(undefined);
  }

  /** What is asked for, without the snapshot: while this is the same, a pinned answer stands. */
  async #request(action: Action): Promise<Result<{ wishes: readonly Wish[]; digest: string } | null>> {
    const asked = action.packages;
    if (asked === null) return ok(null);
    const wishes = await this.#wishes(action);
    if (!wishes.ok) return wishes;
    const on = await this.held(asked.on);
    if (!on.ok) return on;
    if (on.value === null) return ok(null);
    const driver = await this.driver(asked.driver);
    const digest = createHash("sha256")
      .update(
        canonical(
          toJson({
            driver: asked.driver,
            repository: driver.repositoryName(asked.repo),
            arch: asked.arch,
            options: asked.options,
            want: [...new Set(wishes.value.map((wish) => wish.name))].sort(),
            on: closureDigest(on.value),
          }),
        ),
      )
      .digest("hex");
    return ok({ wishes: wishes.value, digest });
  }

  async #wishes(action: Action): Promise<Result<readonly Wish[]>> {
    const wishes: Wish[] = [];
    for (const wanted of action.packages?.want ?? []) {
      if (typeof wanted === "string") {
        wishes.push({ name: wanted, list: null });
        continue;
      }
      const names = await this.#namesIn(wanted);
      if (!names.ok) {
        const { problem } = names;
        return {
          ok: false,
          problem: { ...problem, message: `${action.at}: ${action.id}: ${problem.message}` },
        };
      }
      const list = "list" in wanted ? wanted.list : (wanted.probe.what ?? asWritten(wanted.probe.argv));
      wishes.push(...names.value.map((name) => ({ name, list })));
    }
    return ok(wishes);
  }

  /** What a list file has, or a probe prints. */
  async #namesIn(wanted: Exclude<Wanted, string>): Promise<Result<readonly string[]>> {
    const { sources } = this.context;
    if ("list" in wanted) {
      const text = sources.list(wanted.list);
      return text.ok ? ok(text.value.split("\n").filter((name) => name !== "")) : text;
    }
    const found = await sources.resolve(wanted.probe, "packages");
    if (!found.ok) return found;
    const texts = found.value.kind === "files" ? found.value.files : [];
    return ok(texts.flatMap((file) => (file.kind === "text" ? namesOf(file.text) : [])));
  }

  async #snapshotName(asked: NonNullable<Action["packages"]>): Promise<string> {
    const driver = await this.driver(asked.driver);
    return `${driver.repositoryName(asked.repo)} ${asked.arch}`;
  }

  /** Whether nothing may be asked of the network. */
  get #isOffline(): boolean {
    return this.context.readOnly && this.context.preview === undefined;
  }

  /** Whether a list can be resolved with what is here. */
  async #canResolve(action: Action): Promise<boolean> {
    if (action.packages === null) return true;
    const known = this.release.snapshots[await this.#snapshotName(action.packages)];
    const on = await this.held(action.packages.on);
    return known !== undefined && this.#snapshots.find(known.digest) !== null && on.ok && on.value !== null;
  }

  /** The release's snapshot of a repository, taken now where there is none. */
  async #snapshot(asked: PackageRequest): Promise<Result<SnapshotAt>> {
    const { repo, arch } = asked;
    const name = await this.#snapshotName(asked);
    const known = this.release.snapshots[name];
    const here = known === undefined ? null : this.#snapshots.find(known.digest);
    if (here !== null) return ok({ repo, arch, dir: here });
    this.#phase("snapshot", name);
    const driver = await this.driver(asked.driver);
    const taken = await this.#withScratch((context) => this.#snapshots.take(driver, repo, arch, context));
    if (!taken.ok) return taken;
    const entry = { digest: taken.value, taken: new Date().toISOString() };
    this.release = { ...this.release, snapshots: { ...this.release.snapshots, [name]: entry } };
    const dir = this.#snapshots.find(taken.value);
    return dir === null ? fail(3, `the snapshot of ${name} vanished`) : ok({ repo, arch, dir });
  }

  /** A release has one snapshot under a name, so two repositories of one name cannot be told apart. */
  async #distinctNames(): Promise<Result<void>> {
    const seen = new Map<string, { readonly repo: string; readonly action: Action }>();
    for (const action of this.context.graph.actions) {
      if (action.packages === null) continue;
      const name = await this.#snapshotName(action.packages);
      const repo = canonical(action.packages.repo);
      const other = seen.get(name);
      if (other !== undefined && other.repo !== repo) {
        return fail(
          2,
          `${action.at}: ${other.action.id} and ${action.id} take packages from different repositories that are both called ${name}`,
          "within an Imagefile a suite with its components is one repository: give it one address and one set of keys",
        );
      }
      seen.set(name, { repo, action });
    }
    return ok(undefined);
  }

  #phase(phase: "snapshot" | "resolve" | "fetch", detail: string): void {
    this.context.emit({ type: "phase", phase, detail, at: Date.now() });
  }
}

/** Adds the target, and the lists in which a package named by the problem stands. */
function blame(problem: Problem, target: string, wishes: readonly Wish[]): Problem {
  const named = wishes.filter((wish) =>
    new RegExp(`(^|[^\\w.+-])${wish.name.replace(/[.+]/g, "\\$&")}($|[^\\w+-])`).test(problem.message),
  );
  const lists = [...new Set(named.map((wish) => wish.list ?? "the Imagefile"))];
  const asked = lists.length === 0 ? "" : ` (asked for in ${lists.join(", ")})`;
  return { ...problem, message: `${target}: ${problem.message}${asked}` };
}
