// The key pair of a release: a directory of its own in the key directory, which appears whole by rename and is
// never overwritten. It does not know what is signed.
import { randomInt } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeOwnDir } from "../../cache/write.js";
import { giveToUser } from "../execute/own.js";
import { DATECODE } from "../names.js";
import { fail, ok, type Result } from "../problem.js";
import { makeKeys, type Tool } from "./signers.js";

/** Where a release's keys are. `passphrase` is only there when it was made for the key. */
export interface KeyPlace {
  readonly dir: string;
  readonly secret: string;
  readonly public: string;
  readonly passphrase: string;
}

const placeIn = (dir: string, name: string): KeyPlace => ({
  dir,
  secret: join(dir, `${name}.sec`),
  public: join(dir, `${name}.pub`),
  passphrase: join(dir, `${name}.pass`),
});

/** The place of a release's keys in the key directory. */
export const keyPlace = (keys: string, name: string): KeyPlace => placeIn(join(keys, name), name);

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/** 32 characters, about 190 bits. */
const makePassphrase = (): string =>
  Array.from({ length: 32 }, () => LETTERS[randomInt(LETTERS.length)] ?? "").join("");

/** The key directory, for its owner alone and out of git's sight. */
function makeKeyDir(keys: string): void {
  makeOwnDir(keys, 0o700);
  chmodSync(keys, 0o700);
  const ignore = join(keys, ".gitignore");
  if (existsSync(ignore)) return;
  writeFileSync(ignore, "*\n", { mode: 0o600 });
  giveToUser(ignore);
}

/**
 * The release's key pair and its passphrase; made if there is none. `given` is a person's passphrase, which is
 * kept nowhere. `anew` sets the pair that is there aside.
 */
export function ensureKeys(
  tool: Tool,
  keys: string,
  name: string,
  datecode: string,
  given: string | null,
  anew: boolean,
): Result<{ readonly place: KeyPlace; readonly passphrase: string }> {
  makeKeyDir(keys);
  const place = keyPlace(keys, name);
  if (anew && existsSync(place.dir)) setAside(keys, name, place.dir);
  if (!existsSync(place.dir)) {
    const making = placeIn(join(keys, `.${name}.making`), name);
    // A pair that never got its name has signed nothing.
    rmSync(making.dir, { recursive: true, force: true });
    makeOwnDir(making.dir, 0o700);
    const passphrase = given ?? makePassphrase();
    if (given === null) writeFileSync(making.passphrase, `${passphrase}\n`, { mode: 0o600, flag: "wx" });
    const comment = `This key is only valid for images with date ${datecode}.`;
    const made = makeKeys(tool, making, comment, passphrase);
    if (!made.ok) return made;
    for (const file of readdirSync(making.dir).map((one) => join(making.dir, one))) {
      chmodSync(file, 0o600);
      giveToUser(file);
    }
    renameSync(making.dir, place.dir);
  }
  for (const file of [place.secret, place.public])
    if (!existsSync(file))
      return fail(2, `the key ${file} is missing`, "--new-key sets what is there aside and makes another");
  if (given !== null) return ok({ place, passphrase: given });
  if (!existsSync(place.passphrase))
    return fail(
      2,
      `the passphrase of ${place.secret} is not kept here`,
      "--passphrase-file FILE gives it, --ask-passphrase asks for it",
    );
  return ok({ place, passphrase: readFileSync(place.passphrase, "utf8").trimEnd() });
}

/** The date that a public key's comment binds it to; null where it says none. */
export const dateOfKey = (publicKey: string): string | null =>
  new RegExp(`only valid for images with date (${DATECODE})\\.?(?:\\s|$)`).exec(publicKey)?.[1] ?? null;

/** The key itself if it may sign this release: one that names another date may not. */
export function requireDate(publicKey: string, datecode: string): Result<string> {
  const date = dateOfKey(publicKey);
  return date === null || date === datecode
    ? ok(publicKey)
    : fail(1, `the public key is only valid for images with date ${date}, not ${datecode}`);
}

function setAside(keys: string, name: string, dir: string): void {
  let number = 1;
  while (existsSync(join(keys, `${name}.old-${number}`))) number += 1;
  renameSync(dir, join(keys, `${name}.old-${number}`));
}
