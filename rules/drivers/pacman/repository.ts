// Arch's repositories as package requests name them, checked, and where their files are.
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import { asUrl, readBy } from "../repository.js";
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
export const readRepositories = readBy(schema, "a repository of pacman needs the sections of a pacman.conf");

/** The sections. */
export const nameOf = ({ repositories }: Repositories): string =>
  ["pacman", ...repositories.map(({ name }) => name)].join(" ");

/** What counts beside its keys' contents: everything but where the files are. */
export const policyOf = ({ repositories, sigLevel, keys, ignore }: Repositories): Json => ({
  repositories: repositories.map(({ name, sigLevel, usage }) => ({ name, sigLevel, usage })),
  sigLevel,
  keys: keys !== null,
  ignore,
});

/** Whether pacman looks at the signatures of packages: unless that is `Never` in all sections. */
export const verifies = ({ repositories, sigLevel }: Repositories): boolean =>
  repositories.some((one) => looksAt([sigLevel, one.sigLevel]));

/** Where a repository's files are: URLs, in the order in which they are tried. Directories are relative to `base`. */
export const serversOf = ({ name, servers }: Repository, arch: string, base: string): readonly string[] =>
  servers.map((server) => asUrl(server.replaceAll("$repo", name).replaceAll("$arch", arch), base));

/** A file of a server's. What stands for itself in a path stays as it is: mirrors know `1:2.0` as that. */
export const urlOf = (server: string, file: string): string =>
  `${server}/${file.replace(/[^A-Za-z0-9._~:@+-]/g, encodeURIComponent)}`;
