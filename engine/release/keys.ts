// The key pair of a release: a directory of its own in the key directory, which appears whole by rename and is
// never overwritten. It does not know what is signed.
import { randomInt } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { codeOf } from "../../cache/io.js";
import { makeOwnDir } from "../../cache/write.js";
import { giveToUser } from "../execute/own.js";
import type { SignSettings } from "../model.js";
import { DATECODE, withDate } from "../names.js";
import { fail, ok, type Result } from "../problem.js";
import { makeKeys } from "./signers.js";

/** Where a release's keys are, all in one directory. `passphrase` is only there when it was made for the key. */
export interface KeyPlace {
  /** The key directory, and the release's in it. */
  readonly keys: string;
  readonly dir: string;
  readonly secret: string;
  readonly public: string;
  readonly passphrase: string;
}

/** The place of the keys of the release called `release`, its date, in the key directory `keys`. */
export function keyPlace(sign: SignSettings, keys: string, release: string): KeyPlace {
  const dir = join(keys, release);
  const name = withDate(sign.name, release);
  return {
    ...{ keys, dir, secret: join(dir, `${name}.sec`), public: join(dir, `${name}.pub`) },
    passphrase: join(dir, withDate(sign.passphrase, release)),
  };
}

/** The same files in a directory that does not have its name yet. */
function making(place: KeyPlace): KeyPlace {
  const dir = join(place.keys, `.${basename(place.dir)}.making`);
  // A pair that never got its name has signed nothing.
  rmSync(dir, { recursive: true, force: true });
  makeOwnDir(dir, 0o700);
  const at = (file: string): string => join(dir, basename(file));
  return {
    ...{ keys: place.keys, dir, secret: at(place.secret), public: at(place.public) },
    passphrase: at(place.passphrase),
  };
}

/** Gives a directory of keys its name, all at once. */
function finish(made: KeyPlace, place: KeyPlace): void {
  for (const file of readdirSync(made.dir).map((one) => join(made.dir, one))) {
    chmodSync(file, 0o600);
    giveToUser(file);
  }
  renameSync(made.dir, place.dir);
}

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** 32 characters, about 190 bits. */
const makePassphrase = (): string =>
  Array.from({ length: 32 }, () => LETTERS[randomInt(LETTERS.length)] ?? "").join("");

/** The key directory, for its owner alone and out of git's sight. */
function makeKeyDir(keys: string): void {
  makeOwnDir(keys, 0o700);
  chmodSync(keys, 0o700);
  const ignore = join(keys, ".gitignore");
  // Under sudo the directory is the caller's: a link there is never written through, wherever it leads.
  try {
    writeFileSync(ignore, "*\n", { mode: 0o600, flag: "wx" });
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    throw error;
  }
  giveToUser(ignore);
}

/**
 * The release's key pair and its passphrase; made if there is none. `given` is a person's passphrase, which is
 * kept nowhere. `anew` sets the pair that is there aside.
 */
export function ensureKeys(
  sign: SignSettings,
  place: KeyPlace,
  datecode: string,
  given: string | null,
  anew: boolean,
): Result<{ readonly passphrase: string }> {
  makeKeyDir(place.keys);
  if (anew && existsSync(place.dir)) setAside(place);
  if (!existsSync(place.dir)) {
    const made = making(place);
    const passphrase = given ?? makePassphrase();
    if (given === null) writeFileSync(made.passphrase, `${passphrase}\n`, { mode: 0o600, flag: "wx" });
    const keys = makeKeys(sign.tool, made, withDate(sign.comment, datecode), passphrase);
    if (!keys.ok) return keys;
    finish(made, place);
  }
  for (const file of [place.secret, place.public])
    if (!existsSync(file))
      return fail(2, `the key ${file} is missing`, "--new-key sets what is there aside and makes another");
  if (given !== null) return ok({ passphrase: given });
  if (!existsSync(place.passphrase))
    return fail(
      2,
      `the passphrase of ${place.secret} is not kept here`,
      "--passphrase-file FILE gives it, --ask-passphrase asks for it",
    );
  return ok({ passphrase: readFileSync(place.passphrase, "utf8").trimEnd() });
}

/** The key itself, without its comment. */
const keyLine = (text: string): string | undefined => text.split("\n")[1];

/**
 * Keeps the public key of a signature that was made elsewhere where a release's key is looked for. A pair that is
 * there and another one is set aside; its new place is returned.
 */
export function keepPublicKey(place: KeyPlace, publicKey: string): string | null {
  makeKeyDir(place.keys);
  let aside: string | null = null;
  if (existsSync(place.dir)) {
    if (existsSync(place.public) && keyLine(readFileSync(place.public, "utf8")) === keyLine(publicKey))
      return null;
    aside = setAside(place);
  }
  const made = making(place);
  writeFileSync(made.public, publicKey, { mode: 0o600 });
  finish(made, place);
  return aside;
}

/** The date that a public key's comment binds it to; null where it says none. */
export const dateOfKey = (publicKey: string): string | null =>
  new RegExp(`only valid for images with date (${DATECODE})\\.?(?:\\s|$)`).exec(publicKey)?.[1] ?? null;

/** A key or signature itself if it may be this release's: one that names another date may not. */
export function requireDate(text: string, what: string, datecode: string): Result<string> {
  const date = dateOfKey(text);
  return date === null || date === datecode
    ? ok(text)
    : fail(1, `the ${what} is only valid for images with date ${date}, not ${datecode}`);
}

/** Puts a release's keys out of the way; where they are now. */
function setAside({ dir }: KeyPlace): string {
  let number = 1;
  while (existsSync(`${dir}.old-${number}`)) number += 1;
  renameSync(dir, `${dir}.old-${number}`);
  return `${dir}.old-${number}`;
}
