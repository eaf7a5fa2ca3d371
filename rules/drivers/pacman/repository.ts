// Arch's repositories as package requests name them, checked, and where their files are.
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { asUrl } from "../address.js";
import { looksAt } from "./conf.js";

const one = z.object({
  name: z.string().min(1),
  servers: z.array(z.string()),
  sigLevel: z.string(),
  usage: z.string(),
});
const schema = z.object({
  repositories: z.array(one).min(1),
  sigLevel: z.string(),
  keys: z.array(z.string()).nullable(),
  /** Patterns of packages and of groups that are not installed. */
  ignore: z
    .object({ packages: z.array(z.string()), groups: z.array(z.string()) })
    .default({ packages: [], groups: [] }),
});

/** One repository. */
export type Repository = z.output<typeof one>;
/** All that a request names. */
export type Repositories = z.output<typeof schema>;

/** Reads a request's `repo`. */
export function readRepositories(repo: Json): Result<Repositories> {
  const read = schema.safeParse(repo);
  return read.success
    ? ok(read.data)
    : fail(Exit.usage, "a repository of pacman needs the sections of a pacman.conf");
}

/** The sections: what tells repositories of one release apart, wherever they are fetched from. */
export function nameOf(repo: Json): string {
  const read = readRepositories(repo);
  return read.ok ? ["pacman", ...read.value.repositories.map(({ name }) => name)].join(" ") : "pacman";
}

/** What counts beside its keys' contents: everything but where the files are. */
export function policyOf(repo: Json): Json {
  const read = readRepositories(repo);
  if (!read.ok) return null;
  const { repositories, sigLevel, keys, ignore } = read.value;
  return {
    repositories: repositories.map(({ name, sigLevel, usage }) => ({ name, sigLevel, usage })),
    sigLevel,
    keys: keys !== null,
    ignore,
  };
}

/** Whether pacman looks at the signatures of packages: unless that is `Never` in all sections. */
export function verifies(repo: Json): boolean {
  const read = readRepositories(repo);
  return read.ok && read.value.repositories.some((one) => looksAt([read.value.sigLevel, one.sigLevel]));
}

/** Where a repository's files are: URLs, in the order in which they are tried. Directories are relative to `base`. */
export const serversOf = ({ name, servers }: Repository, arch: string, base: string): readonly string[] =>
  servers.map((server) => asUrl(server.replaceAll("$repo", name).replaceAll("$arch", arch), base));

/** A file of a server's. What stands for itself in a path stays as it is: mirrors know `1:2.0` as that. */
export const urlOf = (server: string, file: string): string =>
  `${server}/${file.replace(/[^A-Za-z0-9._~:@+-]/g, encodeURIComponent)}`;
