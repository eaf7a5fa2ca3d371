// project(…): what a bare `imagemake` builds, what a release holds, and the epoch of what nothing dates. The
// targets in it stay handles here; the engine gives them ids when it collects the exports.
import { z } from "zod";
import { isHandle, isSource, projectValue } from "../engine/declare.js";
import { option, typed } from "./options.js";
import { rule } from "./declaration.js";
import { arrayOf, filePattern } from "./schema.js";
import { isSigner, signerOf, type Signer } from "./signers.js";
import type { Group, Project } from "./types.js";

const group = typed(
  z.custom<Group>(
    (v) => isHandle(v) || (typeof v === "object" && v !== null && !isSource(v) && !Array.isArray(v)),
  ),
  "a target or a group of targets",
);
const groups = arrayOf(group);

/** Seconds since 1970 of `2026-11-21`, a full ISO time (UTC unless it says otherwise), or of a number. */
function seconds(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return Date.parse(`${text}T00:00:00Z`) / 1000;
  const zoned = /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  return Math.floor(Date.parse(zoned) / 1000);
}

export const project = rule(
  "project",
  "The default export of an Imagefile.",
  {
    default: option(groups.optional(), "an array of targets or groups", "What a bare `imagemake` builds."),
    epoch: option(
      z
        .string()
        .refine((text) => Number.isSafeInteger(seconds(text)))
        .transform(seconds)
        .optional(),
      `a date such as "2026-11-21", or seconds since 1970`,
      "The time stamped on what neither packages nor inputs date.",
    ),
    nativeOnly: option(
      arrayOf(z.string().min(1)).optional(),
      "package names in an array",
      "Packages that are known not to work under emulation. What would be built with one on a machine of another " +
        "architecture is refused before anything starts.",
    ),
    release: option(
      z
        .strictObject({
          of: option(groups.optional(), "an array of targets or groups", "What a release holds."),
          gate: option(groups.optional(), "an array of checks", "Checks that must pass before it is signed."),
          steps: option(
            arrayOf(z.string()).optional(),
            "an array of sentences",
            "What a person does after it, ticked off one by one.",
          ),
          into: option(
            z
              .string()
              .min(1)
              .refine((path) => !/\{date\}.*\//.test(path) && !/\{(?!date\})/.test(path))
              .optional(),
            "a directory, with {date} in its last name or nowhere",
            "Where releases are collected, each in a directory of its date; beside the Imagefile unless said. With `{date}` in it " +
              "it is the release's directory itself: `published/void-{date}`.",
          ),
          sums: option(
            z
              .strictObject({
                file: option(filePattern.optional(), "a file name", "Its name; `sha256sum.txt` unless said."),
                form: option(
                  z.enum(["bsd", "gnu"]).optional(),
                  "bsd or gnu",
                  "`SHA256 (name) = …` as BSD writes it, unless said, or GNU's `…  name`.",
                ),
              })
              .optional(),
            "{ file, form }",
            "The checksum file: its name, and the form of its lines.",
          ),
          sign: option(
            z.custom<Signer>(isSigner).optional(),
            "signify(), minisign(), gpg() or signer()",
            "What signs it.",
          ),
        })
        .optional(),
      "{ of, gate, into, sums, sign, steps }",
      "What a release is.",
    ),
  },
  (o): Project => {
    const { release, ...more } = o;
    const value = projectValue({ ...more, release: { ...release, sign: signerOf(release?.sign) } });
    // The brand exists only for the compiler.
    return value as unknown as Project;
  },
);
