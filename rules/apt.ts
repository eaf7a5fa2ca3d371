// apt(…): Debian repositories as an Imagefile names them. Only data; the driver (drivers/apt.ts) speaks to them.
import { z } from "zod";
import { wrongOption } from "../engine/declare.js";
import type { Beside } from "../engine/model.js";
import { option } from "./options.js";
import { rule } from "./declaration.js";
import { arrayOf, filesSource, patternsOf, placeOf } from "./schema.js";
import { asRepo, isRepoOf, type Repo } from "./types.js";

const word = z.string().regex(/^(?:\.\/|[A-Za-z0-9])[A-Za-z0-9._/-]*$/);
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._+-]*$/);
const inImage = z.string().regex(/^(?:https?|file|copy|cdrom|mirror[+a-z]*):\S+$/);

/** One source. */
interface AptSource {
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Patterns of keyring files; null for the host's. */
  readonly keys: readonly string[] | null;
  readonly inImage: string | null;
  /** The keyring in the image; null for those that its apt trusts anyway. */
  readonly signedBy: string | null;
}

/** One more of them. */
interface MoreSource extends AptSource {
  readonly name: string;
  readonly architectures: readonly string[] | null;
}

/** What `Repo` holds at run time: plain data. */
export interface AptRepo extends AptSource {
  readonly driver: "apt";
  readonly more: readonly MoreSource[];
  /** Text of preferences, as apt has them. */
  readonly pins: string;
  /** Patterns of package files. */
  readonly debs: readonly string[];
  readonly without: readonly string[];
}

const url = z.union([z.string().regex(/^(?:https?|file|copy):\S+$/), placeOf("http", "https")]);

const signedBy = option(
  z
    .string()
    .regex(/^\/\S+\.(?:gpg|asc|pgp)$/)
    .optional(),
  "the absolute path of a keyring",
  "Keyring in the image that its apt verifies this source with, such as `/usr/share/keyrings/debian-archive-keyring.gpg`; a " +
    "package or a step has to bring it. What its apt trusts anyway unless said.",
);

const source = z.strictObject({
  name: option(
    name.optional(),
    "a name",
    "What `why` calls it; the suite unless said. Two sources of one suite need one.",
  ),
  url: option(url.optional(), `a URL, a directory, or "host"`, "That of the first source unless said."),
  suite: option(word, "a suite such as bookworm-updates", "The suite."),
  components: option(
    arrayOf(word, 1).optional(),
    "an array of components",
    "Those of the first source unless said.",
  ),
  architectures: option(
    arrayOf(name, 1).optional(),
    "an array of architectures",
    "For these it is one of the sources; for all unless said.",
  ),
  keys: option(
    filesSource.optional(),
    "files(…)",
    "Keyrings that may sign it, and nothing else; those of the first source unless said.",
  ),
  inImage: option(
    inImage.nullable().optional(),
    "a URL, or null",
    "What the image's own apt uses. Unless said that of the first source; nothing for a source with an address of its own, or with null.",
  ),
  signedBy,
});

const pin = z.strictObject({
  packages: option(
    z.union([name, arrayOf(z.string().regex(/^\S+$/), 1)]),
    "a package name, or an array of them",
    "Names, or patterns such as `linux-*`; `*` for all.",
  ),
  pin: option(
    z.string().regex(/^(?:release|version|origin) [^\n]*\S$/),
    `what to take, such as "release n=bookworm-backports" or "version 1.2*"`,
    "As in apt_preferences(5).",
  ),
  priority: option(z.number().int().min(-32768).max(32767), "a whole number", "As in apt_preferences(5)."),
});

export const apt = rule(
  "apt",
  "A Debian repository, or several as one: `sources` are more of them. `inImage` is what the image's own apt will use.",
  {
    url: option(
      url,
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
      inImage.optional(),
      "a URL",
      "What the image's own apt uses. Of one source it is a line in sources.list; several, or one with `signedBy`, are a deb822 file in " +
        "sources.list.d, named by the distribution (`debian.sources`). Without it the image has no source.",
    ),
    signedBy,
    sources: option(
      arrayOf(source).optional(),
      "an array of { suite, … }",
      "More sources, such as updates and security fixes. apt itself decides between them.",
    ),
    pins: option(
      arrayOf(pin).optional(),
      "an array of { packages, pin, priority }",
      "apt's preferences, for building and, where the image has sources, for its own apt. One package of another suite needs none: " +
        '`packages: ["cockpit/bookworm-backports"]`.',
    ),
    debs: option(
      filesSource.optional(),
      "files(…)",
      "Package files of your own (`*.deb`), or a directory of them, as one more source: what is in there is taken before all others. " +
        "They count by their content: a rebuilt one is installed with the next build, and no snapshot is taken for it.",
    ),
    without: option(
      arrayOf(z.string().regex(/^!?\/?[^\s!/]\S*$/)).optional(),
      "paths in an array",
      "Files of packages that are not unpacked, such as `usr/share/doc/*`; `*` stands for part of a path, and `!` before one keeps " +
        "what an earlier one leaves out: `!usr/share/doc/*/copyright`. All are unpacked unless said. The image's own dpkg knows nothing of it.",
    ),
  },
  (o): Repo<"apt"> => {
    const repo: AptRepo = {
      driver: "apt",
      url: o.url,
      suite: o.suite,
      components: o.components ?? ["main"],
      keys: o.keys === undefined ? null : patternsOf(o.keys),
      inImage: o.inImage ?? null,
      signedBy: o.signedBy ?? null,
      more: [],
      pins: pinsText(o.pins ?? []),
      debs: o.debs === undefined ? [] : patternsOf(o.debs),
      without: o.without ?? [],
    };
    const all: AptRepo = { ...repo, more: moreOf(repo, o.sources ?? []) };
    return asRepo(all);
  },
);

/** The other sources, with what they have of the first. */
function moreOf(first: AptSource, sources: readonly z.output<typeof source>[]): readonly MoreSource[] {
  const names = new Set([first.suite, "local"]);
  return sources.map((one) => {
    const called = one.name ?? one.suite;
    if (names.has(called)) {
      wrongOption(
        "apt",
        `sources: expected a name of its own for each, found two sources called ${called}; name says what one is called`,
      );
    }
    names.add(called);
    return {
      name: called,
      url: one.url ?? first.url,
      suite: one.suite,
      components: one.components ?? first.components,
      keys: one.keys === undefined ? first.keys : patternsOf(one.keys),
      inImage: one.inImage === undefined && one.url === undefined ? first.inImage : (one.inImage ?? null),
      signedBy: one.signedBy ?? (one.keys === undefined ? first.signedBy : null),
      architectures: one.architectures ?? null,
    };
  });
}

/** Preferences, a stanza for each pin. */
const pinsText = (pins: readonly z.output<typeof pin>[]): string =>
  pins
    .map(
      ({ packages, pin: what, priority }) =>
        `Package: ${[packages].flat().join(" ")}\nPin: ${what}\nPin-Priority: ${priority}\n`,
    )
    .join("\n");

/** Whether a value came from apt(). */
export const isAptRepo = isRepoOf<AptRepo>("apt");

const isFlat = ({ suite }: AptSource): boolean => suite.endsWith("/");

/** What the image's own apt is given; a suite that ends in "/" has no components. */
export function inImageOf(repo: AptRepo, arch: string): Readonly<Record<string, string>> {
  const { more, pins } = repo;
  const first: MoreSource = { ...repo, name: repo.suite, architectures: null };
  const all = [first, ...more].filter(
    (one) => one.inImage !== null && (one.architectures?.includes(arch) ?? true),
  );
  const preferences: Readonly<Record<string, string>> =
    pins === "" || all.length === 0 ? {} : { PREFERENCES: pins };
  if (more.length === 0 && repo.signedBy === null) {
    const components = isFlat(repo) ? [] : repo.components;
    const line = repo.inImage === null ? "" : ["deb", repo.inImage, repo.suite, ...components].join(" ");
    return { IN_IMAGE: line, ...preferences };
  }
  const stanzas = all.map((one) =>
    [
      "Types: deb",
      `URIs: ${one.inImage ?? ""}`,
      `Suites: ${one.suite}`,
      ...(isFlat(one) ? [] : [`Components: ${one.components.join(" ")}`]),
      ...(one.architectures === null ? [] : [`Architectures: ${one.architectures.join(" ")}`]),
      ...(one.signedBy === null ? [] : [`Signed-By: ${one.signedBy}`]),
    ].join("\n"),
  );
  return { IN_IMAGE: "", SOURCES: stanzas.join("\n\n"), ...preferences };
}

/** What a package request says of the repository; `inImage` is no business of the resolver's. Keys are patterns. */
export const requestRepo = ({ url, suite, components, keys, more }: AptRepo) => ({
  url,
  suite,
  components,
  keys,
  ...(more.length === 0 ? {} : { more: more.map(requestSource) }),
});

const requestSource = (one: MoreSource) => ({
  name: one.name,
  url: one.url,
  suite: one.suite,
  components: one.components,
  architectures: one.architectures,
  keys: one.keys,
});

/** What counts beside it: pins, and package files. */
export const besideRepo = ({ pins, debs }: AptRepo): Beside | undefined =>
  pins === "" && debs.length === 0 ? undefined : { options: { pins }, files: debs };
