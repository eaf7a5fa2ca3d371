// The closures of the wanted targets, within one release: looked up where they are pinned, resolved from
// the release's snapshots where not. Taking snapshots and fetching are the only steps that use the network.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Index } from "../../cache/index.js";
import { reached } from "../../cache/steps.js";
import { makeScratch } from "../../cache/layout.js";
import { Checked } from "../../cache/packages.js";
import { Snapshots } from "../../cache/snapshots.js";
import type { Emit } from "../events.js";
import type { Action, Graph, PackageRequest, TargetId } from "../model.js";
import type { Obstacle, Obstacles } from "../obstacles.js";
import { Exit, fail, ok, type Problem, type Result } from "../problem.js";
import type { Project } from "../project.js";
import type { PinnedClosure, Release } from "../release/record.js";
import type { Sources } from "../sources/resolve.js";
import { closureDigest, fitForFiles } from "./closure.js";
import type { Drivers, Package, PackageDriver, SnapshotAt, SnapshotContext } from "./driver.js";
import { fetchPackages, type Fetching } from "./fetch.js";
import { Policies, type Policy } from "./policy.js";
import { agreeing, checkedHere, provenRelease, StoredPackages, without } from "./proof.js";
import {
  type Asked,
  beneath,
  besideOf,
  blame,
  namesakes,
  requestDigest,
  wantedOf,
  withBeneath,
} from "./requests.js";
import { dated, fateOf, moment, renewedTexts, takeSnapshot, withScratch } from "./snapshots.js";

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
  readonly #known = new Map<string, PinnedClosure>();
  readonly #refused = new Map<TargetId, Obstacle>();
  /** Snapshots that could not be taken: a repository that does not answer is asked once a run. */
  readonly #unreachable = new Map<string, Problem>();
  /** When this run began to take snapshots: those that are taken in one go count as one moment. */
  #taking: string | null = null;
  #namesakes: Promise<Obstacles> | undefined;
  readonly #snapshots: Snapshots;
  readonly #policies: Policies;
  readonly #checked: Checked;
  readonly #stored: StoredPackages;

  constructor(
    private readonly context: PinsContext,
    public release: Release,
  ) {
    const { project, preview } = context;
    this.#policies = new Policies(context.sources, (name) => this.driver(name));
    this.#checked = new Checked(project.checked);
    this.#snapshots =
      preview === undefined ? new Snapshots(project.snapshots) : new Snapshots(preview, [project.snapshots]);
    this.#stored = new StoredPackages(project.packages, context.index, (message) => this.#warn(message));
    this.release = provenRelease(release, context.index, (message) => this.#warn(message));
  }

  /** The pinned closure of an action; null where it is not resolved (yet), undefined where it has none. */
  async closure(action: Action): Promise<Result<PinnedClosure | null | undefined>> {
    if (action.packages === null) return ok(undefined);
    if (this.#refused.has(action.id)) return ok(null);
    const known = this.#known.get(action.id);
    if (known !== undefined) return ok(known);
    const request = await this.#request(action);
    if (!request.ok) return request;
    if (request.value === null) return ok(null);
    const pinned = this.release.closures[action.id];
    if (pinned?.request !== request.value.digest) return ok(null);
    this.release = agreeing(this.release, action.id, (message) => this.#warn(message));
    if (this.release.closures[action.id] === undefined) return ok(null);
    const policy = this.release.foreign === true ? await this.#policies.of(action.packages) : null;
    const proven = policy?.ok === true ? checkedHere(pinned, policy.value, this.#checked) : pinned;
    this.#known.set(action.id, proven);
    return ok(proven);
  }

  /** Every package that the tree of `target` holds; null while one of its closures is not resolved. */
  async held(target: TargetId | null): Promise<Result<readonly Package[] | null>> {
    const held: Package[] = [];
    for (const action of beneath(this.context.graph, target)) {
      const own = await this.closure(action);
      if (!own.ok) return own;
      if (own.value === null) return ok(null);
      for (const pkg of own.value?.packages ?? []) held.push(pkg);
    }
    return ok(held);
  }

  /** Why the packages of an action cannot be resolved; undefined where they can, or nobody has tried. */
  refusal(action: Action): Obstacle | undefined {
    return this.#refused.get(action.id);
  }

  /** Those of several actions and of the trees beneath them. */
  refusals(actions: readonly Action[]): Obstacles {
    return new Map(
      withBeneath(this.context.graph, actions).flatMap(({ id }) => {
        const refused = this.#refused.get(id);
        return refused === undefined ? [] : [[id, refused] as const];
      }),
    );
  }

  /**
   * Resolves what `actions` (in build order) and the trees beneath them lack, taking snapshots where the release has
   * none. What cannot be resolved is that action's `refusal`; the network is asked `despite` lists that cannot be read.
   * When only looking, what would need the network stays unresolved.
   */
  async resolve(actions: readonly Action[], despite: boolean): Promise<Result<void>> {
    const needed = withBeneath(this.context.graph, actions);
    if (needed.length === 0) return ok(undefined);
    const same = await this.#sameNamed();
    for (const action of needed) {
      const namesake = same.get(action.id);
      if (namesake !== undefined) this.#refused.set(action.id, namesake);
      const entries = await wantedOf(action, this.context.sources);
      if (!entries.ok) this.#refused.set(action.id, { ...entries.problem, at: action.at });
    }
    const open: Action[] = [];
    for (const action of needed) {
      const have = await this.closure(action);
      if (!have.ok) return have;
      if (have.value === null && !this.#refused.has(action.id)) open.push(action);
    }
    // What a person can mend is said first.
    if (!this.#isOffline && (despite || open.length === 0 || this.refusals(needed).size === 0))
      for (const [id, problem] of await this.snapshot(open)) this.#refused.set(id, problem);
    for (const action of open) {
      if (this.context.signal.aborted) return fail(Exit.failed, "interrupted");
      if (this.#refused.has(action.id)) continue;
      const resolved = await this.#resolve(action);
      if (!resolved.ok) this.#refused.set(action.id, resolved.problem);
    }
    return ok(undefined);
  }

  /** Names of the snapshots that `snapshot` would take. */
  async lacking(actions: readonly Action[]): Promise<readonly string[]> {
    const names = new Set<string>();
    for (const { packages } of withBeneath(this.context.graph, actions)) {
      if (packages === null) continue;
      const name = await this.#snapshotName(packages);
      const policy = await this.#policies.of(packages);
      if (policy.ok && (await this.#snapshotOf(name, policy.value)) === null) names.add(name);
    }
    return [...names];
  }

  /** Takes the snapshots that the release lacks of what `actions` and the trees beneath them are made from, in one go. */
  async snapshot(actions: readonly Action[]): Promise<Obstacles> {
    const refused = new Map<TargetId, Obstacle>();
    const before = Object.entries(this.release.snapshots).map(([name, { taken }]) => [taken, name] as const);
    const later: string[] = [];
    const reconfigured: string[] = [];
    const same = await this.#sameNamed();
    for (const action of withBeneath(this.context.graph, actions)) {
      if (action.packages === null || this.context.signal.aborted) continue;
      const name = await this.#snapshotName(action.packages);
      const namesake = same.get(action.id);
      const policy =
        namesake === undefined ? await this.#policies.of(action.packages) : { problem: namesake };
      if ("problem" in policy) {
        refused.set(action.id, policy.problem);
        continue;
      }
      if ((await this.#snapshotOf(name, policy.value)) !== null) continue;
      const known = this.release.snapshots[name];
      const fate = known && (await fateOf(this.#snapshots, known.digest, !this.context.readOnly));
      const taken =
        this.#unreachable.get(name) ?? (await this.#take(action.packages, name, policy.value.digest));
      if (taken !== null) {
        this.#unreachable.set(name, taken);
        refused.set(action.id, taken);
      } else if (known !== undefined && known.policy !== policy.value.digest) reconfigured.push(name);
      else if (known === undefined) later.push(name);
      else later.push(`${name} (that of ${moment(known.taken)} ${fate ?? ""})`);
    }
    const { datecode } = this.release;
    for (const text of renewedTexts(datecode, this.#taking, before, later, reconfigured)) this.#warn(text);
    return refused;
  }

  #warn(message: string): void {
    this.context.emit({ type: "notice", level: "warning", message, at: Date.now() });
  }

  /** The release's snapshot of that name, where it is here, whole, and was taken under this configuration. */
  async #snapshotOf(name: string, policy: Policy): Promise<{ dir: string; taken: string } | null> {
    const known = this.release.snapshots[name];
    if (known === undefined || known.policy !== policy.digest) return null;
    // Another's file may name a snapshot of another repository, which nobody signed.
    const isOurs =
      this.release.foreign !== true || this.#checked.hasAll(policy.digest, [{ sha256: known.digest }]);
    if (!isOurs) return null;
    const dir = await this.#snapshots.whole(known.digest);
    return dir === null ? null : { dir, taken: known.taken };
  }

  /**
   * Fetches the package files of `actions` that the store lacks, in one phase. Returns what could not be fetched; with
   * `each` all that can be had is fetched nevertheless.
   */
  async fetch(actions: readonly Action[], each: boolean): Promise<Result<Obstacles>> {
    const fetching: Fetching = {
      dir: this.context.project.packages,
      signal: this.context.signal,
      closure: (action) => this.closure(action),
      driver: (name) => this.driver(name),
      withScratch: (work) => this.#withScratch(work),
      removeDamaged: (packages) => this.#stored.removeDamaged(packages),
      say: (line) => this.#phase("fetch", line),
      unchecked: async (action, packages) => {
        if (!(await this.isUnchecked(action)) || action.packages === null) return [];
        const policy = await this.#policies.of(action.packages);
        return policy.ok
          ? packages.filter((pkg) => !this.#checked.hasAll(policy.value.digest, [pkg]))
          : packages;
      },
      verified: async (request, packages) => {
        const policy = await this.#policies.of(request);
        if (policy.ok && policy.value.verifies) this.#checked.add(policy.value.digest, packages);
      },
    };
    const fetched = await fetchPackages(fetching, actions, each);
    for (const action of actions) await this.#noteChecked(action);
    return fetched;
  }

  /** Whether the closure of an action is known, and its packages were not all verified as is asked for now. */
  async isUnchecked(action: Action): Promise<boolean> {
    const known = await this.closure(action);
    return known.ok && known.value?.checked === false;
  }

  /**
   * Verifies the packages of actions whose closures are not, fetching what is not here. What cannot be verified is that
   * action's `refusal`.
   */
  async check(actions: readonly Action[], each: boolean): Promise<Result<void>> {
    const refused = await this.fetch(actions, each);
    if (!refused.ok) return refused;
    for (const [id, problem] of refused.value) this.#refused.set(id, problem);
    return ok(undefined);
  }

  async #noteChecked(action: Action): Promise<void> {
    const known = this.#known.get(action.id);
    if (action.packages === null || known?.checked !== false) return;
    const policy = await this.#policies.of(action.packages);
    if (!policy.ok || !this.#checked.hasAll(policy.value.digest, known.packages)) return;
    this.#pin(action, { ...known, checked: true });
  }

  #pin({ id }: Action, closure: PinnedClosure): void {
    this.#known.set(id, closure);
    this.release = { ...this.release, closures: { ...this.release.closures, [id]: closure } };
  }

  /** The driver of that name. */
  async driver(name: string): Promise<PackageDriver> {
    const load = this.context.drivers[name];
    if (load === undefined) throw new Error(`no driver is called ${name}`);
    return load();
  }

  /**
   * Forgets the snapshots behind these actions and their closures: the next `resolve` takes new ones. Returns the actions
   * of whose repository there was one.
   */
  async forget(actions: readonly Action[]): Promise<readonly Action[]> {
    const had: Action[] = [];
    const names = new Set<string>();
    for (const action of actions) {
      if (action.packages === null) continue;
      const name = await this.#snapshotName(action.packages);
      if (Object.hasOwn(this.release.snapshots, name)) had.push(action);
      names.add(name);
      this.#known.delete(action.id);
      this.#refused.delete(action.id);
      this.#unreachable.delete(name);
    }
    const snapshots = without(this.release.snapshots, names);
    const closures = without(this.release.closures, new Set(actions.map(({ id }) => id)));
    this.release = { ...this.release, snapshots, closures };
    return had;
  }

  /** Runs `work` with a scratch directory that is removed afterwards. */
  #withScratch<T>(work: (context: SnapshotContext) => Promise<T>): Promise<T> {
    const { project, readOnly, signal } = this.context;
    const progress = (line: string): void => this.#phase("fetch", line);
    const warn = (message: string): void => this.#warn(message);
    const made = readOnly ? mkdtempSync(join(tmpdir(), "imagemake-")) : makeScratch(project, "driver");
    return withScratch(made, (scratch) => work({ scratch, base: project.dir, signal, progress, warn }));
  }

  /** Resolves a list, where that can be done with what is here. */
  async #resolve(action: Action): Promise<Result<void>> {
    const request = await this.#request(action);
    if (!request.ok) return request;
    if (request.value === null) return ok(undefined);
    const { asked, entries, on, driver, policy, beside, digest } = request.value;
    const entry = await this.#snapshotOf(await this.#snapshotName(asked), policy);
    if (entry === null) return ok(undefined);
    const at: SnapshotAt = { repo: asked.repo, arch: asked.arch, dir: entry.dir };
    this.#phase("resolve", action.id);
    const want = [...new Set(entries.map((entry) => entry.name))].sort();
    const packages = await this.#withScratch(async (context) =>
      fitForFiles(
        await driver.resolve({ snapshot: at, want, options: asked.options, ...beside, on }, context),
      ),
    );
    if (!packages.ok) {
      const problem = blame(packages.problem, entries);
      return { ok: false, problem: entry.taken === this.#taking ? problem : dated(problem, entry.taken) };
    }
    const closure: PinnedClosure = {
      request: digest,
      digest: closureDigest(packages.value),
      packages: packages.value,
      checked: !policy.verifies || this.#checked.hasAll(policy.digest, packages.value),
    };
    if (!this.context.readOnly) this.context.index.addClosure(closure.digest, JSON.stringify(packages.value));
    reached("packages resolved", action.id);
    this.#pin(action, closure);
    return ok(undefined);
  }

  /** What an action asks for; null where it asks for nothing, or what its tree lies on is not resolved. */
  async #request(action: Action): Promise<Result<Asked | null>> {
    const asked = action.packages;
    if (asked === null) return ok(null);
    const entries = await wantedOf(action, this.context.sources);
    if (!entries.ok) return entries;
    const on = await this.held(asked.on);
    if (!on.ok) return on;
    if (on.value === null) return ok(null);
    const driver = await this.driver(asked.driver);
    const policy = await this.#policies.of(asked);
    if (!policy.ok) return policy;
    const beside = await besideOf(asked, this.context.project, this.context.sources);
    if (!beside.ok) return beside;
    const names = entries.value.map(({ name }) => name);
    const digest = requestDigest(asked, driver, policy.value, names, on.value, beside.value);
    const found = { asked, entries: entries.value, on: on.value, driver, policy: policy.value };
    return ok({ ...found, beside: beside.value, digest });
  }

  /** Those of the whole Imagefile: a release must not depend on which is asked for first. */
  #sameNamed(): Promise<Obstacles> {
    this.#namesakes ??= namesakes(this.context.graph.actions, (asked) => this.#snapshotName(asked));
    return this.#namesakes;
  }

  async #snapshotName(asked: PackageRequest): Promise<string> {
    const driver = await this.driver(asked.driver);
    return `${driver.repositoryName(asked.repo)} ${asked.arch}`;
  }

  /** Whether nothing may be asked of the network. */
  get #isOffline(): boolean {
    return this.context.readOnly && this.context.preview === undefined;
  }

  /** Takes the snapshot of a repository, and pins it. */
  async #take(
    { driver: by, repo, arch }: PackageRequest,
    name: string,
    policy: string,
  ): Promise<Problem | null> {
    this.#phase("snapshot", name);
    this.#taking ??= new Date().toISOString();
    const driver = await this.driver(by);
    const taken = await this.#withScratch((context) =>
      takeSnapshot(this.#snapshots, driver, repo, arch, context),
    );
    if (!taken.ok) {
      const { problem } = taken;
      if (problem.message.includes(driver.repositoryName(repo))) return problem;
      return { ...problem, message: `the snapshot of ${name} cannot be taken: ${problem.message}` };
    }
    reached("snapshot taken", name);
    if (!this.context.readOnly) this.#checked.add(policy, [{ sha256: taken.value }]);
    const entry = { digest: taken.value, taken: this.#taking, policy };
    this.release = { ...this.release, snapshots: { ...this.release.snapshots, [name]: entry } };
    return null;
  }

  #phase(phase: "snapshot" | "resolve" | "fetch", detail: string): void {
    this.context.emit({ type: "phase", phase, detail, at: Date.now() });
  }
}
