// What a checkout of void-mklive says of the release: its Makefile by make itself, its scripts by running them. Asked
// while the Imagefile is evaluated, in a directory with copies of the files that are read here, so that what was asked
// holds until one of these changes. Where there is no checkout, the tables of ./matrix.ts.
import { existsSync, readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { wrongOption } from "../../engine/declare.js";
import { imagefileDirectory } from "../../engine/evaluate/place.js";
import { recorder } from "../../engine/evaluate/record.js";
import { ProblemError, type Result } from "../../engine/problem.js";
import { runProbe } from "../../engine/sources/probe.js";
import type { SourceFile } from "../../engine/sources/resolved.js";
import { recipeText } from "../../rules/recipes.js";
import { distributionOf } from "../../rules/distributions.js";
import * as matrix from "./matrix.js";

/** The release as tables. Names that are no keys of ./matrix.ts come from the user's checkout or command line. */
export interface Release {
  readonly rootfs: readonly string[];
  /** Every platform that is spoken of, and its architecture. */
  readonly platforms: ReadonlyMap<string, string>;
  /** Those of the group. */
  readonly platformfs: readonly string[];
  readonly sbc: readonly string[];
  readonly cloud: readonly string[];
  readonly pxe: readonly string[];
  readonly wsl: readonly string[];
  readonly live: ReadonlyMap<string, string>;
  readonly flavors: readonly string[];
  /** Where packages come from. */
  readonly repositories: readonly string[];
  /** Null where there is no checkout. */
  readonly asked: Asked | null;
}

/** What make would run. */
interface Asked {
  /** A script of the checkout and its words, for the file that make would make; or why that cannot be followed. */
  readonly call: (file: string) => Call;
}
export type Call = { readonly words: readonly string[] } | { readonly lost: string };

/** What the Imagefile and the command line say beside the checkout. */
export interface Told {
  /** Values of variables as the caller gave them, by name; unset ones are not there. */
  readonly given: (name: string, value: string) => string;
  /** More platforms and flavours of the Imagefile's. */
  readonly platforms: readonly string[];
  readonly flavors: readonly string[];
  /** Where packages come from, unless a variable says otherwise. */
  readonly repository: readonly string[] | undefined;
  /** More files that make and scripts read. */
  readonly reads: readonly string[];
}

/** In names of files that make is asked for. */
export const DATE = "00000000";
/** Stands for the repository. */
const REPOSITORY = "@";

/** What make reads, and what it is asked about. */
const READ = [
  ...[
    "Makefile",
    "lib.sh",
    "mkrootfs.sh",
    "mkplatformfs.sh",
    "mknet.sh",
    "mkimage.sh",
    "mkiso.sh",
    "mklive.sh",
  ],
  ...["installer.sh", "version"],
];

const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== "");

/** The release of the checkout in `mklive`. */
export function readRelease(mklive: string, told: Told): Release {
  const dir = isAbsolute(mklive) ? mklive : join(imagefileDirectory(), mklive);
  if (existsSync(join(dir, "Makefile")) && existsSync(join(dir, "lib.sh")))
    return ofCheckout(mklive, dir, told);
  if (existsSync(join(dir, "mkrootfs.sh")))
    wrongOption(
      "preset.voidLinux",
      `mklive: ${mklive} has mkrootfs.sh, but not both Makefile and lib.sh, so what is built cannot be asked of it`,
    );
  return ofTables(told);
}

function ofTables(told: Told): Release {
  const { given } = told;
  const named = given("REPOSITORY", (told.repository ?? [matrix.REPOSITORY]).join(" "));
  given("LIVE_PLATFORMS", "");
  return {
    rootfs: matrix.ARCHS,
    platforms: new Map(Object.entries(matrix.PLATFORMS)),
    platformfs: Object.keys(matrix.PLATFORMS),
    sbc: Object.keys(matrix.SBCS),
    cloud: Object.keys(matrix.CLOUDS),
    pxe: matrix.PXE_ARCHS,
    wsl: matrix.WSL_ARCHS,
    live: new Map(Object.entries(matrix.LIVE)),
    flavors: matrix.FLAVORS,
    repositories: named.includes(" ") ? words(named) : [named],
    asked: null,
  };
}

function ofCheckout(mklive: string, dir: string, told: Told): Release {
  const files = filesOf(dir, told.reads);
  const said = new Answers(ask(mklive, files, { MODE: "vars" }, []));
  const more = (name: string): readonly string[] => words(told.given(name, ""));
  const repository = told.given("REPOSITORY", told.repository?.join(" ") ?? said.value("REPOSITORY"));
  const livePlatforms = told.given("LIVE_PLATFORMS", said.value("LIVE_PLATFORMS"));
  const platforms = [...told.platforms, ...more("PLATFORMS"), ...more("SBC_IMGS"), ...more("CLOUD_IMGS")];
  const flavors = [...told.flavors, ...more("LIVE_FLAVORS")];
  const environment = { MODE: "all", MORE: platforms.join(" "), FLAVORS: flavors.join(" ") };
  const answers = new Answers(
    ask(mklive, files, environment, [`REPOSITORY=${REPOSITORY}`, `LIVE_PLATFORMS=${livePlatforms}`]),
  );
  const odd = (what: string): never =>
    wrongOption("preset.voidLinux", `mklive: ${what}`, `in ${mklive}; it cannot be followed`);
  const { archs } = distributionOf("xbps");
  const known = (arch: string, whose: string): string =>
    archs.includes(arch)
      ? arch
      : odd(
          arch === ""
            ? `no architecture is known for ${whose}`
            : `${whose} is unknown; known are ${archs.join(" ")}`,
        );
  const platformfs = unique([...said.list("PLATFORMS"), ...told.platforms]);
  const asked = answers.rows("arch");
  const sure = new Set([...platformfs, ...said.list("SBC_IMGS"), ...said.list("CLOUD_IMGS")]);
  const ofPlatform = new Map<string, string>();
  for (const [platform = "", arch = ""] of asked)
    // A word of the command line that lib.sh does not know is no platform, and refused as one.
    if (arch !== "" || sure.has(platform))
      ofPlatform.set(platform, known(arch, `the platform ${platform} of lib.sh`));
  const rows = answers.rows("live");
  const live = new Map(
    rows.map(([name = "", arch = ""]) => [name, known(arch, `LIVE_ARCHS' ${name}`)] as const),
  );
  const made = new Set(answers.rows("flavor").map(([name = ""]) => name));
  const add = (own: readonly string[], name: string): readonly string[] =>
    unique([...own, ...more(name).filter((one) => ofPlatform.has(one))]);
  const repositories = repository.includes(" ")
    ? words(repository)
    : repositoriesOf(answers.value("XBPS_REPOSITORY"), repository);
  return {
    rootfs: said.list("ARCHS").map((arch) => known(arch, `the architecture ${arch} of the Makefile's ARCHS`)),
    platforms: ofPlatform,
    platformfs: add(platformfs, "PLATFORMS"),
    sbc: add(said.list("SBC_IMGS"), "SBC_IMGS"),
    cloud: add(said.list("CLOUD_IMGS"), "CLOUD_IMGS"),
    pxe: said.list("PXE_ARCHS"),
    wsl: said.list("WSL_ARCHS"),
    live,
    flavors: unique([...said.list("LIVE_FLAVORS"), ...flavors.filter((one) => made.has(one))]),
    repositories,
    asked: { call: (file) => answers.call(file) },
  };
}

const unique = (names: readonly string[]): readonly string[] => [...new Set(names)];

/** What XBPS_REPOSITORY names, with its `-r`; one place and what lies beneath it are that place. */
function repositoriesOf(text: string, repository: string): readonly string[] {
  const places = words(text).flatMap((word) => (word === "-r" ? [] : [word.replace(/^--repository=/, "")]));
  const usual = ["", "/musl", "/aarch64"].map((beneath) => REPOSITORY + beneath);
  if (places.length === 0 || places.join(" ") === usual.join(" ")) return [repository];
  return places.map((place) =>
    place === REPOSITORY || place.startsWith(`${REPOSITORY}/`) ? repository + place.slice(1) : place,
  );
}

/** What is there of the files that are read. */
const filesOf = (dir: string, more: readonly string[]): readonly SourceFile[] =>
  unique([...READ, ...more]).flatMap((name): readonly SourceFile[] => {
    const path = join(dir, name);
    if (!existsSync(path)) return [];
    // Notes that the Imagefile depends on it.
    readFileSync(path);
    // Its mode is that of a clone; to look would be to depend on its time.
    return [
      { kind: "file", path, stage: join("mklive", name), digest: "", executable: name.endsWith(".sh") },
    ];
  });

function ask(
  mklive: string,
  files: readonly SourceFile[],
  environment: Readonly<Record<string, string>>,
  variables: readonly string[],
): string {
  const what = `what the Makefile of ${mklive} says of the release`;
  const argv = ["bash", "-eu", "-o", "pipefail", "-c", recipeText("void-matrix.sh"), "bash", ...variables];
  const run = (): Result<string> =>
    runProbe({ kind: "probe", argv, what }, "", files, { MORE: "", FLAVORS: "", ...environment });
  // What it reads was noted when it was read; the directory of copies is gone afterwards.
  const found = recorder()?.quietly(run) ?? run();
  if (!found.ok) throw new ProblemError(found.problem);
  return found.value;
}

/** Lines of fields. */
class Answers {
  readonly #rows: readonly (readonly string[])[];

  constructor(text: string) {
    this.#rows = text.split("\n").map((line) => line.split("\x1f"));
  }

  /** Of one kind, without it. */
  rows(kind: string): readonly (readonly string[])[] {
    return this.#rows.filter(([first]) => first === kind).map((row) => row.slice(1));
  }

  value(name: string): string {
    return this.rows("var").find(([first]) => first === name)?.[1] ?? "";
  }

  list(name: string): readonly string[] {
    return words(this.value(name));
  }

  call(file: string): Call {
    const calls = this.rows("call").filter(([of]) => of === file);
    const [odd] = this.rows("odd").flat();
    if (odd !== undefined)
      return { lost: `the Makefile runs ${JSON.stringify(odd)}, which only make can do` };
    const [one] = calls;
    if (one === undefined)
      return {
        lost: `make makes no ${file}: ${this.rows("error").flat().join("; ") || "it runs nothing for it"}`,
      };
    if (calls.length > 1)
      return {
        lost: `the Makefile runs ${calls.length} commands for ${file}, of which only one can be followed`,
      };
    const [, script = ""] = one;
    if (!/^\.\/mk(?:rootfs|platformfs|net|image|iso)\.sh$/.test(script))
      return {
        lost: `the Makefile makes ${file} with ${JSON.stringify(script)}, which is no script of void-mklive`,
      };
    return { words: one.slice(1) };
  }
}
