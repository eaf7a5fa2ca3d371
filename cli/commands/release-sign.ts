// `imagemake release sign`: digests every file again and signs the checksums with the release's own key; or hands
// them out for signing elsewhere and takes the signature back.
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { runProgram } from "../../cache/program.js";
import { writeWhole } from "../../cache/write.js";
import type { SignSettings } from "../../engine/model.js";
import { withDate } from "../../engine/names.js";
import { asKnown, Exit, fail, ok, type Result, stop, unwrap } from "../../engine/problem.js";
import type { Project } from "../../engine/project.js";
import { digestsIn, present, sumsText, verifySignature, waived } from "../../engine/release/check.js";
import { putSignature } from "../../engine/release/collect.js";
import {
  ensureKeys,
  keepPublicKey,
  keyPlace,
  type KeyPlace,
  requireDate,
} from "../../engine/release/keys.js";
import { holdPlace } from "../../engine/release/place.js";
import type { Release } from "../../engine/release/record.js";
import { signArmored, signByProgram, signFile, toolOf } from "../../engine/release/signers.js";
import { changeState, from, requireState } from "../../engine/release/states.js";
import type { Call } from "../call.js";
import { collectedOf, meant, moveRelease, readGiven } from "../life.js";
import { openImagefile } from "../open.js";

export async function command(call: Call<"release sign">): Promise<number> {
  const { graph, project } = unwrap(await openImagefile(call.options, call.args, false));
  const settings = graph.project.release;
  const handedOut = call.options.export;
  if (handedOut !== undefined) {
    const release = unwrap(requireState(unwrap(meant(project, call, from("sign"))), from("sign")));
    const place = unwrap(await collectedOf(call, project, release));
    unwrap(await present(release, place));
    if (lstatSync(handedOut, { throwIfNoEntry: false }) !== undefined)
      stop(Exit.usage, `${handedOut} already exists`);
    if (call.options.dryRun === true)
      process.stderr.write(`would write what is to be signed to ${handedOut}\n`);
    else writeWhole(resolve(handedOut), sumsText(digestsIn(release), place.form));
    return Exit.done;
  }
  return moveRelease(
    call,
    from("sign"),
    ({ datecode }) => `sign release ${datecode}`,
    async (given) => {
      const [check, because] = [call.options.waive, call.options.because];
      const release = unwrap(waived(given, settings.gate, check ?? null, because ?? null));
      const place = unwrap(await collectedOf(call, project, release));
      const { file, signature } = unwrap(await present(release, place));
      const scratch = mkdtempSync(join(tmpdir(), "imagemake-"));
      try {
        // A copy, so that what is signed is what was looked at.
        const [message, signed] = [join(scratch, basename(file)), join(scratch, basename(signature))];
        const { form } =
          release.collected ?? stop(Exit.usage, `release ${release.datecode} is not collected`);
        writeFileSync(message, sumsText(digestsIn(release), form));
        const keys = keysOf(project, settings.sign, release);
        const elsewhere = call.options.import;
        const key =
          elsewhere === undefined
            ? (theirs(call, release, settings.sign, project.dir, message, signed) ??
              own(call, release, settings.sign, keys, message, signed))
            : taken(call, release, elsewhere, signed);
        unwrap(verifySignature(key, message, signed));
        if (elsewhere !== undefined || isTheirs(settings.sign)) keys.use((place) => keep(place, key));
        const words = readFileSync(signed, "utf8");
        unwrap(putSignature(project, signature, words));
        return changeState(release, "sign", Date.now(), {
          signature: { tool: toolOf(words), file: basename(signature), publicKey: key },
        });
      } finally {
        rmSync(scratch, { recursive: true, force: true });
      }
    },
  );
}

/** The keys of a release, whose directory is opened, and made, when they are used. */
interface Keys {
  readonly dir: string;
  readonly use: <T>(work: (place: KeyPlace) => T) => T;
}

function keysOf(project: Project, sign: SignSettings, { datecode }: Release): Keys {
  const keys = resolve(project.dir, sign.keys);
  const name = project.line === "" ? datecode : `${project.line}-${datecode}`;
  const use: Keys["use"] = (work) => {
    const held = holdPlace(project, keys, 0o700);
    try {
      const at = readlinkSync(held.path);
      if (lstatSync(keys).isSymbolicLink())
        process.stderr.write(`${keys} leads to ${at}, where the keys are\n`);
      return work(keyPlace(sign, held, name));
    } finally {
      held.close();
    }
  };
  return { dir: join(keys, name), use };
}

/** Whether the key is none of imagemake's making. */
const isTheirs = ({ tool }: SignSettings): boolean => tool === "gpg" || tool === "program";

/** Signs with a key of the user's; the public key that has to verify it, or null where the key is a release's own. */
function theirs(
  call: Call<"release sign">,
  { datecode }: Release,
  sign: SignSettings,
  dir: string,
  file: string,
  to: string,
): string | null {
  const { tool, key, home, program, publicKey } = sign;
  if (!isTheirs(sign)) return null;
  if (call.options.newKey === true)
    stop(
      Exit.usage,
      `--new-key: the key is yours, and ${tool === "gpg" ? "gpg" : "the program"} has it; imagemake makes none`,
    );
  if (tool === "gpg") {
    const where = home === null ? null : resolve(dir, home);
    return unwrap(signArmored({ home: where, key: key ?? "" }, passphrase(call, false), file, to));
  }
  if (call.options.passphraseFile !== undefined || call.options.askPassphrase === true)
    stop(
      Exit.usage,
      "a program of yours asks for its passphrase by itself",
      "leave out --passphrase-file and --ask-passphrase",
    );
  const known = unwrap(readGiven(resolve(dir, withDate(publicKey ?? "", datecode)), "a public key"));
  const terminal = openTerminal();
  try {
    unwrap(signByProgram(resolve(dir, program ?? ""), file, to, { dir, datecode, terminal }));
  } finally {
    if (terminal !== null) closeSync(terminal);
  }
  return unwrap(requireDate(known, "public key", datecode));
}

/** The terminal of this session; null where there is none. */
function openTerminal(): number | null {
  try {
    return openSync("/dev/tty", "r+");
  } catch {
    return null;
  }
}

function own(
  call: Call<"release sign">,
  { datecode }: Release,
  sign: SignSettings,
  keys: Keys,
  file: string,
  to: string,
): string {
  const tool = sign.tool === "minisign" ? "minisign" : "signify";
  const anew = call.options.newKey === true;
  const given = passphrase(call, anew || !existsSync(keys.dir));
  return keys.use((place) => {
    const made = unwrap(ensureKeys(tool, sign, place, datecode, given, anew));
    const comment = withDate(sign.comment, datecode);
    unwrap(signFile(tool, place.secret, made.passphrase, comment, file, to));
    return readFileSync(place.public, "utf8");
  });
}

/** What verifies is what is published: no other key stays where the release's is looked for. */
function keep(place: KeyPlace, publicKey: string): void {
  const aside = unwrap(keepPublicKey(place, publicKey));
  const moved = aside === null ? "" : `; the key that was there has not signed this, and is in ${aside}`;
  process.stderr.write(asKnown(`the key that verifies is ${place.public}${moved}\n`));
}

/** A person's passphrase, from a file or the terminal (twice for a key that is to be made); null for one of our making. */
function passphrase(call: Call<"release sign">, fresh: boolean): string | null {
  const file = call.options.passphraseFile;
  if (file !== undefined) {
    const [first = ""] = unwrap(readGiven(file, "a passphrase")).split("\n");
    return first === "" ? stop(Exit.usage, `${file} has no passphrase in its first line`) : first;
  }
  if (call.options.askPassphrase !== true) return null;
  const typed = unwrap(askSecret("passphrase of the release's key: "));
  if (fresh && unwrap(askSecret("the same again: ")) !== typed)
    return stop(Exit.usage, "the two are not the same; nothing was made");
  return typed;
}

function taken(call: Call<"release sign">, { datecode }: Release, from: string, to: string): string {
  const key = call.options.publicKey;
  if (key === undefined)
    return stop(Exit.usage, "a signature from elsewhere needs its public key", "--public-key FILE gives it");
  const publicKey = unwrap(requireDate(unwrap(readGiven(key, "a public key")), "public key", datecode));
  // minisign's trusted comment is signed like the rest.
  writeFileSync(to, unwrap(requireDate(unwrap(readGiven(from, "a signature")), "signature", datecode)));
  return publicKey;
}

// Asks a person for a secret at the terminal: it is not shown, not kept, and in no argument list.

/** A shell, because it puts the terminal back also when Ctrl-C ends us in the middle of the line. */
const ASK = /* sh */ `saved=$(stty -g)
trap 'stty "$saved"; echo >&2' EXIT
trap 'exit 130' INT TERM HUP
stty -echo
printf '%s' "$1" >&2
IFS= read -r line
printf '%s' "$line"`;

/** What is typed after the question. A problem (exit 3) where there is no terminal. */
function askSecret(question: string): Result<string> {
  const lacking = fail(
    Exit.environment,
    "a passphrase has to be typed, and there is no terminal",
    "--passphrase-file FILE gives it",
  );
  const terminal = openTerminal();
  if (terminal === null) return lacking;
  try {
    const { status, stdout } = runProgram("sh", ["-c", ASK, "sh", question], { terminal });
    if (status === null) return lacking;
    return status === 0 && stdout.length > 0
      ? ok(stdout.toString())
      : fail(Exit.usage, "no passphrase was typed");
  } finally {
    closeSync(terminal);
  }
}
