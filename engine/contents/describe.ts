// Makes the manifest of an image from what the index knows of the builds behind it, and of the trees that it was made of.
// It runs nothing; what the store still has is enough, whatever the Imagefile says now.
import type { ArtifactId, ArtifactRow, BuildRow, Component, Index } from "../../cache/index.js";
import type { Layout } from "../../cache/layout.js";
import { hasManifest } from "../../cache/manifests.js";
import { digestOf } from "../../cache/store.js";
import type { Action } from "../model.js";
import { closureIn } from "../packages/closure.js";
import type { Drivers } from "../packages/driver.js";
import { ok, type Result } from "../problem.js";
import { readManifest } from "../tree/manifest.js";
import {
  type ImageManifest,
  type ImagePackage,
  type ImageTree,
  MANIFEST_FORM,
  type OwnFile,
} from "./record.js";
import { factsOf, filesOf, stillIn } from "./tree-facts.js";

/** What describing needs. Without `action` (no Imagefile was read) nobody says what repositories are called. */
export interface DescribeContext {
  readonly index: Index;
  readonly layout: Layout;
  readonly drivers: Drivers;
  readonly action?: (id: string) => Action | undefined;
}

/** A tree that somebody looks at whole. */
interface Tip {
  readonly tree: ImageTree;
  /** Of the packages that were installed in it and beneath it those that it still has. */
  readonly packages: readonly ImagePackage[];
}

/** What one artifact brings with it into those that are made of it. */
interface Part {
  readonly packages: readonly ImagePackage[];
  /** The trees that it is, or that went into it. */
  readonly trees: readonly ArtifactId[];
  readonly files: readonly OwnFile[];
  readonly tools: Readonly<Record<string, string>>;
  readonly arch: string | null;
  readonly unknown: readonly ArtifactId[];
}

/** The content of an input, as key components have it. */
const ARTIFACT = /^[fxt]:[0-9a-f]{64}$/;

/** Describes images; what several have in common is looked at once. */
export class Describer {
  readonly #parts = new Map<string, Promise<Part>>();
  readonly #tips = new Map<ArtifactId, Result<Tip>>();

  constructor(private readonly context: DescribeContext) {}

  /** The manifest of an artifact as this build made it, or the last that made it; null where no build of it is known here. */
  async describe(artifact: ArtifactId, made?: BuildRow): Promise<Result<ImageManifest | null>> {
    const { index } = this.context;
    const row = index.artifact(artifact);
    const build = made ?? index.makingOf(artifact);
    if (row === undefined || build === undefined) return ok(null);
    const part = await this.#look(row, build, []);
    // A tree is its own tip.
    const way = row.kind === "tree" ? [] : [build.id];
    const tips: Tip[] = [];
    const unseen: ImagePackage[] = [];
    const unknown = new Set(part.unknown);
    for (const tree of part.trees) {
      const tip = await this.#tip(tree, way);
      if (tip === null) {
        // It was made elsewhere, and nothing here needed it.
        unknown.add(tree);
        unseen.push(...(await this.#part(tree, way)).packages);
      } else if (tip.ok) tips.push(tip.value);
      else return tip;
    }
    const components = index.componentsOf(build.id);
    // Of a tree its tip has them all, without those that are no longer in it.
    const own = row.kind === "tree" ? [] : part.packages;
    return ok({
      ...{ imagemakeManifest: MANIFEST_FORM, target: build.action },
      rule: valueOf(components, "rule") ?? "",
      ...{ artifact, size: row.size, key: build.key, epoch: build.epoch, arch: part.arch },
      packages: unique([...tips.flatMap((tip) => tip.packages), ...unseen, ...own], identity).sort(byName),
      trees: tips.map((tip) => tip.tree),
      files: part.files,
      tools: Object.fromEntries(Object.entries(part.tools).sort()),
      unknown: [...unknown],
    });
  }

  /**
   * What an artifact brings into what was made of it by the last of the builds on the `way`. What an action makes may be what it reads:
   * then an earlier build made that.
   */
  #part(id: ArtifactId, way: readonly string[]): Promise<Part> {
    const row = this.context.index.artifact(id);
    const build = row && this.context.index.makingOf(id, way.at(-1));
    if (row === undefined || build === undefined || way.includes(build.id))
      return Promise.resolve({ ...NOTHING, trees: id.startsWith("t:") ? [id] : [], unknown: [id] });
    const known = `${id} ${build.id}`;
    const found = this.#parts.get(known) ?? this.#look(row, build, way);
    this.#parts.set(known, found);
    return found;
  }

  async #look(row: ArtifactRow, build: BuildRow, above: readonly string[]): Promise<Part> {
    const way = [...above, build.id];
    const components = this.context.index.componentsOf(build.id);
    const within = valueOf(components, "within");
    const beneath = new Set<ArtifactId>(row.parent === null ? [] : [row.parent]);
    const files: OwnFile[] = [];
    const tools: Record<string, string> = {};
    for (const { name, value } of components) {
      if (name.startsWith("tool ")) tools[name.slice("tool ".length)] = value;
      const [, input = "", path = ""] = /^input (\S+)(?: (.*))?$/s.exec(name) ?? [];
      if (path === "") continue;
      if (
        path.startsWith("in/") &&
        ARTIFACT.test(value) &&
        this.context.index.artifact(value) !== undefined
      ) {
        // What an action runs in is one of its tools.
        if (input !== within) beneath.add(value);
      } else if (/^[fxl]:/.test(value)) files.push({ path, content: value, by: build.action });
    }
    const isTree = row.kind === "tree";
    const found = await Promise.all(
      [...beneath].map(async (id) => ({ id, part: await this.#part(id, way) })),
    );
    const parts = found.map(({ part }) => part);
    // What trees bring into a file is asked of them when all of them are known.
    const counting = isTree ? found : found.filter(({ id }) => !id.startsWith("t:"));
    const own = await this.#packages(build, components);
    const packages = [...counting.flatMap(({ part }) => part.packages), ...own];
    return {
      packages: isTree ? lastOnes(unique(packages, identity)) : unique(packages, identity),
      trees: isTree ? [row.id] : [...new Set(parts.flatMap((part) => part.trees))],
      files: unique([...parts.flatMap((part) => part.files), ...files], ({ path, content, by }) =>
        [path, content, by].join("\0"),
      ),
      tools: Object.assign({}, ...parts.map((part) => part.tools), tools) as Record<string, string>,
      arch: valueOf(components, "arch") ?? parts.find((part) => part.arch !== null)?.arch ?? null,
      unknown: [...new Set(parts.flatMap((part) => part.unknown))],
    };
  }

  /** Null where what is in the tree is not here. */
  async #tip(id: ArtifactId, way: readonly string[]): Promise<Result<Tip> | null> {
    const known = this.#tips.get(id);
    if (known !== undefined) return known;
    const { packages } = await this.#part(id, way);
    const { index, layout } = this.context;
    if (!hasManifest(layout.manifests, id)) return null;
    const manifest = readManifest(layout.manifests, digestOf(id));
    if (!manifest.ok) return manifest;
    const facts = factsOf(manifest.value, filesOf(index, layout, id, manifest.value));
    const tree = {
      by: index.makerOf(id) ?? "",
      digest: digestOf(id),
      base: digestOf(this.#base(id)),
      ...facts,
    };
    const tip = ok({ tree, packages: stillIn(manifest.value, packages) });
    this.#tips.set(id, tip);
    return tip;
  }

  #base(tree: ArtifactId): ArtifactId {
    const parent = this.context.index.artifact(tree)?.parent ?? null;
    return parent === null ? tree : this.#base(parent);
  }

  async #packages({ action }: BuildRow, components: readonly Component[]): Promise<ImagePackage[]> {
    const digest = valueOf(components, "packages");
    const closure = digest === undefined ? null : closureIn(this.context.index, digest);
    if (closure === null) return [];
    const manager = managerIn(valueOf(components, "package options"));
    const asked = this.context.action?.(action)?.packages ?? null;
    const load = asked?.driver === manager ? this.context.drivers[manager] : undefined;
    const repository =
      load === undefined || asked === null ? null : (await load()).repositoryName(asked.repo);
    return closure.map(({ name, version, arch, sha256, size, origin }) => ({
      ...{ name, version, arch, sha256, size, manager, by: action },
      repository: origin ?? repository,
    }));
  }
}

const NOTHING: Part = { packages: [], trees: [], files: [], tools: {}, arch: null, unknown: [] };

const valueOf = (components: readonly Component[], wanted: string): string | undefined =>
  components.find(({ name }) => name === wanted)?.value;

/** The package manager, as the row of options that a request has in its key names it. */
const managerIn = (options = ""): string => /"driver":"([a-z0-9]+)"/.exec(options)?.[1] ?? "unknown";

const unique = <T>(all: readonly T[], identity: (one: T) => string): T[] => [
  ...new Map(all.map((one) => [identity(one), one])).values(),
];

const identity = ({ manager, name, version, arch, sha256, by }: ImagePackage): string =>
  [manager, name, version, arch, sha256, by].join("\0");

/** In a tree what came later took the place of another version of the same name, unless one action brought several. */
function lastOnes(all: readonly ImagePackage[]): readonly ImagePackage[] {
  const last = new Map(all.map((pkg) => [slot(pkg), pkg.by]));
  return all.filter((pkg) => last.get(slot(pkg)) === pkg.by);
}

const slot = ({ manager, name, arch }: ImagePackage): string => [manager, name, arch].join("\0");

const byName = (a: ImagePackage, b: ImagePackage): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : a.version > b.version ? 1 : 0;
