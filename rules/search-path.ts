// layers(…): a search path of configuration directories, as XCP-ng's installer is configured with. It is walked when
// the Imagefile is loaded; what was looked for and not there counts as read too.
import { readFileSync, statSync } from "node:fs";
import { basename, isAbsolute, join, resolve } from "node:path";
import { z } from "zod";
import { source, wrongOption } from "../engine/declare.js";
import { imagefileDirectory } from "../engine/evaluate/place.js";
import { nearest } from "../engine/evaluate/nearest.js";
import { callable, declaration, type Checked, type Others } from "./declaration.js";
import { option } from "./options.js";
import { arrayOf, takes } from "./schema.js";
import { asSource, type Source, type Vars } from "./types.js";

/** Configuration directories, the most particular first. */
export interface Layers {
  /**
   * The file that the first layer has which has one. Of a `.tmpl` the placeholders `@@NAME@@` are filled in, from
   * `vars` and what `layers` was given; one that nobody fills is refused.
   */
  first(name: string, vars?: Vars): Source;
  /** What the files of all layers say, in order, as one file; templates are filled in. */
  all(name: string, vars?: Vars): Source;
}

/** A repository that no layer has: a short name and its address. */
export type DefinedRepo = `${string}!${string}`;

const name = z.string().regex(/^[A-Z][A-Z0-9_]*$/);

const declared = declaration(
  "layers",
  "A search path of configuration directories.",
  {
    dir: option(z.string().min(1), "a directory", "Where the layers are, one directory each."),
    path: option(
      z.string().regex(/^[^:\n]+(?::[^:\n]+)*$/),
      "layers with : between them",
      "The layers, the first for what is most particular (a version), then those on it. A file `INCLUDE` in a layer names " +
        "more, one a line, which come after it; the layer `base` always comes last.",
    ),
    vars: option(
      z.record(name, z.string()).optional(),
      "{ NAME: text }",
      "What fills `@@NAME@@` in templates.",
    ),
    srcurl: option(
      z.union([z.string(), z.record(z.string(), z.string())]).optional(),
      `an address, or { "*": address, LAYER: address }`,
      "What fills `@@SRCURL@@`: where repositories are. An address or a directory; per layer, where `*` stands for the others.",
    ),
    defineRepo: option(
      arrayOf(takes<DefinedRepo>()(z.string().regex(/^[A-Za-z0-9_.-]+!\S+$/))).optional(),
      `"NICK!URL" in an array`,
      "Repositories that no layer has. Each is described by the first `CUSTOMREPO.tmpl` of the path, with `@@REPOID@@` and " +
        "`@@REPOURL@@` filled in.",
    ),
  },
  ["dir", "path"],
);
/** Options of `layers`. */
export type LayersOptions = Others<typeof declared, "dir" | "path">;

/** A layer: its name, and its directory (relative to the Imagefile's, or absolute). */
interface Layer {
  readonly name: string;
  readonly dir: string;
}

/** What `layers` returns, as rules see it. */
export class SearchPath implements Layers {
  constructor(
    /** `8.3:testing`, as it was asked for. */
    readonly label: string,
    private readonly dirs: readonly Layer[],
    private readonly options: Checked<typeof declared>,
  ) {}

  /** Name of the first layer: the version. */
  get version(): string {
    return this.dirs[0]?.name ?? this.label;
  }

  first(file: string, vars: Vars = {}): Source {
    const found = this.#first(file);
    if (isTemplate(file)) return this.#text(file, [found], vars);
    return asSource(source({ kind: "files", patterns: [escaped(found.path)] }));
  }

  all(file: string, vars: Vars = {}): Source {
    return this.#text(file, this.#find(file), vars);
  }

  /** The first such file, filled in; `defaults` fill what nothing else does. */
  text(file: string, defaults: Vars): Filled {
    return this.#filled(this.#first(file), {}, defaults);
  }

  /** All such files, filled in. */
  texts(file: string, defaults: Vars): readonly Filled[] {
    return this.#find(file).map((found) => this.#filled(found, {}, defaults));
  }

  /** The template of `defineRepo`, filled in for each. */
  defined(defaults: Vars): readonly Filled[] {
    return (this.options.defineRepo ?? []).map((one) => {
      const [nick = "", url = ""] = one.split(/!(.*)/);
      return this.#filled(this.#first("CUSTOMREPO.tmpl"), { REPOID: nick, REPOURL: url }, defaults);
    });
  }

  /** A file; a template without its placeholders. */
  #filled({ path, layer }: Found, vars: Vars, defaults: Vars = {}): Filled {
    const text = readFileSync(resolve(imagefileDirectory(), path), "utf8");
    if (!isTemplate(path)) return { path, text };
    const { srcurl } = this.options;
    const own = typeof srcurl === "string" ? srcurl : (srcurl?.[layer.name] ?? srcurl?.["*"]);
    const known: Vars = {
      ...defaults,
      ...(own === undefined ? {} : { SRCURL: own }),
      ...this.options.vars,
      ...vars,
    };
    const filled = text.replace(/@@(\w+)@@/g, (placeholder, one: string, at: number) => {
      const value = known[one];
      if (value !== undefined) return value;
      const line = text.slice(0, at).split("\n").length;
      const near = nearest(one, Object.keys(known));
      const help =
        one === "SRCURL"
          ? "layers(…, { srcurl }) says where the repositories are"
          : `layers(…, { vars: { ${one}: … } }) fills it in${near === undefined ? "" : `; did you mean ${near}?`}`;
      return wrongOption("layers", `${path}:${line}: nothing fills ${placeholder}; ${help}`);
    });
    return { path, text: filled };
  }

  #text(file: string, found: readonly Found[], vars: Vars): Source {
    const text = found.map((one) => this.#filled(one, vars).text).join("");
    return asSource(source({ kind: "text", file: basename(file).replace(/\.tmpl$/, ""), text }));
  }

  #find(file: string): readonly Found[] {
    return this.dirs.flatMap((layer) => {
      const path = join(layer.dir, file);
      return isFile(path) ? [{ layer, path }] : [];
    });
  }

  #first(file: string): Found {
    const found = this.#find(file)[0];
    if (found !== undefined) return found;
    wrongOption(
      "layers",
      `no layer of ${this.label} has ${file}; looked in ${this.dirs.map(({ dir }) => dir).join(", ")}`,
    );
  }
}

/** A file's text, and where it lies. */
interface Filled {
  readonly path: string;
  readonly text: string;
}

/** A file and the layer that has it. */
interface Found {
  readonly layer: Layer;
  readonly path: string;
}

const isFile = (path: string): boolean =>
  statSync(resolve(imagefileDirectory(), path), { throwIfNoEntry: false })?.isFile() === true;
const isDirectory = (path: string): boolean =>
  statSync(resolve(imagefileDirectory(), path), { throwIfNoEntry: false })?.isDirectory() === true;

const isTemplate = (file: string): boolean => file.endsWith(".tmpl");

/** A path that means itself as a glob. */
const escaped = (path: string): string => path.replace(/[*?[\]{}()!\\]/g, "\\$&");

/** The last layer of every chain. */
const BASE = "base";

export const layers = callable(declared, (dir: string, path: string, o: LayersOptions = {}): Layers => {
  const given = declared.check({ dir, path, ...o });
  const found = new Map<string, Layer>();
  for (const one of walk(dir, path, [])) found.set(one.dir, found.get(one.dir) ?? one);
  const base: Layer = { name: BASE, dir: join(dir, BASE) };
  // Whoever includes it, and wherever.
  found.delete(base.dir);
  if (isDirectory(base.dir)) found.set(base.dir, base);
  const all = [...found.values()];
  if (typeof given.srcurl === "object") {
    const names = all.map((one) => one.name);
    const odd = Object.keys(given.srcurl).find((one) => one !== "*" && !names.includes(one));
    if (odd !== undefined) {
      const near = nearest(odd, names);
      const help = near === undefined ? `there are ${names.join(", ")}` : `did you mean ${near}?`;
      wrongOption("layers", `srcurl: ${path} has no layer ${odd}; ${help}`);
    }
  }
  return Object.freeze(new SearchPath(path, all, given));
});

/** The options that whoever takes layers may pass on. */
export const { srcurl: srcurlOption, defineRepo: defineRepoOption, vars: varsOption } = declared.schema.shape;

/** Layers of `path` in order, each followed by those that it includes. `from` are those that led here. */
function walk(dir: string, path: string, from: readonly string[]): readonly Layer[] {
  return path.split(":").flatMap((name) => {
    const at = isAbsolute(name) ? name : join(dir, name);
    if (from.includes(at)) {
      const circle = [...from.slice(from.indexOf(at)), at].map((one) => basename(one));
      wrongOption("layers", `the layers include one another in a circle: ${circle.join(" → ")}`);
    }
    if (!isDirectory(at)) {
      const by = from.at(-1);
      const where = by === undefined ? "" : `, which ${join(by, "INCLUDE")} names`;
      wrongOption("layers", `there is no layer ${name}${where}; looked for the directory ${at}`);
    }
    const includes = isFile(join(at, "INCLUDE"))
      ? readFileSync(resolve(imagefileDirectory(), join(at, "INCLUDE")), "utf8").split("\n")
      : [];
    const lines = includes.map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== "");
    return [{ name: basename(at), dir: at }, ...lines.flatMap((line) => walk(dir, line, [...from, at]))];
  });
}
