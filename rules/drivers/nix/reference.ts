// References to a tree of nix expressions, as text: what they are called and where they are fetched. It fetches nothing.
import { z } from "zod";
import { readBy } from "../repository.js";

/** Where expressions come from: a repository of GitHub's at a branch, tag or revision, or a tarball by its address. */
export type Reference =
  | { readonly kind: "github"; readonly project: string; readonly ref: string }
  | { readonly kind: "tarball"; readonly url: string };

const GITHUB = /^github:([\w.-]+\/[\w.-]+)(?:\/([\w./-]+))?$/;
const TARBALL = /^(?:https?|file):\/\/\S+\.(?:tar\.gz|tgz)$/;

/** The reference in a text; null for what is none, a directory perhaps. */
export function parseReference(text: string): Reference | null {
  const [, project, ref = "HEAD"] = GITHUB.exec(text) ?? [];
  if (project !== undefined) return { kind: "github", project, ref };
  return TARBALL.test(text) ? { kind: "tarball", url: text } : null;
}

/** Whether a text is meant as an address: what looks like one and is none is told so. */
export const isAddress = (text: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(text);

/** Whether it is somewhere else than on this machine. */
export const isRemote = (reference: Reference): boolean =>
  reference.kind === "github" || !reference.url.startsWith("file:");

/** What the release calls it. Where a tarball lies is circumstance. */
export const nameOf = (reference: Reference): string =>
  reference.kind === "github"
    ? `github:${reference.project}/${reference.ref}`
    : reference.url.slice(reference.url.lastIndexOf("/") + 1);

/** Its address; of a repository the archive of a branch, tag or revision. */
export const urlOf = (reference: Reference, ref?: string): string =>
  reference.kind === "github"
    ? `https://github.com/${reference.project}/archive/${ref ?? reference.ref}.tar.gz`
    : reference.url;

/** A commit that cannot move. */
export const isRevision = (ref: string): boolean => /^[0-9a-f]{40}$/.test(ref);

/** The reference of a package request, which rules/nix.ts wrote. */
export const readReference = readBy(
  z.object({ nixpkgs: z.string() }).transform(({ nixpkgs }, check) => {
    const reference = parseReference(nixpkgs);
    if (reference !== null) return reference;
    check.addIssue("no reference");
    return z.NEVER;
  }),
  "a request of nix needs a reference to nixpkgs",
);
