// Resolves lists with dnf's own resolver, in a snapshot. Nothing of the host's is seen, and nothing is fetched.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import type { DriverContext, Package } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import type { Request } from "../driver.js";
import { byName, treeHint, unknownNames } from "../words.js";
import { apart, carried, listedFile, METADATA, metadataName, STRONG, type ListedFile } from "./mirrored.js";
import type { Repositories } from "./repository.js";
import { ask } from "./run.js";
import { SECTIONS } from "./snapshot.js";

/** A package by its name, with version and architecture, by what it provides, by a file; a group with `@`. */
export const NAME = /^(?:@|\/)?[A-Za-z0-9_][A-Za-z0-9_.+:~^()/ -]*$/;

const options = z.object({
  /** Weak dependencies come too. */
  recommends: z.boolean().default(false),
  /** Without what the packages depend on. */
  alone: z.boolean().default(false),
  /** Every package there is, but these globs and sources. */
  mirror: z.array(z.string()).nullable().default(null),
});

const sections = z.array(
  z.object({ id: z.string(), path: z.string(), options: z.record(z.string(), z.string()) }),
);

/** What a repository says becomes names of files here, so nothing else may be in it. */
const word = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.+~^:-]*$/);

const one = z.object({
  name: word,
  version: word,
  arch: word,
  checksum: z.tuple([z.string(), z.string().regex(/^[0-9a-f]+$/)]),
  size: z.number().int(),
  section: z.string(),
  file: z.string(),
});
const answer = z.object({
  packages: z.array(one),
  /** All that indexes list; only for a mirror. */
  files: z.array(listedFile),
  missing: z.array(z.string()),
  known: z.array(z.string()),
  /** Modules with the streams that have what is missing: `nodejs:20`. */
  streams: z.array(z.string()),
  lost: z.array(z.string()),
  problem: z.string().nullable(),
});

/** The exact packages that `want` adds to `on`. */
export async function resolve(
  request: Request<Repositories>,
  context: DriverContext,
): Promise<Result<readonly Package[]>> {
  const { snapshot, want, on, where } = request;
  const { recommends, alone, mirror } = options.parse(request.options);
  const held = sections.parse(JSON.parse(await readFile(join(snapshot.dir, SECTIONS), "utf8")));
  const question = {
    scratch: context.scratch,
    arch: snapshot.arch,
    recommends,
    depends: !alone,
    everything: mirror !== null,
    without: mirror ?? [],
    sections: held.map(({ id, options: given }, i) => ({
      // A path would be part of the names of dnf's own files.
      id: `r${i}`,
      dir: join(snapshot.dir, String(i)),
      options: given,
      called: id,
    })),
    want,
    on: on.map(({ name, version, arch, sha256 }) => ({ name, version, arch, sha256 })),
  };
  const got = await ask("dnf-resolve.py", question satisfies Json, answer, context);
  if (!got.ok) return got;
  const { packages, files, missing, known, streams, lost, problem } = got.value;
  if (lost.length > 0) {
    return fail(
      Exit.usage,
      `the tree beneath holds ${lost.join(", ")}, which ${where} no longer has`,
      "`imagemake release refresh` takes a new snapshot for both",
    );
  }
  if (streams.length > 0) {
    return fail(
      Exit.usage,
      `${missing.join(", ")} is in ${where} only in streams of modules that are not enabled`,
      `ask for one too: ${streams.map((one) => `@${one}`).join(" or ")}`,
    );
  }
  const [first, ...others] = missing;
  if (first !== undefined) {
    return { ok: false, problem: await unknownNames([first, ...others], known, where) };
  }
  if (problem !== null) return fail(Exit.usage, refusal(problem, where), treeHint([], request));
  const weak = packages.find(({ checksum: [kind] }) => !STRONG.includes(kind));
  if (weak !== undefined) {
    const said = `${where} has no ${STRONG.join(" or ")} checksum of ${weak.name}, but ${weak.checksum[0]}`;
    return fail(Exit.environment, said);
  }
  const found = packages.map((pkg): Package => {
    const { name, version, arch, size } = pkg;
    const from = held[Number(pkg.section.slice(1))];
    if (from === undefined) throw new Error(`${name} is of no section: ${pkg.section}`);
    // In a mirror, two repositories may have the same package: where it stands is part of what it is.
    const called = mirror === null ? name : `${from.path}/${name}`;
    const location = `${from.id}//${pkg.file}`;
    return { name: called, version, arch, sha256: pkg.checksum[1], size, location };
  });
  if (mirror === null) return ok(found.sort(byName));
  const beside = held.flatMap(({ id, path }, i) => {
    const listed = carried(files.filter((file) => file.section === `r${i}`));
    if (listed.dropped.length > 0)
      context.warn(
        `the mirror${id === "." ? "" : ` of ${id}`} (${snapshot.arch}) is without ${listed.dropped.join(", ")}`,
      );
    return listed.files.map((file) => asPackage(id, path, file));
  });
  return ok([...apart(found), ...beside].sort(byName));
}

/** A file of a repository's index, fetched and kept as packages are. */
const asPackage = (id: string, path: string, file: ListedFile): Package => ({
  name: metadataName(path, file),
  // It has none, and the time when it was written is none: the same may be written again.
  version: file.checksum[1].slice(0, 12),
  arch: METADATA,
  sha256: file.checksum[1],
  size: file.size,
  location: `${id}//${file.base === null ? file.file : `${file.base.replace(/\/+$/, "")}/${file.file}`}`,
});

/** dnf's words on one line, without those that say nothing. */
function refusal(problem: string, where: string): string {
  const said = problem
    .split("\n")
    .map((line) => line.trim().replace(/^- /, ""))
    .filter((line) => line !== "" && !/^Problem(?: \d+)?: conflicting requests$/.test(line))
    .map((line) => line.replace(/^Problem(?: \d+)?: /, ""));
  return `the packages cannot be resolved in ${where}: ${[...new Set(said)].join("; ")}`;
}
