// signify(), minisign(), gpg() and signer(): what signs a release, where its keys are and what they are called. It runs none.
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

const byGpg = declaration("gpg", "Signs with a key of yours in GnuPG, detached and in ASCII.", {
  key: option(
    z.string().regex(/^[^\s-][^\n]*$/),
    "a fingerprint or a user's id",
    "Which key, as gpg takes it: a fingerprint is safest.",
  ),
  home: option(
    z.string().min(1).optional(),
    "a directory",
    "GnuPG's directory, relative to the Imagefile; the caller's own unless said.",
  ),
  keys: options.keys,
});

const byProgram = declaration(
  "signer",
  "Signs with a program of yours: one that asks a token or a server, say. What it makes is one of signify's (that embeds the " +
    "checksums), minisign's, or a detached one of OpenPGP in ASCII, and is verified before it counts.",
  {
    program: option(
      z.string().min(1),
      "a file",
      "The program, relative to the Imagefile. It gets the checksum file and the name of the file that it has to write the " +
        "signature to, `$DATECODE`, and the terminal where there is one.",
    ),
    publicKey: option(
      z.string().min(1),
      "a file",
      "The public key that verifies what it makes, relative to the Imagefile. `{date}` becomes the release's.",
    ),
    keys: options.keys,
  },
);

/** Options of signify() and minisign(). `{date}` in texts becomes the release's. */
type SignerOptions = Given<typeof bySignify>;

/** The data behind a signer: what was said. */
export type SignerGiven = Partial<SignSettings> & Pick<SignSettings, "tool">;

const given = new WeakMap<object, SignerGiven>();

type Said = Checked<typeof bySignify> | Checked<typeof byGpg> | Checked<typeof byProgram>;

function made(tool: SignerGiven["tool"], o: Said): Signer {
  const said = Object.entries(o).filter(([, value]) => value !== undefined);
  // The brand exists only for the compiler.
  const value = Object.freeze({}) as Signer;
  given.set(value, { tool, ...Object.fromEntries(said) });
  return value;
}

export const signify = callable(bySignify, (o: SignerOptions = {}): Signer =>
  made("signify", bySignify.check(o)),
);

export const minisign = callable(byMinisign, (o: SignerOptions = {}): Signer =>
  made("minisign", byMinisign.check(o)),
);

export const gpg = callable(byGpg, (o: Given<typeof byGpg>): Signer => made("gpg", byGpg.check(o)));

export const signer = callable(byProgram, (o: Given<typeof byProgram>): Signer =>
  made("program", byProgram.check(o)),
);

/** Whether a value came from one of these. */
export const isSigner = (value: unknown): value is Signer =>
  typeof value === "object" && value !== null && given.has(value);

/** What it says. */
export const signerOf = (value: Signer | undefined): SignerGiven | undefined => value && given.get(value);
