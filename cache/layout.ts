// What lies under .imagemake: every directory there, who writes it, what gc and clean may take. Paths in there are made in
// cache/ alone; everybody else asks for one by what it is. It imports nothing of ours: each start loads it.
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The state directory's name, beside the Imagefile. */
export const STATE = ".imagemake";

/** One directory of the state. */
interface Place {
  /** What it lies in. */
  readonly in: "state" | "store";
  readonly mode: number;
  readonly holds: string;
  /** Who writes there: whoever has the lock, or every run. */
  readonly written: "with the lock" | "by every run";
  /** What gc takes of it; `none`: what is left there goes with what it was made for, or with `clean`. */
  readonly gc: "unneeded" | "all" | "none";
  /** The names that we give; null where the directory is nobody's but ours. What else lies there is somebody's. */
  readonly ours: RegExp | null;
}

const DIGEST = /^[0-9a-f]{64}(?:\..*)?$/;
const PACKAGE = /^[0-9a-f]{64,128}(?:\..*)?$/;

const PLACES = {
  logs: {
    in: "state",
    mode: 0o755,
    holds: "what actions said, and which of them have no end yet",
    written: "with the lock",
    gc: "unneeded",
    ours: /^(?:[0-9a-z]+-[0-9a-f]{8}\.log|[0-9a-f]{16}\.unfinished)$/,
  },
  graphs: {
    in: "state",
    // What an Imagefile read of the environment is in there.
    mode: 0o700,
    holds: "evaluated graphs, and records of runs with nothing to do",
    written: "by every run",
    gc: "none",
    ours: /^(?:quick|known|graph)-[0-9a-f]+(?:\.json)?(?:\.[\d-]+\.tmp)?$/,
  },
  modules: {
    in: "state",
    mode: 0o700,
    holds: "Imagefiles as compiled",
    written: "by every run",
    gc: "none",
    ours: /\.[0-9a-f]{8}\.[cm]js$/,
  },
  releases: {
    in: "state",
    mode: 0o755,
    holds: "implicit releases, those of named lines in directories of their own",
    written: "with the lock",
    gc: "unneeded",
    ours: null,
  },
  stage: {
    in: "state",
    mode: 0o700,
    holds: "directories of actions that run",
    written: "with the lock",
    gc: "none",
    // Stages with a log and a note, and scratch of adoptions, imports, drivers and trials.
    ours: /^(?:[0-9a-z]+-[0-9a-f]{8}(?:\.log|\.note)?|(?:adopt|import|driver|take)-\w{6,12}|probe-\d+-\w{6})$/,
  },
  copies: {
    in: "state",
    mode: 0o700,
    holds: "copies of sources of very many files",
    written: "with the lock",
    gc: "all",
    ours: DIGEST,
  },
  store: {
    in: "state",
    mode: 0o700,
    holds: "artifacts, and packages",
    written: "with the lock",
    gc: "none",
    ours: null,
  },
  files: {
    in: "store",
    mode: 0o700,
    holds: "files by digest",
    written: "with the lock",
    gc: "unneeded",
    ours: null,
  },
  layers: {
    in: "store",
    mode: 0o700,
    holds: "trees, each as what it has on its parent",
    written: "with the lock",
    gc: "unneeded",
    ours: null,
  },
  manifests: {
    in: "store",
    mode: 0o700,
    holds: "what is in each tree, by the tree's digest",
    written: "with the lock",
    gc: "unneeded",
    ours: null,
  },
  images: {
    in: "store",
    mode: 0o700,
    holds: "what went into each image, by the image's digest",
    written: "with the lock",
    gc: "unneeded",
    ours: DIGEST,
  },
  packages: {
    in: "store",
    mode: 0o700,
    holds: "package files by digest",
    written: "with the lock",
    gc: "unneeded",
    ours: PACKAGE,
  },
  snapshots: {
    in: "store",
    mode: 0o700,
    holds: "metadata of repositories by digest",
    written: "with the lock",
    gc: "unneeded",
    ours: DIGEST,
  },
  checked: {
    in: "store",
    mode: 0o700,
    holds: "which packages were verified under which configuration of their repository",
    written: "with the lock",
    gc: "none",
    ours: null,
  },
} as const satisfies Readonly<Record<string, Place>>;

/** Name of a directory of the state. */
export type PlaceName = keyof typeof PLACES;

const NAMES = Object.keys(PLACES) as readonly PlaceName[];

/** Where the directories and the files of a state directory lie. Absolute paths. */
export interface Layout extends Readonly<Record<Exclude<PlaceName, "releases">, string>> {
  readonly state: string;
  readonly index: string;
  readonly lock: string;
  /** Implicit releases of the line. */
  readonly implicit: string;
}

/** The state of the Imagefile's directory `dir`, as its `line` sees it. Where .imagemake is a link, where that leads. */
export function layoutOf(dir: string, line: string): Layout {
  const state = stateAt(statePath(dir));
  const at = (name: PlaceName): string =>
    join(PLACES[name].in === "store" ? join(state, "store") : state, name);
  const places = Object.fromEntries(NAMES.map((name) => [name, at(name)])) as Record<PlaceName, string>;
  const { releases, ...rest } = places;
  return {
    ...rest,
    state,
    index: join(state, "index.db"),
    lock: join(state, "lock.db"),
    implicit: join(releases, line),
  };
}

/** The name of the state directory of `dir`, wherever that leads. */
export const statePath = (dir: string): string => join(dir, STATE);

/** Where a path leads, through all links; null where nothing is there. */
export function leadsTo(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

/** Where a link leads; the path itself where it is none, or leads nowhere. */
function stateAt(path: string): string {
  const [to, above] = [leadsTo(path), leadsTo(dirname(path))];
  return to === null || above === null || join(above, basename(path)) === to ? path : to;
}

/** The directories, each after what it lies in, with their modes. */
export const directoriesIn = (layout: Layout): readonly (readonly [string, number])[] =>
  NAMES.flatMap((name): (readonly [string, number])[] =>
    name === "releases"
      ? [
          [releasesIn(layout), PLACES.releases.mode],
          [layout.implicit, PLACES.releases.mode],
        ]
      : [[layout[name], PLACES[name].mode]],
  );

/** What a state directory has that was used once. */
export const SIGNS: ReadonlySet<string> = new Set(["index.db", "lock.db", "graphs"]);

/** Whether something in a directory of the state has a name that we give. */
export const isOurs = (place: PlaceName, name: string): boolean => PLACES[place].ours?.test(name) ?? true;

/** What is in a directory of the state. */
export interface Lying {
  readonly name: string;
  readonly path: string;
  readonly ours: boolean;
}

/** Everything in a directory of the state, in order of name; nothing where it is not there, or a link to somewhere else. */
export function lyingIn(layout: Layout, place: Exclude<PlaceName, "releases">): Lying[] {
  const dir = layout[place];
  if (lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(dir)
    .sort()
    .map((name) => ({ name, path: join(dir, name), ours: isOurs(place, name) }));
}

/** Implicit releases of all lines. */
export const releasesIn = ({ state }: Pick<Layout, "state">): string => join(state, "releases");

/** The same state, as another line sees it. */
export const ofLine = <T extends Layout>(layout: T, line: string): T => ({
  ...layout,
  implicit: join(releasesIn(layout), line),
});

/** The file of an implicit release. */
export const implicitFile = ({ implicit }: Pick<Layout, "implicit">, datecode: string): string =>
  join(implicit, `${datecode}.json`);

/** The files of the index. */
export const databaseFiles = ({ index }: Pick<Layout, "index">): string[] =>
  ["", "-wal", "-shm"].map((suffix) => index + suffix).filter(existsSync);

/** The stage of a build. */
export const stageOf = ({ stage }: Pick<Layout, "stage">, build: string): string => join(stage, build);

/** In a stage, what says how its action stood when it failed. */
export const failedPath = (stage: string): string => join(stage, "failed.json");

/** What is to become a log or a note, while nobody else may see it: what a kill leaves there is cleared. */
export const partPath = ({ stage }: Pick<Layout, "stage">, build: string, what: "log" | "note"): string =>
  join(stage, `${build}.${what}`);

/** What work that is none of an action's is for. */
export type Scratch = "adopt" | "driver" | "import" | "take";

/** Makes a directory among the stages for work that is none of an action's; what a kill leaves of it goes with the next build. */
export function makeScratch({ stage }: Pick<Layout, "stage">, what: Scratch): string {
  mkdirSync(stage, { recursive: true, mode: 0o700 });
  return mkdtempSync(join(stage, `${what}-`));
}

const TRIAL = /^probe-(\d+)-\w{6}$/;

/** Makes a directory for a trial of what can be done in `dir`. */
export const makeTrial = (dir: string): string => mkdtempSync(join(dir, `probe-${process.pid}-`));

/** What there is of trials in `dir`, with the processes that made them. */
export const trialsIn = (dir: string): { readonly path: string; readonly process: string }[] =>
  readdirSync(dir).flatMap((name) => {
    const pid = TRIAL.exec(name)?.[1];
    return pid === undefined ? [] : [{ path: join(dir, name), process: pid }];
  });

/** Kept copies of a source. */
export const copiesOf = (copies: string, id: string): string => join(copies, id);

/** What went into an image, by the image's digest. */
export const describedPath = ({ images }: Pick<Layout, "images">, digest: string): string =>
  join(images, `${digest}.json`);

/** The log of a build. */
export const logPath = ({ logs }: Pick<Layout, "logs">, build: string): string => join(logs, `${build}.log`);

/** The note that an action has no end yet; `name` in hexadecimal. */
export const unfinishedPath = ({ logs }: Pick<Layout, "logs">, name: string): string =>
  join(logs, `${name}.unfinished`);

/** An evaluated graph; `name` in hexadecimal. */
export const graphPath = ({ graphs }: Pick<Layout, "graphs">, name: string): string =>
  join(graphs, `graph-${name}.json`);

/** What an editor reads as "imagemake" where that is no package of the project (tsconfig.json says so). */
export const typesPath = ({ state }: Pick<Layout, "state">): string => join(state, TYPES);
const TYPES = "imagemake.d.ts";

/** The same, as a tsconfig.json has it. */
export const TYPES_HERE = `./${STATE}/${TYPES}`;

/** An Imagefile, or a module of it, as compiled. */
export const modulePath = (modules: string, name: string): string => join(modules, name);

const QUICK = "quick-";

/** The graphs of the Imagefile in the current directory. */
export const GRAPHS_HERE = `${STATE}/graphs`;

/** The record of a run with nothing to do, in `graphs`; `name` in hexadecimal. */
export const quickPath = (graphs: string, name: string): string => `${graphs}/${QUICK}${name}`;

/** The file beside such a record that says what of it belongs to which action. */
export const knownPath = (record: string): string =>
  join(dirname(record), `known-${basename(record).slice(QUICK.length)}.json`);

/** Every such record. */
export const quickPaths = (layout: Layout): string[] =>
  lyingIn(layout, "graphs").flatMap(({ name, path }) => (name.startsWith(QUICK) ? [path] : []));

/** Says whose state it is: the directory of the Imagefile. */
export const projectPath = ({ state }: Pick<Layout, "state">): string => join(state, "project");

/** What was told of stages that could not be deleted. */
export const leftBehindPath = ({ state }: Pick<Layout, "state">): string => join(state, "left-behind.json");
