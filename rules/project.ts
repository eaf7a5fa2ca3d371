// project(…): what a bare `imagemake` builds, what a release holds, and the epoch of what nothing dates. The
// targets in it stay handles here; the engine gives them ids when it collects the exports.
import { z } from "zod";
import { isHandle, isSource, projectValue } from "../engine/declare.js";
import { option, typed } from "./options.js";
import { rule } from "./declaration.js";
import { arrayOf, filePattern } from "./schema.js";
import { isSigner, signerOf, type Signer, type SignerGiven } from "./signers.js";
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

/** The checked settings, as the engine's collecting of exports reads them (`projectOf`). */
export interface ProjectGiven {
  readonly default: readonly Group[];
  /** Seconds since 1970. */
  readonly epoch: number | null;
  readonly nativeOnly: readonly string[];
  readonly release: {
    /** Null where the project does not say: every exported file. */
    readonly of: readonly Group[] | null;
    readonly gate: readonly Group[];
    readonly steps: readonly string[];
    readonly into: string | null;
    readonly sums: { readonly file: string; readonly form: "bsd" | "gnu" };
    readonly sign: SignerGiven | null;
  };
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
            z.string().min(1).optional(),
            "a directory",
            "Where releases are collected, each in a directory of its date; beside the Imagefile unless said.",
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
          sign: option(z.custom<Signer>(isSigner).optional(), "signify() or minisign()", "What signs it."),
        })
        .optional(),
      "{ of, gate, into, sums, sign, steps }",
      "What a release is.",
    ),
  },
  (o): Project => {
    const value: ProjectGiven = {
      default: o.default ?? [],
      epoch: o.epoch ?? null,
      nativeOnly: o.nativeOnly ?? [],
      release: {
        of: o.release?.of ?? null,
        gate: o.release?.gate ?? [],
        steps: o.release?.steps ?? [],
        into: o.release?.into ?? null,
        sums: { file: o.release?.sums?.file ?? "sha256sum.txt", form: o.release?.sums?.form ?? "bsd" },
        sign: signerOf(o.release?.sign),
      },
    };
    // The brand exists only for the compiler.
    return projectValue(value) as unknown as Project;
  },
);
