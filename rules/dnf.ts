// dnf(…): RPM repositories as an Imagefile names them: by a yum.conf, by layers of configuration, or by a browsable
// directory. Only data; the driver (drivers/dnf.ts) speaks to them. Configuration is read when the Imagefile is loaded.
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { z } from "zod";
import { isSource, sourceOf, wrongOption, type SourceHandle } from "../engine/declare.js";
import { imagefileDirectory } from "../engine/evaluate/place.js";
import { asError } from "../engine/problem.js";
import { isOn, readConf, words, type Conf, type Options } from "./drivers/dnf/conf.js";
import type { Section } from "./drivers/dnf/repository.js";
import { option, typed } from "./options.js";
import { callable, declaration, type Checked, type Given, type Others } from "./declaration.js";
import { filesSource, patternsOf, placeOf, takes } from "./schema.js";
import { SearchPath, type Layers } from "./search-path.js";
import { asRepo, isRepoOf, type Repo, type Source, type Vars } from "./types.js";

const place = placeOf("http", "https", "ftp", "file");
const textSource = takes<Source>()(z.custom<SourceHandle>((v) => isSource(v) && sourceOf(v).kind === "text"));

const declared = declaration(
  "dnf",
  "RPM repositories.",
  {
    from: option(
      z.union([
        takes<Layers>()(z.instanceof(SearchPath)),
        filesSource,
        textSource,
        z.strictObject({
          url: option(
            place,
            "a URL or a directory",
            "A browsable directory: all repositories below it, but for sources.",
          ),
          name: option(
            z.string().regex(/^\S+$/).optional(),
            "a name",
            "What a release calls it; its last directory unless said.",
          ),
        }),
      ]),
      `layers(…), files("yum.conf"), or { url, name }`,
      "Where the repositories are named: in the sections of a `yum.conf`; in layers, by the first `yum.conf.tmpl`, the " +
        "`yum-repos.conf.tmpl` of all, and `defineRepo`; or all those below a directory.",
    ),
    keys: option(
      filesSource.optional(),
      "files(…)",
      "Public keys of GnuPG that may sign packages (`gpgcheck`) and indexes (`repo_gpgcheck`). `gpgkey` in a configuration is " +
        "not followed: a key is no better than the way it came.",
    ),
    releasever: option(
      z.string().min(1).optional(),
      "text",
      "What `$releasever` stands for; of layers, the first one's name.",
    ),
    vars: option(
      z.record(typed(z.string().regex(/^\w+$/), "a name of letters, digits and _"), z.string()).optional(),
      "{ name: text }",
      'What other variables of a configuration stand for, as files in `/etc/dnf/vars` say it: `{ stream: "9-stream" }`. One ' +
        "that nobody fills is an error.",
    ),
  },
  ["from"],
);

/** What `Repo` holds at run time, and the `repo` of package requests: plain data. */
export interface DnfRepo {
  readonly driver: "dnf";
  /** Tells repositories of one release apart. */
  readonly name: string;
  readonly sections: readonly Section[];
  readonly tree: string | null;
  readonly keys: readonly string[] | null;
  /** What variables stand for, `releasever` among them. */
  readonly release: Vars;
  /** What is not unpacked of packages: `tsflags=nodocs`. */
  readonly docs: boolean;
}

export const dnf = callable(
  declared,
  (from: Given<typeof declared>["from"], o: Others<typeof declared, "from"> = {}): Repo<"dnf"> => {
    const given = declared.check({ from, ...o });
    const keys = given.keys === undefined ? null : patternsOf(given.keys);
    return asRepo(repoOf(given.from, keys, given));
  },
);

type From = Checked<typeof declared>["from"];

function repoOf(
  from: From,
  keys: readonly string[] | null,
  { releasever, vars }: Pick<Checked<typeof declared>, "releasever" | "vars">,
): DnfRepo {
  if ("url" in from) {
    const { url: tree, name = basename(decodeURIComponent(tree)) } = from;
    return {
      driver: "dnf",
      name: name === "" ? tree : name,
      sections: [],
      tree,
      keys,
      release: {},
      docs: true,
    };
  }
  const read = from instanceof SearchPath ? ofLayers(from) : ofFile(from);
  const release = releasever ?? (from instanceof SearchPath ? from.version : undefined);
  const known = { ...vars, ...(release === undefined ? {} : { releasever: release }) };
  const sections = read.confs.flatMap(({ conf, at }) =>
    conf.sections.flatMap(({ id, options }) =>
      isOn(options["enabled"], true) ? [sectionOf(id, together(read.main, options), at, keys, known)] : [],
    ),
  );
  const twice = sections.find((one, i) => sections.findIndex(({ id }) => id === one.id) !== i);
  if (twice !== undefined) wrongOption("dnf", `the repository [${twice.id}] is there twice`);
  if (sections.length === 0) wrongOption("dnf", `${read.name} has no repository, which is a section [name]`);
  const docs = !words(read.main["tsflags"]).includes("nodocs");
  return {
    driver: "dnf",
    name: read.name,
    sections: placed(sections),
    tree: null,
    keys,
    release: known,
    docs,
  };
}

/** Lists of packages: what `[main]` leaves out (or lets in) and what a section does both count, as to dnf. */
const LISTS: readonly (readonly string[])[] = [["exclude", "excludepkgs"], ["includepkgs"]];

/** A section's options over those of `[main]`. */
function together(main: Options, own: Options): Options {
  const all: Record<string, string> = { ...main, ...own };
  for (const names of LISTS) {
    const [first = "", ...others] = [...names].reverse();
    const listed = [main, own].flatMap((options) => names.flatMap((name) => words(options[name])));
    for (const name of others) Reflect.deleteProperty(all, name);
    if (listed.length > 0) all[first] = [...new Set(listed)].join(" ");
  }
  return all;
}

/** The same, each with a place of its own in a mirror: where one would lie in another, both are called by their ids. */
function placed(sections: readonly Section[]): readonly Section[] {
  const isIn = (one: Section, other: Section): boolean => `${one.path}/`.startsWith(`${other.path}/`);
  return sections.map((one) => {
    const clashes = sections.some((other) => other !== one && (isIn(one, other) || isIn(other, one)));
    return clashes ? { ...one, path: `${one.id}/$basearch` } : one;
  });
}

/** A configuration, and the file it was read from. */
interface Read {
  readonly name: string;
  readonly main: Options;
  readonly confs: readonly { readonly conf: Conf; readonly at: string }[];
}

/** What XCP-ng's templates leave open, and a build has no use for. */
const UNUSED = {
  YUMREPOSD: "/nonexistent",
  CACHEDIR: "/nonexistent",
  ENABLE_PLUGINS: "0",
  RPMARCH: "$basearch",
};

function ofLayers(path: SearchPath): Read {
  const main = path.text("yum.conf.tmpl", UNUSED);
  const conf = parsed(main.text, main.path);
  const repos = [...path.texts("yum-repos.conf.tmpl", UNUSED), ...path.defined(UNUSED)];
  return {
    name: path.label,
    main: conf.main,
    confs: [
      { conf, at: main.path },
      ...repos.map((one) => ({ conf: parsed(one.text, one.path), at: one.path })),
    ],
  };
}

function ofFile(handle: SourceHandle): Read {
  const from = sourceOf(handle);
  const [at, ...more] = from.kind === "text" ? [from.file] : patternsOf(handle);
  if (at === undefined || more.length > 0) wrongOption("dnf", "expected the name of one file");
  const conf = parsed(from.kind === "text" ? from.text : textOf(at), at);
  return { name: conf.sections.map(({ id }) => id).join(" "), main: conf.main, confs: [{ conf, at }] };
}

function textOf(path: string): string {
  try {
    return readFileSync(resolve(imagefileDirectory(), path), "utf8");
  } catch (thrown) {
    wrongOption("dnf", `${path} cannot be read: ${asError(thrown).message}`);
  }
}

function parsed(text: string, at: string): Conf {
  const read = readConf(text);
  if (!read.ok) wrongOption("dnf", `${at}: ${read.problem.message}`);
  return read.value;
}

/** What the resolver is told of a repository, by dnf's names; yum's older ones beside them. */
const TOLD: Readonly<Record<string, string>> = {
  priority: "priority",
  cost: "cost",
  exclude: "excludepkgs",
  excludepkgs: "excludepkgs",
  includepkgs: "includepkgs",
  module_hotfixes: "module_hotfixes",
};

function sectionOf(
  id: string,
  options: Options,
  at: string,
  keys: readonly string[] | null,
  vars: Vars,
): Section {
  const filled = (value: string): string =>
    value.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (all, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? "";
      // The driver's, for each architecture.
      if (name === "arch" || name === "basearch") return all;
      const known = vars[name];
      if (known !== undefined) return known;
      const help = name === "releasever" ? "{ releasever }" : `{ vars: { ${name}: … } }`;
      wrongOption("dnf", `${at}: [${id}] has ${all}; dnf(…, ${help}) says what that is`);
    });
  const one = (name: string): string | null => (options[name] === undefined ? null : filled(options[name]));
  const urls = words(filled(options["baseurl"] ?? ""));
  const [mirrorlist, metalink] = [one("mirrorlist"), one("metalink")];
  if (urls.length === 0 && mirrorlist === null && metalink === null) {
    wrongOption("dnf", `${at}: [${id}] has no baseurl, mirrorlist or metalink`);
  }
  const odd = urls.find((url) => !place.safeParse(url).success);
  if (odd !== undefined) {
    wrongOption(
      "dnf",
      `${at}: [${id}] baseurl: expected an address or a directory (/… or ./…), found ${odd}`,
    );
  }
  const [gpgcheck, repoGpgcheck] = [isOn(options["gpgcheck"], false), isOn(options["repo_gpgcheck"], false)];
  if (keys === null && (gpgcheck || repoGpgcheck)) {
    const which = gpgcheck ? "gpgcheck" : "repo_gpgcheck";
    wrongOption(
      "dnf",
      `keys: expected files(…), because ${at} demands signatures in [${id}] (${which}), found nothing`,
    );
  }
  const told = Object.entries(options).flatMap(([name, value]) => {
    const called = TOLD[name];
    return called === undefined || value === "" ? [] : [[called, value] as const];
  });
  return {
    id,
    urls,
    mirrorlist,
    metalink,
    path: pathIn(urls[0], id),
    gpgcheck,
    repoGpgcheck,
    options: Object.fromEntries(told),
  };
}

/** Where a mirror has a repository: as its own server has it, from the directory on that holds architectures. */
function pathIn(url: string | undefined, id: string): string {
  const found = /([^/$]+\/\$\{?(?:basearch|arch)\}?(?:\/.*)?)$/.exec(url ?? "")?.[1];
  return (found ?? `${id}/$basearch`).replace(/\/+$/, "");
}

/** Whether a value came from dnf(). */
export const isDnfRepo = isRepoOf<DnfRepo>("dnf");

/** What a package request says of the repositories. */
export const dnfRequest = ({ name, sections, tree, keys, release }: DnfRepo) => ({
  ...{ name, sections, tree, keys, release },
});
