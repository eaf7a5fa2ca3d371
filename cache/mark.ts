// What of the index is still needed: builds, and through them artifacts and closures. It looks at rows alone
// and deletes nothing.
import { addTo } from "./grouped.js";
import type { ArtifactId, ArtifactRow, BuildRow, Index, LinkRow, Rows } from "./index.js";

/** What releases need, whatever was built since. */
export interface Needed {
  /** Whether what was linked there has to stay. */
  readonly link: (link: LinkRow) => boolean;
  /** Artifacts that a release counts as its own, whether or not they are linked in out/. */
  readonly artifacts: ReadonlySet<ArtifactId>;
  /** Digests of closures, SHA-256 of package files, digests of snapshots. */
  readonly closures: ReadonlySet<string>;
  /** A target's last build that ended before does not stay for being its last; milliseconds since 1970, 0 for none. */
  readonly since: number;
  readonly packages: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
}

/** What stays. */
export interface Marked {
  readonly builds: ReadonlyMap<string, BuildRow>;
  readonly artifacts: ReadonlyMap<ArtifactId, ArtifactRow>;
  /** Keys of the rows that go. */
  readonly doomed: Rows;
}

/**
 * Marks the last build and the last successful build of each action in each line, what needed links show and
 * what that was made from, verdicts on artifacts that stay, and the parents of trees that stay. `exists` says
 * whether there is anything at a path.
 */
export function mark(index: Index, needed: Needed, exists: (path: string) => boolean): Marked {
  const marker = new Marker(index);
  marker.lastBuilds(needed.since);
  for (const artifact of needed.artifacts) marker.madeFrom(artifact);
  for (const link of index.links()) if (needed.link(link)) marker.madeFrom(link.artifact);
  marker.parents();
  marker.verdicts();
  marker.makers();
  const { builds, artifacts } = marker;
  const closures = new Set(needed.closures);
  for (const id of builds.keys())
    for (const { name, value } of index.componentsOf(id)) if (name === "packages") closures.add(value);
  const gone = (keys: readonly string[], keep: (key: string) => boolean): string[] =>
    keys.filter((key) => !keep(key));
  return {
    builds,
    artifacts,
    doomed: {
      builds: gone(index.keys("builds"), (id) => builds.has(id)),
      artifacts: gone(index.keys("artifacts"), (id) => artifacts.has(id)),
      closures: gone(index.keys("closures"), (digest) => closures.has(digest)),
      links: index
        .links()
        .filter((link) => !needed.link(link) && !exists(link.path))
        .map((link) => link.path),
      stamps: gone(index.keys("stamps"), exists),
      tools: gone(index.keys("tools"), exists),
    },
  };
}

/** The content of an input, as key components have it. */
const ARTIFACT = /^[fxt]:[0-9a-f]{64}$/;

class Marker {
  readonly builds = new Map<string, BuildRow>();
  readonly artifacts = new Map<ArtifactId, ArtifactRow>();
  readonly #all: readonly BuildRow[];
  readonly #outputs = new Map<string, ArtifactId[]>();
  /** The newest build that made an artifact. */
  readonly #maker = new Map<ArtifactId, BuildRow>();
  readonly #rows: ReadonlyMap<ArtifactId, ArtifactRow>;
  /** Artifacts whose making was looked at. */
  readonly #traced = new Set<ArtifactId>();

  constructor(private readonly index: Index) {
    this.#all = index.builds();
    this.#rows = new Map(index.artifacts().map((row) => [row.id, row]));
    for (const { build, artifact } of index.outputs()) addTo(this.#outputs, build, artifact);
    for (const build of this.#all)
      for (const artifact of this.#outputs.get(build.id) ?? []) this.#maker.set(artifact, build);
  }

  lastBuilds(since: number): void {
    const last = new Map<string, BuildRow>();
    for (const build of this.#all) {
      const action = JSON.stringify([build.line, build.action]);
      last.set(action, build);
      if (build.status === "built") last.set(`${action} built`, build);
    }
    for (const build of last.values()) if (build.started + build.duration >= since) this.#keep(build);
  }

  /** An artifact, the build that made it, and so on down: a restored target may not be its action's last build. */
  madeFrom(artifact: ArtifactId): void {
    const waiting = [artifact];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (this.#traced.has(id) || !this.#rows.has(id)) continue;
      this.#traced.add(id);
      this.#keepArtifact(id);
      const maker = this.#maker.get(id);
      if (maker === undefined) continue;
      this.#keep(maker);
      for (const input of this.#inputsOf(maker)) waiting.push(input);
    }
  }

  parents(): void {
    for (const row of [...this.artifacts.values()])
      for (
        let at = row.parent;
        at !== null && !this.artifacts.has(at);
        at = this.#rows.get(at)?.parent ?? null
      )
        this.#keepArtifact(at);
  }

  /** A verdict is about the artifacts that were looked at: it stays while they do. */
  verdicts(): void {
    for (const build of this.#all) {
      const judges = (this.#outputs.get(build.id) ?? []).some((id) => this.#rows.get(id)?.kind === "verdict");
      if (judges && this.#inputsOf(build).every((id) => this.artifacts.has(id))) this.#keep(build);
    }
    for (const row of this.#rows.values()) if (row.kind === "verdict") this.artifacts.set(row.id, row);
  }

  /** Of a parent that is no action's last output the record stays as well: its key may be asked for again. */
  makers(): void {
    for (const id of this.artifacts.keys()) {
      const maker = this.#maker.get(id);
      const whole = maker && this.#outputs.get(maker.id)?.every((output) => this.artifacts.has(output));
      if (whole === true) this.builds.set(maker.id, maker);
    }
  }

  /** Artifacts among the inputs of a build; digests of sources look the same, but have no row. */
  #inputsOf(build: BuildRow): ArtifactId[] {
    return this.index
      .componentsOf(build.id)
      .filter(({ name, value }) => name.startsWith("input ") && ARTIFACT.test(value) && this.#rows.has(value))
      .map(({ value }) => value);
  }

  #keep(build: BuildRow): void {
    this.builds.set(build.id, build);
    for (const artifact of this.#outputs.get(build.id) ?? []) this.#keepArtifact(artifact);
  }

  #keepArtifact(id: ArtifactId): void {
    const row = this.#rows.get(id);
    if (row !== undefined) this.artifacts.set(id, row);
  }
}
