// Where things lie: the Imagefile, its line, the state directory and the output directory.
// It only names paths; it makes none, and reads where .imagemake leads.
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

/** The places of one Imagefile. All paths are absolute. */
export interface Project {
  readonly dir: string;
  readonly imagefile: string;
  /** Name of the line of releases: empty for `Imagefile.ts`, else the file's name without its ending. */
  readonly line: string;
  readonly out: string;
  /** `.imagemake` beside the Imagefile, or where it leads if it is a link. */
  readonly state: string;
  readonly index: string;
  readonly lock: string;
  readonly store: string;
  /** Files by digest. */
  readonly files: string;
  readonly layers: string;
  readonly manifests: string;
  readonly packages: string;
  readonly snapshots: string;
  /** Which packages were verified under which configuration of their repository. */
  readonly checked: string;
  readonly stage: string;
  /** Copies of sources of very many files. */
  readonly copies: string;
  readonly logs: string;
  /** Evaluated graphs and records of runs with nothing to do. */
  readonly graphs: string;
  /** Imagefiles as compiled. */
  readonly modules: string;
  /** Implicit releases. */
  readonly implicit: string;
  /** Explicit releases; beside the Imagefile, fit to be committed. */
  readonly releases: string;
}

/** The project of the Imagefile `file` in `cwd`. */
export function projectOf(cwd: string, file: string): Project {
  const imagefile = resolve(cwd, file);
  const dir = dirname(imagefile);
  const name = basename(imagefile).replace(/\.[cm]?[jt]s$/, "");
  const line = name === "Imagefile" ? "" : name;
  const state = leadsTo(join(dir, ".imagemake"));
  const store = join(state, "store");
  return {
    dir,
    imagefile,
    line,
    out: join(dir, "out"),
    state,
    index: join(state, "index.db"),
    lock: join(state, "lock.db"),
    store,
    files: join(store, "files"),
    layers: join(store, "layers"),
    manifests: join(store, "manifests"),
    packages: join(store, "packages"),
    snapshots: join(store, "snapshots"),
    checked: join(store, "checked"),
    stage: join(state, "stage"),
    copies: join(state, "copies"),
    logs: join(state, "logs"),
    graphs: join(state, "graphs"),
    modules: join(state, "modules"),
    implicit: join(state, "releases", line),
    releases: join(dir, "releases", line),
  };
}

/** The path itself where nothing is there, or a link that leads nowhere. */
function leadsTo(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path)) === realpathSync(path)
      ? path
      : realpathSync(path);
  } catch {
    return path;
  }
}
