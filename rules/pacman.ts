// pacman(…): Arch's repositories as an Imagefile names them, by a pacman.conf. Only data; the driver
// (drivers/pacman.ts) speaks to them. The configuration is read when the Imagefile is evaluated.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { wrongOption } from "../engine/declare.js";
import { imagefileDirectory } from "../engine/evaluate/place.js";
import { asError } from "../engine/problem.js";
import { demands, readConf, type Conf, type Section } from "./drivers/pacman/conf.js";
import { option } from "./options.js";
import { callable, declaration, type Given, type Others } from "./declaration.js";
import { filesSource, patternsOf, placeOf } from "./schema.js";
import { asRepo, isRepoOf, type Repo } from "./types.js";

const place = placeOf("http", "https", "file");

const declared = declaration(
  "pacman",
  "Arch's repositories: sections of `conf`. `inImage` is what the image's own pacman will use.",
  {
    conf: option(
      filesSource,
      `files("pacman.conf")`,
      "The configuration. Its sections are the repositories, in order, with `Server`, `SigLevel` and `Usage`; of " +
        "`[options]` `SigLevel`, `NoExtract`, `IgnorePkg` and `IgnoreGroup` count: what the last two name is not installed. The rest is about a running system, and `Include` is not followed.",
    ),
    url: option(
      place.optional(),
      "a URL or a directory, with $repo and $arch",
      "Where packages come from while building, instead of what `Server` and `Include` say. Not in the key.",
    ),
    keys: option(
      filesSource.optional(),
      "files(…)",
      "Public keys of GnuPG (`keys/*.gpg`, `*.asc`) that may sign databases and packages. `SigLevel` says what has to be " +
        "signed; with `Never` nothing is verified but checksums.",
    ),
    inImage: option(
      z
        .string()
        .regex(/^(?:https?|ftp|file):\/\/\S+$/)
        .optional(),
      "a URL, with $repo and $arch",
      "The one server in the image's own mirrorlist; without it that stays as its package has it.",
    ),
  },
  ["conf"],
);

/** What `Repo` holds at run time, and the `repo` of package requests: plain data. */
export interface PacmanRepo {
  readonly driver: "pacman";
  readonly repositories: readonly Omit<Section, "include">[];
  readonly sigLevel: string;
  /** Patterns of key files, relative to the Imagefile or absolute; null for none. */
  readonly keys: readonly string[] | null;
  readonly ignore: Conf["ignore"];
  readonly noExtract: readonly string[];
  readonly inImage: string | null;
}

export const pacman = callable(
  declared,
  (conf: Given<typeof declared>["conf"], o: Others<typeof declared, "conf"> = {}): Repo<"pacman"> => {
    const given = declared.check({ conf, ...o });
    const [path, ...more] = patternsOf(given.conf);
    if (path === undefined || more.length > 0) wrongOption("pacman", "conf: expected the name of one file");
    const { repositories, sigLevel, noExtract, ignore } = confOf(path);
    const keys = given.keys === undefined ? null : patternsOf(given.keys);
    if (repositories.length === 0)
      wrongOption("pacman", `${path} has no repository, which is a section [name]`);
    if (given.url !== undefined && !given.url.includes("$repo") && repositories.length > 1) {
      const names = repositories.map((one) => one.name).join(", ");
      wrongOption("pacman", `url: expected $repo in it, because ${path} has several repositories (${names})`);
    }
    const repo: PacmanRepo = {
      driver: "pacman",
      repositories: repositories.map((one) => {
        const asked = demands([sigLevel, one.sigLevel]);
        if (keys === null && (asked.packages || asked.database)) {
          wrongOption(
            "pacman",
            `keys: expected files(…), because SigLevel in ${path} demands signatures in [${one.name}], found nothing`,
          );
        }
        return {
          name: one.name,
          servers: serversOf(one, given.url, path),
          sigLevel: one.sigLevel,
          usage: one.usage,
        };
      }),
      sigLevel,
      keys,
      ignore,
      noExtract,
      inImage: given.inImage ?? null,
    };
    return asRepo(repo);
  },
);

function confOf(path: string): Conf {
  let text: string;
  try {
    text = readFileSync(resolve(imagefileDirectory(), path), "utf8");
  } catch (thrown) {
    wrongOption("pacman", `${path} cannot be read: ${asError(thrown).message}`);
  }
  const read = readConf(text);
  if (!read.ok) wrongOption("pacman", `${path}: ${read.problem.message}`);
  return read.value;
}

/** The mirrorlist of the machine that builds is no part of an Imagefile. */
function serversOf(section: Section, url: string | undefined, path: string): readonly string[] {
  if (url !== undefined) return [url];
  if (section.servers.length > 0) return section.servers;
  const because = section.include === null ? "" : ` (line ${section.include}: Include is not followed)`;
  wrongOption(
    "pacman",
    `${path}: [${section.name}] has no Server${because}; url says where packages come from`,
  );
}

/** Whether a value came from pacman(). */
export const isPacmanRepo = isRepoOf<PacmanRepo>("pacman");

/** What a package request says of the repositories; what becomes of the image is no business of the resolver's. */
export const pacmanRequest = ({ repositories, sigLevel, keys, ignore }: PacmanRepo) => ({
  repositories,
  sigLevel,
  keys,
  ignore,
});
