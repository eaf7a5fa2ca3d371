// apt(…): a Debian repository as an Imagefile names it. Only data; the driver (drivers/apt.ts) speaks to it.
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { sourceOf } from "../engine/declare.js";
import type { Source as EngineSource } from "../engine/model.js";
import { option } from "./options.js";
import { rule } from "./declaration.js";
import { arrayOf, filesSource, placeOf } from "./schema.js";
import { asRepo, isRepoOf, type Repo } from "./types.js";

const word = z.string().regex(/^(?:\.\/|[A-Za-z0-9])[A-Za-z0-9._/-]*$/);

/** What `Repo` holds at run time, and the `repo` of package requests: plain data. */
export interface AptRepo {
  readonly driver: "apt";
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Keyring files; null for the host's. */
  readonly keys: Extract<EngineSource, { kind: "files" }> | null;
  readonly inImage: string | null;
  readonly without: readonly string[];
}

export const apt = rule(
  "apt",
  "A Debian repository. `inImage` is what the image's own apt will use.",
  {
    url: option(
      z.union([z.string().regex(/^(?:https?|file|copy):\S+$/), placeOf("http", "https")]),
      `a URL, a directory, or "host"`,
      "Where packages come from while building; a directory is relative to the Imagefile, `host` is the mirror of the " +
        "host's own apt. Not in the key.",
    ),
    suite: option(word, "a suite such as bookworm", "The suite."),
    components: option(
      arrayOf(word, 1).optional(),
      "an array of components",
      "Components of the suite; `main` unless said.",
    ),
    keys: option(
      filesSource.optional(),
      "files(…)",
      "Keyrings that may sign it; the host's keyrings of Debian's archive unless said. A directory that nobody signed is taken " +
        "without, with a warning; where keys are named, and over HTTP, it is refused.",
    ),
    inImage: option(
      z
        .string()
        .regex(/^(?:https?|file|copy|cdrom|mirror[+a-z]*):\S+$/)
        .optional(),
      "a URL",
      "What the image's own apt uses (sources.list); without it the image has no source.",
    ),
    without: option(
      arrayOf(z.string().regex(/^!?\/?[^\s!/]\S*$/)).optional(),
      "paths in an array",
      "Files of packages that are not unpacked, such as `usr/share/doc/*`; `*` stands for part of a path, and `!` before one keeps " +
        "what an earlier one leaves out: `!usr/share/doc/*/copyright`. All are unpacked unless said. The image's own dpkg knows nothing of it.",
    ),
  },
  (o): Repo<"apt"> => {
    const keys = o.keys === undefined ? null : sourceOf(o.keys);
    const repo: AptRepo = {
      driver: "apt",
      url: o.url,
      suite: o.suite,
      components: o.components ?? ["main"],
      keys: keys?.kind === "files" ? keys : null,
      inImage: o.inImage ?? null,
      without: o.without ?? [],
    };
    return asRepo(repo);
  },
);

/** Whether a value came from apt(). */
export const isAptRepo = isRepoOf<AptRepo>("apt");

/** The image's line in sources.list; empty without one. A suite that ends in "/" has no components. */
export function sourceLine(repo: AptRepo): string {
  if (repo.inImage === null) return "";
  const components = repo.suite.endsWith("/") ? [] : repo.components;
  return ["deb", repo.inImage, repo.suite, ...components].join(" ");
}

/** What a package request says of the repository; `inImage` is no business of the resolver's. Keys are patterns. */
export const requestRepo = (repo: AptRepo) => ({
  url: repo.url,
  suite: repo.suite,
  components: repo.components,
  keys: repo.keys?.patterns.map((key) => (isAbsolute(key) ? key : join(repo.keys?.from ?? "", key))) ?? null,
});
