// step.dconf: settings of a desktop as a system database: its source, its locks, the compiled file, and the profile
// without which nobody would read it.
import { z } from "zod";
import { option, typed } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { arrayOf } from "../schema.js";
import { recipe } from "../recipes.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

const plain = (words: string) => typed(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/), words);

/** `org/gnome/desktop/interface`; a slash around it is forgiven. */
const path = z.string().superRefine((name, context) => {
  if (!/^\/?[^/[\]\s]+(?:\/[^/[\]\s]+)*\/?$/.test(name)) {
    context.addIssue(`a path such as org/gnome/desktop/interface, found "${name}"`);
  }
});
/** The path without slashes around it. */
const bare = (name: string): string => name.replace(/^\/|\/$/g, "");

const key = z.string().superRefine((name, context) => {
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(name)) {
    context.addIssue(`the name of a key has letters, digits and -, found "${name}"`);
  }
});
const value = typed(
  z.string().regex(/^[^\n]*\S[^\n]*$/),
  `a value as GVariant text, such as "'prefer-dark'"`,
);
const lock = typed(
  z.string().regex(/^(?:\/[^/\s]+)+$/),
  "a key with its whole path, such as /org/gnome/desktop/interface/color-scheme",
);

const declared = declaration(
  "step.dconf",
  "Settings and locks as a system database of dconf.",
  {
    db: option(
      plain("the name of a database"),
      "the name of a database",
      "The database: `etc/dconf/db/` and this.",
    ),
    keys: option(
      z.record(path, z.record(key, value)).superRefine((keys, context) => {
        const paths = Object.keys(keys);
        for (const [at, one] of paths.entries()) {
          const same = paths.slice(0, at).find((other) => bare(other) === bare(one));
          if (same !== undefined)
            context.addIssue(`"${same}" and "${one}" are one path: put their keys together`);
        }
      }),
      `{ path: { key: value } }`,
      `Settings, by path and key. Values are GVariant text: \`"'prefer-dark'"\`, \`"true"\`, \`"uint32 5"\`.`,
    ),
    locks: option(
      arrayOf(lock).optional(),
      "an array of keys",
      "Keys that users cannot change, with their whole paths. What is set for a locked key elsewhere is ignored without a word.",
    ),
    name: option(
      plain("a file name").optional(),
      "a file name",
      "Name of the file with the settings, and of that with the locks; `imagemake` unless said.",
    ),
    profile: option(
      plain("the name of a profile").optional(),
      "the name of a profile",
      "The profile that has the database; `user` unless said. One that is there and lacks it gets it as its last.",
    ),
  },
  ["db", "keys"],
);

export const dconf = callable(
  declared,
  (
    db: Given<typeof declared>["db"],
    keys: Given<typeof declared>["keys"],
    o: Others<typeof declared, "db" | "keys"> = {},
  ): Step => {
    const given = declared.check({ db, keys, ...o });
    const sections = Object.entries(given.keys).map(([section, values]) =>
      [`[${bare(section)}]`, ...Object.entries(values).map(([name, text]) => `${name}=${text}`)].join("\n"),
    );
    return makeStep(() => ({
      rule: "step.dconf",
      command: recipe("dconf.sh", ["lib.sh", "dconf.sh"]),
      env: {
        DB: given.db,
        KEYS: sections.join("\n\n"),
        LOCKS: (given.locks ?? []).join("\n"),
        NAME: given.name ?? "imagemake",
        PROFILE: given.profile ?? "user",
      },
      inputs: {},
      tools: [{ name: "dconf", package: "dconf-cli" }],
    }));
  },
);
