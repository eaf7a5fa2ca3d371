// The keys that may sign a repository: files that the Imagefile names, by their fingerprints. It verifies
// signatures of package files, as xbps does for what comes over the network.
import { createHash, createPublicKey, createVerify, type KeyObject } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { asError, Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { keyFiles } from "../keyring.js";

/** Keys by fingerprint. */
export type Keys = ReadonlyMap<string, KeyObject>;

/** Reads the key files that patterns below `base` mean; null where there are no patterns. */
export async function readKeys(
  base: string,
  patterns: readonly string[] | null,
): Promise<Result<Keys | null>> {
  if (patterns === null) return ok(null);
  const files = await keyFiles(patterns, { base });
  if (!files.ok) return files;
  const keys = new Map<string, KeyObject>();
  for (const file of files.value) {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (thrown) {
      return fail(Exit.environment, `the key ${file} cannot be read: ${asError(thrown).message}`);
    }
    const data = /<key>public-key<\/key>\s*<data>([^<]*)<\/data>/.exec(text)?.[1] ?? null;
    const key =
      data === null ? null : publicKey(Buffer.from(data.replace(/\s/g, ""), "base64").toString("latin1"));
    if (key === null) {
      return fail(
        Exit.environment,
        `the key ${file} is not an RSA key of xbps`,
        "keys are <fingerprint>.plist as in void-mklive/keys",
      );
    }
    const print = fingerprint(key);
    // xbps finds a key by its file's name, so a wrong name would be a key that the image never uses.
    if (basename(file) !== `${print}.plist`) {
      return fail(
        Exit.environment,
        `the key ${file} has the fingerprint ${print}, so its name should be ${print}.plist`,
      );
    }
    keys.set(print, key);
  }
  return ok(keys);
}

/** The RSA key in PEM text; null for anything else. */
export function publicKey(pem: string): KeyObject | null {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === "rsa" ? key : null;
  } catch {
    return null;
  }
}

/** MD5 over the key as ssh encodes it, in pairs: how xbps calls keys. */
export function fingerprint(key: KeyObject): string {
  const { n = "", e = "" } = key.export({ format: "jwk" });
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const number = (text: string): Buffer => {
    const bytes = Buffer.from(text, "base64url");
    return field((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
  };
  const blob = Buffer.concat([field(Buffer.from("ssh-rsa")), number(e), number(n)]);
  return createHash("md5")
    .update(blob)
    .digest("hex")
    .replace(/..(?=.)/g, "$&:");
}

/** Whether one of `keys` made the signature `sig` of `file`. */
export async function isSigned(file: string, sig: Buffer, keys: Keys): Promise<boolean> {
  for (const key of keys.values()) {
    const verify = createVerify("RSA-SHA256");
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 }))
      verify.update(chunk as Buffer);
    if (verify.verify(key, sig)) return true;
  }
  return false;
}
