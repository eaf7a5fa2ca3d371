// signify() and minisign(): what signs a release, where its keys are and what they are called. It runs neither.
import { z } from "zod";
import { check, option } from "./options.js";
import { filePattern } from "./schema.js";

export const signerSchema = z.strictObject({
  keys: option(
    z.string().min(1).optional(),
    "a directory",
    "The key directory; `release-keys` beside the Imagefile unless said. Each release's keys have a directory of its date in it.",
  ),
  name: option(
    filePattern.optional(),
    "a file name",
    "Name of the key's files before `.pub` and `.sec`: `{date}` unless said, `void-release-{date}` for Void's.",
  ),
  passphrase: option(
    filePattern.optional(),
    "a file name",
    "Name of the file beside them that keeps a passphrase of imagemake's making; `name` and `.pass` unless said.",
  ),
  comment: option(
    z
      .string()
      // The programs take no more.
      .regex(/^[^\n\r\0]{1,900}$/)
      .optional(),
    "text of one line",
    "The comment of the key, and of minisign's signatures, there the trusted one too: `This key is only valid for images " +
      "with date {date}.` unless said.",
  ),
});

declare const kind: unique symbol;

/** What signs a release. */
export interface Signer {
  readonly [kind]: "signer";
}

/** Options of signify() and minisign(). `{date}` in texts becomes the release's. */
export interface SignerOptions {
  keys?: string;
  name?: string;
  passphrase?: string;
  comment?: string;
}

/** The data behind a signer: what was said. */
export type SignerGiven = Readonly<SignerOptions> & { readonly tool: "signify" | "minisign" };

const given = new WeakMap<object, SignerGiven>();

function signer(tool: SignerGiven["tool"], o: SignerOptions): Signer {
  const said = Object.entries(check(tool, signerSchema, o)).filter(([, value]) => value !== undefined);
  // The brand exists only for the compiler.
  const made = Object.freeze({}) as Signer;
  given.set(made, { tool, ...Object.fromEntries(said) });
  return made;
}

/** OpenBSD's signify; the signature embeds the checksums. */
export const signify = (o: SignerOptions = {}): Signer => signer("signify", o);

/** minisign. */
export const minisign = (o: SignerOptions = {}): Signer => signer("minisign", o);

/** Whether a value came from one of these. */
export const isSigner = (value: unknown): value is Signer =>
  typeof value === "object" && value !== null && given.has(value);

/** What it says; null for none. */
export const signerOf = (value: Signer | undefined): SignerGiven | null =>
  value === undefined ? null : (given.get(value) ?? null);
