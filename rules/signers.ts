// signify() and minisign(): what signs a release, where its keys are and what they are called. It runs neither.
import { z } from "zod";
import type { SignSettings } from "../engine/model.js";
import { callable, declaration, type Checked, type Given } from "./declaration.js";
import { option } from "./options.js";
import { filePattern } from "./schema.js";

const options = {
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
};

declare const kind: unique symbol;

/** What signs a release. */
export interface Signer {
  readonly [kind]: "signer";
}

const [bySignify, byMinisign] = [
  declaration("signify", "Signs with OpenBSD's signify; the signature embeds the checksums.", options),
  declaration("minisign", "Signs with minisign.", options),
];

/** Options of signify() and minisign(). `{date}` in texts becomes the release's. */
type SignerOptions = Given<typeof bySignify>;

/** The data behind a signer: what was said. */
export type SignerGiven = Partial<SignSettings> & Pick<SignSettings, "tool">;

const given = new WeakMap<object, SignerGiven>();

function signer(tool: SignerGiven["tool"], o: Checked<typeof bySignify>): Signer {
  const said = Object.entries(o).filter(([, value]) => value !== undefined);
  // The brand exists only for the compiler.
  const made = Object.freeze({}) as Signer;
  given.set(made, { tool, ...Object.fromEntries(said) });
  return made;
}

export const signify = callable(bySignify, (o: SignerOptions = {}): Signer =>
  signer("signify", bySignify.check(o)),
);

export const minisign = callable(byMinisign, (o: SignerOptions = {}): Signer =>
  signer("minisign", byMinisign.check(o)),
);

/** Whether a value came from one of these. */
export const isSigner = (value: unknown): value is Signer =>
  typeof value === "object" && value !== null && given.has(value);

/** What it says. */
export const signerOf = (value: Signer | undefined): SignerGiven | undefined => value && given.get(value);
