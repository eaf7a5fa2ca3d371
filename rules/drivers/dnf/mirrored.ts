// What a mirror of RPM repositories takes beside packages, and what everything in it is called: packages that are
// there twice, and the files that an index lists beside its packages.
import { z } from "zod";
import type { Package } from "../../../engine/packages/driver.js";

/** The "architecture" of a file that is no package: it lies in `repodata`. */
export const METADATA = "repodata";

/** A file that a repository's index lists, as dnf-resolve.py tells of it. */
export const listedFile = z.object({
  type: z.string(),
  checksum: z.tuple([z.string(), z.string()]),
  size: z.number().int(),
  section: z.string(),
  file: z.string(),
  base: z.string().nullable(),
});
export type ListedFile = z.output<typeof listedFile>;

/** Lists of packages, which a mirror has anew. */
const INDEX = /^(?:primary|filelists|filelists-ext|other)(?:_db|_zck)?$/;
/** They lead to files of their own, which are no packages and are not fetched. */
const DELTAS = ["prestodelta", "deltainfo"];
/** The same file, compressed: `group_gz`. */
const FORM = /_(gz|xz|zst|bz2|zck)$/;
/** The forms that a mirror takes, the first first. */
const FORMS: readonly (string | undefined)[] = [undefined, "gz", "xz", "zst", "bz2"];
/** What becomes the name of a file here. */
const TYPE = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const FILE = /^[A-Za-z0-9_][A-Za-z0-9_.+~-]*$/;
/** Checksums that files can be told apart by. */
export const STRONG: readonly string[] = ["sha256", "sha384", "sha512"];

const kindOf = (type: string): string => type.replace(FORM, "");

/** Of the files that one repository lists: those that its mirror has too, and the others in words. */
export function carried(listed: readonly ListedFile[]): {
  readonly files: readonly ListedFile[];
  readonly dropped: readonly string[];
} {
  const kinds = [...new Set(listed.filter(({ type }) => !INDEX.test(type)).map(({ type }) => kindOf(type)))];
  const files: ListedFile[] = [];
  const dropped: string[] = [];
  for (const kind of kinds.sort()) {
    const forms = listed.filter(({ type }) => kindOf(type) === kind);
    const found = FORMS.flatMap((form) => forms.filter(({ type }) => FORM.exec(type)?.[1] === form))[0];
    const why = found === undefined ? "in zchunk alone" : refusal(kind, found);
    if (found === undefined || why !== null) dropped.push(`${kind} (${why ?? ""})`);
    else files.push(found);
  }
  return { files, dropped };
}

/** Why a mirror does not have a file; null where it has. */
function refusal(kind: string, { type, checksum, size, file }: ListedFile): string | null {
  if (DELTAS.includes(kind)) return "packages are whole in a mirror";
  if (!STRONG.includes(checksum[0])) return `its checksum is ${checksum[0]}, which is weak`;
  // A repository of a time when that was no part of an index.
  if (size === 0) return "its size is not listed";
  return TYPE.test(type) && FILE.test(lastPart(file)) ? null : "its name is none";
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** What most files of an index have before their names. */
const DIGEST = /^[0-9a-f]{32,128}-/;

/** A carried file as the engine wants it: its kind and its name are part of what it is. */
export const metadataName = (path: string, { type, file }: ListedFile): string =>
  `${path}/${METADATA}/${kindOf(type)}/${lastPart(file).replace(DIGEST, "")}`;

/** The directory of a package that has its name, version and architecture in common with another. */
const TWIN = /^(.*\/Packages\/[0-9a-f]{16})\/([^/]+)$/;

/** Each package once; one of another content, with the name of one that was there before, in a directory of its own. */
export function apart(packages: readonly Package[]): readonly Package[] {
  const seen = new Map<string, string>();
  // Which of them keeps the plain name does not depend on the order in which they were listed.
  const ordered = packages.toSorted((a, b) => (a.sha256 < b.sha256 ? -1 : a.sha256 > b.sha256 ? 1 : 0));
  return ordered.flatMap((pkg) => {
    const called = [pkg.name, pkg.version.replace(/^\d+:/, ""), pkg.arch].join("\0");
    const first = seen.get(called);
    if (first === undefined) {
      seen.set(called, pkg.sha256);
      return [pkg];
    }
    const twin = `${called}\0${pkg.sha256}`;
    if (first === pkg.sha256 || seen.has(twin)) return [];
    seen.set(twin, pkg.sha256);
    const at = pkg.name.lastIndexOf("/");
    const dir = `${pkg.name.slice(0, at)}/Packages/${pkg.sha256.slice(0, 16)}`;
    return [{ ...pkg, name: `${dir}/${pkg.name.slice(at + 1)}` }];
  });
}

/** Where a mirror has what is called so: the directory, with the slash after it, and the name of the package. */
export function placeInMirror(name: string): { readonly dir: string; readonly name: string } {
  const [, twin, of] = TWIN.exec(name) ?? [];
  if (twin !== undefined && of !== undefined) return { dir: `${twin}/`, name: of };
  const at = name.lastIndexOf("/");
  return at === -1 ? { dir: "", name } : { dir: `${name.slice(0, at)}/Packages/`, name: name.slice(at + 1) };
}
