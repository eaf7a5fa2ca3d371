// step.users: users of a tree, made and changed by editing its own files. It makes no hash: a password comes as one.
import { z } from "zod";
import { isSource, sourceOf, type SourceHandle } from "../../engine/declare.js";
import type { Source as EngineSource } from "../../engine/model.js";
import { option, typed } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { recipe } from "../recipes.js";
import { arrayOf, imagePath, takes } from "../schema.js";
import type { Source, Step } from "../types.js";
import { makeStep } from "./step.js";

/** A user's password: nobody has one, an empty one, or a hash as crypt(5) has it, maybe in a variable of the caller's. */
export type Password = "locked" | "blank" | { readonly hash: string | Source };

const NAME = /^[a-z_][a-z0-9_-]{0,30}$/;
/** What crypt(5) calls a prefix, and what follows it. */
const HASH = /^\$(?:1|5|6|7|2[abxy]|y|gy|md5|sha1)[$,][^\s:]+$/;
const HOW =
  "a hash as crypt(5) has it, such as `openssl passwd -6` prints; a password itself is not accepted";

/** A record's keys that are names of users. */
const userName = z.string().superRefine((name, context) => {
  if (!NAME.test(name)) {
    context.addIssue("a name begins with a small letter, and has small letters, digits, - and _");
  }
});
const groupName = typed(z.string().regex(NAME), "the name of a group");
const id = z.number().int().min(0).max(4_294_967_294).optional();
const isEnv = (value: unknown): value is SourceHandle => isSource(value) && sourceOf(value).kind === "env";

/** The words for what `passwordOf` takes. */
export const passwordWords = (more: readonly string[] = []): string =>
  `${[...more, "locked", "blank"].map((word) => `"${word}"`).join(", ")} or { hash }`;

/**
 * The schema of a password; `more` are other words that stand for one. What was given is never shown: it may be a
 * password.
 */
export const passwordOf = <W extends string = never>(more: readonly W[] = []) =>
  takes<W | Password>()(
    z
      .custom<W | "locked" | "blank" | { readonly hash: string | SourceHandle }>()
      .superRefine((given: unknown, context) => {
        if (["locked", "blank", ...more].some((word) => word === given)) return;
        const keys = typeof given === "object" && given !== null ? Object.keys(given) : [];
        const hash =
          keys.length === 1 && typeof given === "object" && given !== null && "hash" in given
            ? given.hash
            : null;
        if (hash === null) context.addIssue(`expected ${passwordWords(more)}; what was given is not shown`);
        else if (!isEnv(hash) && !(typeof hash === "string" && HASH.test(hash)))
          context.addIssue(`expected ${HOW}; what was given is not shown`);
      }),
  );

/** One user. What is left out stays as it is in a user that the tree has; a new one's password is locked. */
export type UserOptions = z.input<typeof userSchema>;

const userSchema = z
  .strictObject({
    groups: option(
      arrayOf(groupName).optional(),
      "an array of groups",
      "Groups beside the user's own. One that the tree does not have is an error; `newGroups` makes it.",
    ),
    password: option(
      passwordOf().optional(),
      passwordWords(),
      "A new user's is locked unless said. `hash` is as crypt(5) has it, or `env(…)`, a variable that holds it.",
    ),
    expire: option(
      z.boolean().optional(),
      "true or false",
      "The password has to be changed at the first login; with a blank one, it has to be set.",
    ),
    sudo: option(
      z.union([z.boolean(), z.literal("nopasswd")]).optional(),
      `true, false or "nopasswd"`,
      "All commands as everybody: a file in `etc/sudoers.d`, and the group `sudo` or `wheel` where there is one. " +
        "`nopasswd` asks for no password.",
    ),
    uid: option(id, "a number", "The lowest free one from 1000 on unless said."),
    gid: option(
      id,
      "a number",
      "The group of the user's name unless said; a group that is not there is made, with the user's number where that is free.",
    ),
    home: option(
      imagePath.optional(),
      "a path inside the tree",
      "`/home/` and the name unless said. It is made from the tree's `etc/skel`, with mode 700.",
    ),
    shell: option(
      imagePath.optional(),
      "a path inside the tree",
      "The first of `/bin/bash` and `/bin/sh` that the tree has unless said. It must be there.",
    ),
    comment: option(
      z
        .string()
        .regex(/^[^:\n]*$/)
        .optional(),
      "text without colons",
      "The person's name.",
    ),
  })
  .superRefine((user, context) => {
    if (user.expire === true && user.password === "locked")
      context.addIssue("expire: nobody logs in with a locked password, so nobody can change it");
  });

const declared = declaration(
  "step.users",
  "Makes users, and changes those that are there.",
  {
    users: option(
      z.record(
        userName,
        typed(userSchema, "{ groups, password, expire, sudo, uid, gid, home, shell, comment }"),
      ),
      "{ name: { groups, password, … } }",
      "Users, by name. One that the tree has, such as root, is changed; the others are made, in this order.",
    ),
    newGroups: option(
      arrayOf(groupName).optional(),
      "an array of groups",
      "Groups that are made where the tree has none of the name, with a number from 100 on.",
    ),
  },
  ["users"],
);

export const users = callable(
  declared,
  (who: Given<typeof declared>["users"], o: Others<typeof declared, "users"> = {}): Step => {
    const given = declared.check({ users: who, ...o });
    const inputs: Record<string, EngineSource> = {};
    const list = Object.entries(given.users).map(([name, user]) => {
      const secret = user.password;
      if (typeof secret !== "object" || typeof secret.hash === "string") return { name, ...user };
      // A variable of the caller's is an input: only its digest is kept.
      const variable = `HASH${Object.keys(inputs).length}`;
      inputs[variable] = sourceOf(secret.hash);
      return { name, ...user, password: { variable } };
    });
    return makeStep(() => ({
      rule: "step.users",
      command: recipe("users.mjs", ["users.mjs"], ["tree.mjs"]),
      env: { USERS: JSON.stringify({ users: list, newGroups: given.newGroups ?? [] }) },
      inputs,
    }));
  },
);
