// Takes the repositories' metadata: librepo fetches and verifies it, each repository's to a directory of its number.
// `sections.json` beside them says which is which; in a tree it is found out here.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SnapshotContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { makeKeyring } from "../keyring.js";
import { lastLine } from "../words.js";
import {
  addressOf,
  forArch,
  foundSection,
  nameOf,
  placeOf,
  type Repositories,
  type Section,
} from "./repository.js";
import { ask, run } from "./run.js";

/** File in a snapshot that says what it holds. */
export const SECTIONS = "sections.json";

const answer = z.object({ wrong: z.object({ id: z.string(), said: z.string() }).nullable() });

/** Fills `dir` (empty, exists). Anything less than all metadata, verified, is a problem. */
export async function takeSnapshot(
  repo: Repositories,
  arch: string,
  dir: string,
  context: SnapshotContext,
): Promise<Result<void>> {
  const { keys } = repo;
  const sections = await sectionsOf(repo, arch, context);
  if (!sections.ok) return sections;
  const gnupg = join(context.scratch, "gnupg");
  const signed = sections.value.some((one) => one.repoGpgcheck);
  if (signed) {
    const ring = await makeKeyring(run, gnupg, keys, context);
    if (!ring.ok) return ring;
  }
  const places = sections.value.map((one, i) => ({
    ...placeOf(one, arch, context.base),
    signed: one.repoGpgcheck,
    dest: String(i),
  }));
  const question = { dir, gnupg: signed ? gnupg : null, places };
  const got = await ask("dnf-snapshot.py", question, answer, context);
  if (!got.ok) return got;
  const { wrong } = got.value;
  if (wrong !== null) {
    const where = places.find(({ id }) => id === wrong.id);
    const at = where?.urls[0] ?? where?.metalink ?? where?.mirrorlist ?? "?";
    const hint = /GPG|signature|repomd\.xml\.asc/i.test(wrong.said)
      ? `signed by none of the keys in ${(keys ?? []).join(", ")}, or not at all; repo_gpgcheck=0 trusts it as it is`
      : undefined;
    return fail(
      Exit.environment,
      `cannot read the repository ${wrong.id} of ${nameOf(repo)} (${at}): ${wrong.said.trim()}`,
      hint,
    );
  }
  // Where it was fetched from is circumstance, and no part of a snapshot.
  const kept = sections.value.map(({ id, path, options }) => ({ id, path: forArch(path, arch), options }));
  await writeFile(join(dir, SECTIONS), `${JSON.stringify(kept)}\n`);
  return ok(undefined);
}

/** The sections of a request; of a tree those that are found in it. */
async function sectionsOf(
  { sections, tree }: Repositories,
  arch: string,
  context: SnapshotContext,
): Promise<Result<readonly Section[]>> {
  if (tree === null) return ok(sections);
  const at = addressOf(tree, arch, context.base);
  context.progress(`looking for repositories in ${at}`);
  // Quotes end where they do for lftp.
  const quoted = `"${at.replace(/["\\]/g, "\\$&")}/"`;
  const ran = await run(["lftp", "-c", `${PATIENCE}; find -d ${DEPTH} ${quoted}`], context, {
    cwd: context.scratch,
  });
  if (!ran.ok) return ran;
  const { status, stdout, stderr } = ran.value;
  if (status !== 0) return fail(Exit.environment, `cannot list ${at}: ${lastLine(stderr)}`);
  const found = repositoriesIn(stdout, at).filter((path) => !SOURCES.test(path));
  if (found.length === 0) {
    return fail(
      Exit.environment,
      `there is no repository in ${at}`,
      "a repository has a directory repodata with repomd.xml in it",
    );
  }
  return ok(found.map((path) => foundSection(path, at)));
}

/** A server that does not answer is known as such after some seconds, not after lftp's minutes. */
const PATIENCE = "set net:max-retries 3; set net:reconnect-interval-base 2; set net:timeout 20";

/** Directories below a tree that are looked into. */
const DEPTH = 6;
/** Packages of sources are in repositories of their own. */
const SOURCES = /(?:^|\/)(?:source|src|srpms|sources)(?:\/|$)/i;

/** The directories that have an index, from a listing; sorted. */
function repositoriesIn(listing: string, tree: string): readonly string[] {
  const base = decodeURIComponent(new URL(`${tree}/`).pathname).replace(/\/+$/, "");
  return listing
    .split("\n")
    .flatMap((line) => {
      // `file:/dir//base/…` and `http://host/dir/base/…` are both ways to write it.
      const path = decodeURIComponent(line.replace(/^[a-z]+:(?:\/\/[^/]*(?=\/))?/, "")).replace(/\/+/g, "/");
      const below = /^(.*?)\/?repodata\/repomd\.xml$/.exec(path)?.[1];
      const isBelow = below?.startsWith(base) === true && !below.split("/").includes("..");
      return isBelow ? [below.slice(base.length).replace(/^\/|\/$/g, "")] : [];
    })
    .sort();
}
