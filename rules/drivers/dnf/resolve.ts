// Resolves lists with dnf's own resolver, in a snapshot. Nothing of the host's is seen, and nothing is fetched.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { Json } from "../../../engine/model.js";
import type { DriverContext, Package, ResolveRequest } from "../../../engine/packages/driver.js";
import { fail, ok, type Problem, type Result } from "../../../engine/problem.js";
import { nameOf } from "./repository.js";
import { ask } from "./run.js";
import { SECTIONS } from "./snapshot.js";

/** A package by its name, with version and architecture, by what it provides, by a file; a group with `@`. */
const NAME = /^(?:@|\/)?[A-Za-z0-9_][A-Za-z0-9_.+:~^()/ -]*$/;

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
  missing: z.array(z.string()),
  known: z.array(z.string()),
  lost: z.array(z.string()),
  problem: z.string().nullable(),
});

/** The exact packages that `want` adds to `on`. */
export async function resolve(
  request: ResolveRequest,
  context: DriverContext,
): Promise<Result<readonly Package[]>> {
  const { snapshot, want, on } = request;
  const odd = want.find((name) => !NAME.test(name));
  if (odd !== undefined) return fail(2, `${JSON.stringify(odd)} is not the name of a package`);
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
      url: pathToFileURL(join(snapshot.dir, String(i))).href,
      options: given,
      called: id,
    })),
    want,
    on: on.map(({ name, version, arch, sha256 }) => ({ name, version, arch, sha256 })),
  };
  const got = await ask("dnf-resolve.py", question satisfies Json, answer, context);
  if (!got.ok) return got;
  const { packages, missing, known, lost, problem } = got.value;
  const where = `${nameOf(snapshot.repo).replace(/^dnf /, "")} (${snapshot.arch})`;
  if (lost.length > 0) {
    return fail(
      2,
      `the tree beneath holds ${lost.join(", ")}, which ${where} has no more`,
      "`imagemake release refresh` takes a new snapshot for both",
    );
  }
  if (missing.length > 0) return { ok: false, problem: await unknown(missing, known, where) };
  if (problem !== null) return fail(2, refusal(problem, where), on.length > 0 ? KEPT : undefined);
  const weak = packages.find(({ checksum: [kind] }) => kind !== "sha256");
  if (weak !== undefined) {
    return fail(3, `${where} has no sha256 checksum of ${weak.name}, but ${weak.checksum[0]}`);
  }
  const found = packages.map((pkg): Package => {
    const { name, version, arch, size } = pkg;
    const section = held[Number(pkg.section.slice(1))];
    // In a mirror, two repositories may have the same package: where it stands is part of what it is.
    const called = mirror === null ? name : `${section?.path ?? ""}/${name}`;
    const location = `${section?.id ?? ""}//${pkg.file}`;
    return { name: called, version, arch, sha256: pkg.checksum[1], size, location };
  });
  return ok(found.sort(byName));
}

const KEPT = "what the tree beneath holds is neither replaced nor removed";

const byName = (a: Package, b: Package): number => {
  const [one, other] = [a, b].map(({ name, version, arch }) => [name, version, arch].join("\0"));
  return (one ?? "") < (other ?? "") ? -1 : 1;
};

/** dnf's words on one line, without those that say nothing. */
function refusal(problem: string, where: string): string {
  const said = problem
    .split("\n")
    .map((line) => line.trim().replace(/^- /, ""))
    .filter((line) => line !== "" && !/^Problem(?: \d+)?: conflicting requests$/.test(line))
    .map((line) => line.replace(/^Problem(?: \d+)?: /, ""));
  return `the packages cannot be resolved in ${where}: ${[...new Set(said)].join("; ")}`;
}

/** Names that the snapshot does not have, and the nearest that it has. */
async function unknown(names: readonly string[], known: readonly string[], where: string): Promise<Problem> {
  const message = `there is no package ${names.join(", ")} in ${where}`;
  const { nearestHint } = await import("../../../engine/evaluate/nearest.js");
  const hint = nearestHint(names[0] ?? "", known);
  return hint === undefined ? { exit: 2, message } : { exit: 2, message, hint };
}
