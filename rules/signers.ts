// signify() and minisign(): what signs a release, and where its keys are. It runs neither.

declare const kind: unique symbol;

/** What signs a release. */
export interface Signer {
  readonly [kind]: "signer";
}

/** The data behind a signer. */
export interface SignerGiven {
  readonly tool: "signify" | "minisign";
  readonly keys: string;
}

const given = new WeakMap<object, SignerGiven>();

function signer(tool: SignerGiven["tool"], keys: string): Signer {
  // The brand exists only for the compiler.
  const made = Object.freeze({}) as Signer;
  given.set(made, { tool, keys });
  return made;
}

/** OpenBSD's signify; the signature embeds the checksums. `keys` is the key directory. */
export const signify = (o: { keys?: string } = {}): Signer => signer("signify", o.keys ?? "release-keys");

/** minisign. `keys` is the key directory. */
export const minisign = (o: { keys?: string } = {}): Signer => signer("minisign", o.keys ?? "release-keys");

/** Whether a value came from one of these. */
export const isSigner = (value: unknown): value is Signer =>
  typeof value === "object" && value !== null && given.has(value);

/** What it says; null for none. */
export const signerOf = (value: Signer | undefined): SignerGiven | null =>
  value === undefined ? null : (given.get(value) ?? null);
