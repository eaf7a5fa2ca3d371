// The key pair of a release: a directory of its own in the key directory, which appears whole by rename and is never
// overwritten.
import { randomInt } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { holdDirectory, type Held } from "../../cache/held.js";
import { codeOf } from "../../cache/io.js";
import { giveToUser } from "../../cache/write.js";
import type { SignSettings } from "../model.js";
import { DATECODE, withDate } from "../names.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import { inTheWay } from "./place.js";
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

/** The place of the keys of the release called `release`, its date, in the key directory, which is opened. */
export function keyPlace(sign: SignSettings, held: Held, release: string): KeyPlace {
  const dir = join(held.path, release);
  const name = withDate(sign.name, release);
  return {
    ...{ keys: held.path, dir, secret: join(dir, `${name}.sec`), public: join(dir, `${name}.pub`) },
    passphrase: join(dir, withDate(sign.passphrase, release)),
  };
}

/**
 * Makes the release's directory under another name, where `fill` puts its files, and gives it its name. Until then it is
 * ours alone, whoever called sudo.
 */
function make(place: KeyPlace, fill: (made: KeyPlace) => Result<void>): Result<void> {
  const name = `.${basename(place.dir)}.making`;
  const files = [place.secret, place.public, place.passphrase].map((file) => basename(file));
  const cleared = clearMaking(join(place.keys, name), files);
  if (!cleared.ok) return cleared;
  const held = holdDirectory(place.keys, name, { make: { owner: null, mode: 0o700 } });
  try {
    const at = (file: string): string => join(held.path, basename(file));
    const made = { ...place, dir: held.path, secret: at(place.secret), public: at(place.public) };
    const filled = fill({ ...made, passphrase: at(place.passphrase) });
    if (!filled.ok) return filled;
    for (const file of readdirSync(held.path).map((one) => join(held.path, one))) {
      chmodSync(file, 0o600);
      giveToUser(file);
    }
    giveToUser(join(place.keys, name));
    renameSync(join(place.keys, name), place.dir);
    return statSync(held.path).ino === lstatSync(place.dir).ino
      ? ok(undefined)
      : fail(Exit.environment, `something else took the place of ${place.dir} while it was made`);
  } finally {
    held.close();
  }
}

/** A pair that never got its name has signed nothing; what else lies there is somebody's. */
function clearMaking(path: string, files: readonly string[]): Result<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return ok(undefined);
  if (!stats.isDirectory() || readdirSync(path).some((name) => !files.includes(name))) return inTheWay(path);
  const held = holdDirectory(dirname(path), basename(path));
  try {
    for (const name of files) rmSync(join(held.path, name), { force: true });
  } finally {
    held.close();
  }
  rmdirSync(path);
  return ok(undefined);
}

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** 32 characters, about 190 bits. */
const makePassphrase = (): string =>
  Array.from({ length: 32 }, () => LETTERS[randomInt(LETTERS.length)] ?? "").join("");

/** The key directory, for its owner alone and out of git's sight. */
function makeKeyDir(keys: string): void {
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
  tool: "signify" | "minisign",
  sign: SignSettings,
  place: KeyPlace,
  datecode: string,
  given: string | null,
  anew: boolean,
): Result<{ readonly passphrase: string }> {
  makeKeyDir(place.keys);
  const link = refuseLink(place);
  if (!link.ok) return link;
  if (anew && existsSync(place.dir)) setAside(place);
  if (!existsSync(place.dir)) {
    const made = make(place, (fresh) => {
      const passphrase = given ?? makePassphrase();
      if (given === null) writeFileSync(fresh.passphrase, `${passphrase}\n`, { mode: 0o600, flag: "wx" });
      return makeKeys(tool, fresh, withDate(sign.comment, datecode), passphrase);
    });
    if (!made.ok) return made;
  }
  for (const file of [place.secret, place.public])
    if (!existsSync(file))
      return fail(
        Exit.usage,
        `the key ${file} is missing`,
        "--new-key sets what is there aside and makes another",
      );
  if (given !== null) return ok({ passphrase: given });
  if (!existsSync(place.passphrase))
    return fail(
      Exit.usage,
      `the passphrase of ${place.secret} is not kept here`,
      "--passphrase-file FILE gives it, --ask-passphrase asks for it",
    );
  return ok({ passphrase: readFileSync(place.passphrase, "utf8").trimEnd() });
}

/** Under sudo the directory is the caller's, who may have no other keys used than the release's own. */
function refuseLink({ dir, secret, public: own, passphrase }: KeyPlace): Result<void> {
  const link = [dir, secret, own, passphrase].find(
    (path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true,
  );
  return link === undefined
    ? ok(undefined)
    : fail(
        Exit.usage,
        `${link} is a symbolic link, and keys are not kept through it`,
        "put the thing itself there",
      );
}

/** The key itself, without its comment. */
const keyLine = (text: string): string | undefined =>
  text.startsWith("untrusted comment: ") ? text.split("\n")[1] : text;

/**
 * Keeps the public key of a signature that was made elsewhere where a release's key is looked for. A pair that is
 * there and another one is set aside; its new place is returned.
 */
export function keepPublicKey(place: KeyPlace, publicKey: string): Result<string | null> {
  makeKeyDir(place.keys);
  const link = refuseLink(place);
  if (!link.ok) return link;
  let aside: string | null = null;
  if (existsSync(place.dir)) {
    if (existsSync(place.public) && keyLine(readFileSync(place.public, "utf8")) === keyLine(publicKey))
      return ok(null);
    aside = setAside(place);
  }
  const made = make(place, (fresh) => {
    writeFileSync(fresh.public, publicKey, { mode: 0o600 });
    return ok(undefined);
  });
  return made.ok ? ok(aside) : made;
}

/** The date that a public key's comment binds it to; null where it says none. */
const dateOfKey = (publicKey: string): string | null =>
  new RegExp(`only valid for images with date (${DATECODE})\\.?(?:\\s|$)`).exec(publicKey)?.[1] ?? null;

/** A key or signature itself if it may be this release's: one that names another date may not. */
export function requireDate(text: string, what: string, datecode: string): Result<string> {
  const date = dateOfKey(text);
  return date === null || date === datecode
    ? ok(text)
    : fail(Exit.failed, `the ${what} is only valid for images with date ${date}, not ${datecode}`);
}

/** Puts a release's keys out of the way; where they are now. */
function setAside({ dir }: KeyPlace): string {
  let number = 1;
  while (existsSync(`${dir}.old-${number}`)) number += 1;
  renameSync(dir, `${dir}.old-${number}`);
  return `${dir}.old-${number}`;
}
