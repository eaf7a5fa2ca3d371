// RPM repositories as package requests name them, checked, and where they are.
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import { asUrl, readBy } from "../repository.js";

const section = z.object({
  id: z.string().min(1),
  /** Addresses, tried in order, with `$basearch` and `$arch`. */
  urls: z.array(z.string()).readonly(),
  mirrorlist: z.string().nullable(),
  metalink: z.string().nullable(),
  /** Where a mirror has it: a relative path, with `$basearch`. */
  path: z.string(),
  /** Packages must be signed. */
  gpgcheck: z.boolean(),
  /** The index must be signed. */
  repoGpgcheck: z.boolean(),
  /** What dnf's resolver is told: priority, cost, excludepkgs, includepkgs, module_hotfixes. */
  options: z.record(z.string(), z.string()),
});
const schema = z.object({
  name: z.string().min(1),
  sections: z.array(section),
  /** A browsable directory in which all repositories are found, instead of sections. */
  tree: z.string().nullable(),
  keys: z.array(z.string()).nullable(),
  /** What `$releasever` and other variables of addresses stand for. */
  release: z.record(z.string(), z.string()).default({}),
});

/** One repository. */
export type Section = z.output<typeof section>;
/** All that a request names. */
export type Repositories = z.output<typeof schema>;

/** Reads a request's `repo`. */
export const readRepositories = readBy(schema, "a repository of dnf needs a name and sections, or a tree");

/** The name. */
export const nameOf = ({ name }: Repositories): string => `dnf ${name}`;

/** What counts beside its keys' contents: everything but where the repositories lie. */
export const policyOf = ({ sections, tree, keys, release }: Repositories): Json => ({
  sections: sections.map(({ id, gpgcheck, repoGpgcheck, options }) => ({
    ...{ id, gpgcheck, repoGpgcheck, options },
  })),
  tree: tree !== null,
  keys: keys !== null,
  release,
});

/** Whether packages must be signed in one of them. */
export const verifies = ({ sections }: Repositories): boolean => sections.some(({ gpgcheck }) => gpgcheck);

/** Text without variables for the architecture. */
export const forArch = (text: string, arch: string): string =>
  text.replaceAll(/\$\{?(?:basearch|arch)\b\}?/g, arch);

/** An address without its variables; a directory is relative to `base`. */
export const addressOf = (address: string, arch: string, base: string): string =>
  asUrl(forArch(address, arch), base);

/** One repository as the programs that fetch want it. */
export interface Place {
  readonly id: string;
  readonly urls: readonly string[];
  readonly mirrorlist: string | null;
  readonly metalink: string | null;
}

/** Where a section is, for `arch`. As to dnf, a list of mirrors is a metalink where its address says so: EPEL 7's. */
export function placeOf(one: Section, arch: string, base: string): Place {
  const at = (address: string | null): string | null =>
    address === null ? null : addressOf(address, arch, base);
  const [mirrorlist, metalink] = [at(one.mirrorlist), at(one.metalink)];
  return {
    id: one.id,
    urls: one.urls.map((url) => addressOf(url, arch, base)),
    ...(metalink === null && mirrorlist?.includes("metalink") === true
      ? { mirrorlist: null, metalink: mirrorlist }
      : { mirrorlist, metalink }),
  };
}

/** A repository that was found in a tree: its id is its path there. */
export const foundSection = (path: string, tree: string): Section => ({
  id: path === "" ? "." : path,
  urls: [[tree.replace(/\/+$/, ""), ...path.split("/").filter(Boolean).map(encodeURIComponent)].join("/")],
  mirrorlist: null,
  metalink: null,
  path: path === "" ? "." : path,
  gpgcheck: false,
  repoGpgcheck: false,
  options: {},
});
