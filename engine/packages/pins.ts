// The closures of the wanted targets, within one release: looked up where they are pinned, resolved from
// the release's snapshots where not. Taking snapshots and fetching are the only steps that use the network.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hashFile } from "../../cache/hash.js";
import type { Index } from "../../cache/index.js";
import { canonical, toJson } from "../key.js";
import type { Action, Graph, TargetId } from "../model.js";
import { fail, ok, type Problem, type Result } from "../problem.js";
import type { Project } from "../project.js";
import type { PinnedClosure, Release } from "../release/release.js";
import type { Sources } from "../sources/resolve.js";
import type { Emit } from "../events.js";
import { closureDigest } from "./closure.js";
import type { DriverContext, Drivers, Package, PackageDriver, SnapshotAt } from "./driver.js";

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
}

/** The closures of one release, as far as they are known. Holds the release and the changes made to it. */
export class Pins {
  readonly #actions: ReadonlyMap<TargetId, Action>;
  readonly #known = new Map<string, PinnedClosure>();

  constructor(
    private readonly context: PinsContext,
    public release: Release,
  ) {
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
    if (target === null) return ok([]);
    const action = this.#actions.get(target);
    if (action === undefined) return ok([]);
    if (action.packages !== null) {
      const own = await this.closure(action);
      if (!own.ok) return own;
      const beneath = await this.held(action.packages.on);
      if (!beneath.ok) return beneath;
      if (own.value === null || own.value === undefined || beneath.value === null) return ok(null);
      return ok([...beneath.value, ...own.value.packages]);
    }
    const base = action.outputs.find((output) => output.kind === "tree")?.base;
    const input = action.inputs.find((one) => one.name === base);
    return input?.kind === "artifact" ? this.held(input.target) : ok([]);
  }

  /**
   * Resolves what `actions` (in build order) lack, taking snapshots where the release has none. When only
   * looking, what would need the network stays unresolved.
   */
  async resolve(actions: readonly Action[]): Promise<Result<void>> {
    for (const action of actions) {
      const have = await this.closure(action);
      if (!have.ok) return have;
      if (have.value !== null) continue;
      if (this.context.readOnly && !(await this.#hasSnapshot(action))) continue;
      const resolved = await this.#resolve(action);
      if (!resolved.ok) return resolved;
    }
    return ok(undefined);
  }

  /** Fetches the package files of `actions` that the store lacks, in one phase. */
  async fetch(actions: readonly Action[]): Promise<Result<void>> {
    const byRepository = new Map<
      string,
      { driver: PackageDriver; at: SnapshotAt; packages: Map<string, Package> }
    >();
    for (const action of actions) {
      const closure = await this.closure(action);
      if (!closure.ok) return closure;
      if (action.packages === null || closure.value === null || closure.value === undefined) continue;
      const missing = closure.value.packages.filter(
        (pkg) => !existsSync(join(this.context.project.packages, pkg.sha256)),
      );
      if (missing.length === 0) continue;
      const driver = await this.driver(action.packages.driver);
      const at = await this.#snapshot(action);
      if (!at.ok) return at;
      const entry = byRepository.get(at.value.dir) ?? { driver, at: at.value, packages: new Map() };
      for (const pkg of missing) entry.packages.set(pkg.sha256, pkg);
      byRepository.set(at.value.dir, entry);
    }
    for (const { driver, at, packages } of byRepository.values()) {
      const list = [...packages.values()];
      const bytes = list.reduce((sum, pkg) => sum + pkg.size, 0);
      this.#phase(
        "fetch",
        `${list.length} packages, ${Math.ceil(bytes / 1e6)} MB (${driver.repositoryName(at.repo)})`,
      );
      mkdirSync(this.context.project.packages, { recursive: true, mode: 0o700 });
      const fetched = await this.#withScratch((context) =>
        driver.fetch(at, list, this.context.project.packages, context),
      );
      if (!fetched.ok) return fetched;
    }
    return ok(undefined);
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
  async #withScratch<T>(work: (context: DriverContext) => Promise<T>): Promise<T> {
    const { project, readOnly } = this.context;
    const parent = readOnly ? tmpdir() : project.stage;
    mkdirSync(parent, { recursive: true, mode: 0o700 });
    const scratch = mkdtempSync(join(parent, readOnly ? "imagemake-" : "driver-"));
    try {
      const progress = (line: string): void => this.#phase("fetch", line);
      return await work({ scratch, signal: this.context.signal, progress });
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
    const at = await this.#snapshot(action);
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
    const wishes = this.#wishes(action);
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

  #wishes(action: Action): Result<readonly Wish[]> {
    const wishes: Wish[] = [];
    for (const wanted of action.packages?.want ?? []) {
      if (typeof wanted === "string") {
        wishes.push({ name: wanted, list: null });
        continue;
      }
      const text = this.context.sources.list(wanted.list);
      if (!text.ok) return text;
      const names = text.value.split("\n").filter((name) => name !== "");
      wishes.push(...names.map((name) => ({ name, list: wanted.list })));
    }
    return ok(wishes);
  }

  async #snapshotName(asked: NonNullable<Action["packages"]>): Promise<string> {
    const driver = await this.driver(asked.driver);
    return `${driver.repositoryName(asked.repo)} ${asked.arch}`;
  }

  async #hasSnapshot(action: Action): Promise<boolean> {
    if (action.packages === null) return true;
    const known = this.release.snapshots[await this.#snapshotName(action.packages)];
    const on = await this.held(action.packages.on);
    return (
      known !== undefined &&
      existsSync(join(this.context.project.snapshots, known.digest)) &&
      on.ok &&
      on.value !== null
    );
  }

  /** The release's snapshot of the action's repository, taken now where there is none. */
  async #snapshot(action: Action): Promise<Result<SnapshotAt>> {
    const asked = action.packages;
    if (asked === null) return fail(2, `${action.id} has no packages`);
    const name = await this.#snapshotName(asked);
    const known = this.release.snapshots[name];
    const { snapshots } = this.context.project;
    if (known !== undefined && existsSync(join(snapshots, known.digest))) {
      return ok({ repo: asked.repo, arch: asked.arch, dir: join(snapshots, known.digest) });
    }
    this.#phase("snapshot", name);
    mkdirSync(snapshots, { recursive: true, mode: 0o700 });
    const driver = await this.driver(asked.driver);
    const dir = mkdtempSync(join(snapshots, "new-"));
    const taken = await this.#withScratch((context) => driver.snapshot(asked.repo, asked.arch, dir, context));
    if (!taken.ok) {
      rmSync(dir, { recursive: true, force: true });
      return taken;
    }
    const digest = await directoryDigest(dir);
    if (existsSync(join(snapshots, digest))) rmSync(dir, { recursive: true, force: true });
    else renameSync(dir, join(snapshots, digest));
    const entry = { digest, taken: new Date().toISOString() };
    this.release = { ...this.release, snapshots: { ...this.release.snapshots, [name]: entry } };
    return ok({ repo: asked.repo, arch: asked.arch, dir: join(snapshots, digest) });
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

/** Digest over the names and contents of the files below a directory. */
async function directoryDigest(dir: string): Promise<string> {
  const hash = createHash("sha256");
  const names = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of names) hash.update(`${file.slice(dir.length)}\0${await hashFile(file)}\n`);
  return hash.digest("hex");
}
