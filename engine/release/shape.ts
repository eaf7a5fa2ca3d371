// What a release file may hold. People merge such files by hand, other machines make them, and under sudo they are the
// caller's: names and digests in them become paths.
import { PACKAGE_DIGEST } from "../../cache/packages.js";
import {
  each,
  fields,
  is,
  isObject,
  list,
  matching,
  oneOf,
  optional,
  orNull,
  sha256,
  size,
  text,
  time,
  yesOrNo,
  type Check,
} from "../../cache/shape.js";
import type { FOUND, Release, ReleaseState, SumsForm } from "./record.js";

/** A part of the name of a package's file. */
// eslint-disable-next-line no-control-regex -- these are what it refuses
const word = matching(/^(?!\.{1,2}$)[^/\s\0-\x1f]+$/);
/** A path that stays below where it begins. */
const below = is(
  (value) =>
    typeof value === "string" &&
    value !== "" &&
    !value.startsWith("/") &&
    !value.includes("\0") &&
    !value.split("/").includes(".."),
);

const STATES: Readonly<Record<ReleaseState, true>> = {
  ...{ open: true, collected: true, signed: true },
  ...{ promoted: true, withdrawn: true, abandoned: true },
};
const FORMS: Readonly<Record<SumsForm, true>> = { bsd: true, gnu: true };

const said = { target: text, because: text, at: time };
/** By its kind. */
const provenance: Check = (value) => {
  const kind = isObject(value) ? value["kind"] : undefined;
  const fitting =
    kind === "built"
      ? { at: time, machine: text }
      : kind === "imported"
        ? { at: time, from: text, machine: text, tools: each(list(text)) }
        : kind === "adopted"
          ? { at: time, because: text }
          : { kind: is(() => false) };
  return fields(fitting)(value);
};
/** The same of a package. `name` has the directory of its repository in front, in a mirror of several. */
export const wrongInPackage: Check = fields({
  name: below,
  version: word,
  arch: word,
  sha256: matching(PACKAGE_DIGEST),
  size,
  location: text,
  origin: optional(text),
});

/** A field for each of a release's; what is left out has the value of a new release. */
const RELEASE: Readonly<
  Record<Exclude<keyof Release, "imagemake" | "datecode" | "explicit" | "foreign" | typeof FOUND>, Check>
> = {
  state: oneOf(STATES),
  byName: yesOrNo,
  opened: time,
  lastBuild: time,
  roster: orNull(list(text)),
  atStart: orNull(list(text)),
  commit: orNull(text),
  snapshots: each(fields({ digest: sha256, taken: time, policy: optional(sha256) })),
  closures: each(
    fields({ request: sha256, digest: sha256, packages: list(wrongInPackage), checked: optional(yesOrNo) }),
  ),
  artifacts: each(
    fields({
      ...{ name: below, key: text, digest: sha256, executable: yesOrNo, size, provenance },
      manifest: optional(sha256),
    }),
  ),
  dropped: list(fields(said)),
  rejected: list(fields({ ...said, digest: sha256 })),
  accepted: list(fields({ ...said, digest: sha256 })),
  verdicts: each(fields({ key: text, at: time })),
  waived: list(fields(said)),
  ticked: each(time),
  history: list(fields({ state: text, at: time })),
  collected: orNull(fields({ dir: text, sums: below, form: oneOf(FORMS), of: optional(text) })),
  signature: orNull(fields({ tool: text, file: below, publicKey: text })),
  previous: orNull(text),
};

/** The first field of a release file that is not what a release may have there, as `closures.base.packages.3.sha256`; null where all are. */
export const wrongField: Check = fields(
  Object.fromEntries(Object.entries(RELEASE).map(([name, check]) => [name, optional(check)])),
);
