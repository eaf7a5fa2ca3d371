// What one machine hands to another, as a directory: the release file, an index of what the artifacts were made from,
// the files themselves and, on demand, what was pinned. It knows the form and checks it; it judges no key.
import { basename, join } from "node:path";
import { z } from "zod";
import { hashBytes } from "../../cache/hash.js";
import { codeOf, readPlain } from "../../cache/io.js";
import { LAST_MOMENT } from "../../cache/shape.js";
import { keyOf } from "../key.js";
import { isDatecode } from "../names.js";
import { PACKAGE_DIGEST } from "../../cache/packages.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Release } from "./record.js";
import { readRelease } from "./release.js";
import { readSums } from "./check.js";

/** Names in an export. Files lie under their dated names, snapshots and packages under their digests. */
export const NAMES = {
  index: "index.json",
  release: "release.json",
  sums: "sha256sum.txt",
  files: "files",
  snapshots: "snapshots",
  packages: "packages",
} as const;

/** The form of an export. Another version of it is refused by name. */
export const EXPORT_FORM = 2;

const digest = z.string().regex(/^[0-9a-f]{64}$/);
/** Of a package's file: its repository says which. */
const packageDigest = z.string().regex(PACKAGE_DIGEST);
const artifact = z.string().regex(/^(?:[fxt]:[0-9a-f]{64}|v:pass)$/);
const count = z.number().int().min(0);
const milliseconds = count.max(LAST_MOMENT);
const seconds = count.max(LAST_MOMENT / 1000);
/** A name in a directory, and nothing that leads out of it. */
const fileName = z.string().regex(/^(?!\.{1,2}$)[^/\0]+$/);

const built = z.strictObject({
  kind: z.literal("built"),
  key: digest,
  components: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  outputs: z.record(z.string(), artifact),
  /** Milliseconds since 1970, and milliseconds. */
  started: milliseconds,
  duration: milliseconds,
  /** Seconds since 1970. */
  epoch: seconds,
  /** Where it ran. */
  machine: z.string(),
});

/** A person brought the artifact: `key` is what the action was made from then. */
const adopted = z.strictObject({
  kind: z.literal("adopted"),
  key: digest,
  outputs: z.record(z.string(), artifact),
  because: z.string(),
  at: z.string(),
});

const file = z.strictObject({
  action: z.string(),
  output: z.string(),
  target: z.string(),
  name: fileName,
  id: artifact,
  size: count,
});

const index = z.strictObject({
  imagemakeExport: z.literal(EXPORT_FORM),
  line: z.string(),
  datecode: z.string().refine(isDatecode),
  /** Where it was written. */
  machine: z.string(),
  at: z.string(),
  /** Nothing but pins: importing it opens the release. */
  pins: z.boolean(),
  /** What was asked for; of what lies beneath there are the actions, and the files. */
  targets: z.array(z.string()),
  actions: z.record(z.string(), z.discriminatedUnion("kind", [built, adopted])),
  files: z.array(file),
  snapshots: z.array(digest),
  packages: z.array(packageDigest),
});

/** An action beneath an exported target. */
export type ExportedAction = z.infer<typeof built> | z.infer<typeof adopted>;
/** A file in an export, and the output that it is. */
export type ExportedFile = z.infer<typeof file>;
/** The index of an export. */
export type ExportIndex = z.infer<typeof index>;

/** An export, read and found whole as far as its index and its release file go. */
export interface Export {
  readonly dir: string;
  readonly index: ExportIndex;
  readonly release: Release;
}

/** Reads an export; exit 2 for what is none, or was changed or cut off since it was written. */
export function readExport(dir: string): Result<Export> {
  const no = (why: string): Result<never> =>
    fail(
      Exit.usage,
      `${dir} is not an export that this imagemake can read: ${why}`,
      "imagemake release export writes one",
    );
  const texts = new Map<string, string>();
  for (const name of [NAMES.sums, NAMES.index, NAMES.release]) {
    try {
      // It comes from elsewhere: of a pipe or a device there is no end.
      const bytes = readPlain(join(dir, name));
      if (bytes === null) return no(`${name} is not a regular file`);
      texts.set(name, bytes.toString("utf8"));
    } catch (error) {
      return no(codeOf(error) === "ENOENT" ? `${name} is missing` : `${name} cannot be read`);
    }
  }
  const sums = readSums(texts.get(NAMES.sums) ?? "", join(dir, NAMES.sums));
  if (!sums.ok) return no(`${NAMES.sums} is not a list of checksums`);
  for (const name of [NAMES.index, NAMES.release]) {
    if (hashBytes(texts.get(name) ?? "") !== sums.value.get(name))
      return fail(Exit.usage, `${join(dir, name)} was changed after it was exported`, "export it again");
  }
  const written = jsonOf(texts.get(NAMES.index) ?? "");
  const form = z.looseObject({ imagemakeExport: z.number() }).safeParse(written).data?.imagemakeExport;
  if (form !== undefined && form !== EXPORT_FORM)
    return fail(
      Exit.usage,
      `${dir} was written by another version of imagemake: its form is ${form}, this one knows ${EXPORT_FORM}`,
      "export it again, with the version that imports it",
    );
  const parsed = index.safeParse(written);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return no(`${NAMES.index}: ${[issue?.path.join("."), issue?.message].join(": ")}`);
  }
  const release = readRelease(join(dir, NAMES.release), parsed.data.datecode, true);
  if (!release.ok) return release;
  for (const [id, action] of Object.entries(parsed.data.actions)) {
    if (action.kind === "built" && keyOf(action.components) !== action.key)
      return fail(Exit.usage, `${join(dir, NAMES.index)}: the key of ${id} is not that of its components`);
  }
  return ok({ dir, index: parsed.data, release: release.value });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A short name for where something came from, fit to be committed: no path of a machine. */
export const nameOfExport = ({ dir, index: { machine } }: Export): string => `${machine}:${basename(dir)}`;
