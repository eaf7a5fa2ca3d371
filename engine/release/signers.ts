// The programs that sign and verify: signify and minisign, with keys that they make here, and gpg. Passphrases go to them by
// standard input, never as an argument.
import { lstatSync, readFileSync, writeFileSync } from "node:fs";
import { runProgram } from "../../cache/program.js";
import { Exit, fail, ok, type Result } from "../problem.js";

/** A program that makes a key pair for a release. */
type Tool = "signify" | "minisign";
/** What can be verified. */
type Form = Tool | "gpg";

/** Debian calls OpenBSD's program signify-openbsd. */
const PROGRAMS = { signify: ["signify-openbsd", "signify"], minisign: ["minisign"] } as const;
const PACKAGES = { signify: "signify-openbsd", minisign: "minisign" } as const;

const notInstalled = (program: string, name = program): Result<never> =>
  fail(Exit.environment, `${program} is not installed`, `apt-get install ${name}`);

interface Ran {
  readonly status: number | null;
  readonly words: string;
}

/** Runs the program in a session of its own: without a terminal it reads its standard input. */
function call(tool: Tool, argv: readonly string[], input: string): Result<Ran> {
  for (const program of PROGRAMS[tool]) {
    const ran = runProgram("setsid", ["--wait", program, ...argv], { input });
    if (ran.status === 127 || /failed to execute/.test(ran.stderr)) continue;
    const words = ran.stderr.replaceAll(/Password[^:\n]*:\s*/g, "").trim();
    return ok({ status: ran.status, words: words.slice(words.lastIndexOf("\n") + 1) });
  }
  return notInstalled(PROGRAMS[tool][0], PACKAGES[tool]);
}

/** Makes an encrypted key pair; neither file may be there. */
export function makeKeys(
  tool: Tool,
  files: { readonly secret: string; readonly public: string },
  comment: string,
  passphrase: string,
): Result<void> {
  const argv = ["-G", "-c", comment, "-p", files.public, "-s", files.secret];
  const ran = call(tool, argv, `${passphrase}\n${passphrase}\n`);
  if (!ran.ok) return ran;
  if (ran.value.status !== 0) return fail(Exit.environment, `${tool} made no key: ${ran.value.words}`);
  // minisign writes the comment into the secret key alone.
  const [, ...rest] = readFileSync(files.public, "utf8").split("\n");
  writeFileSync(files.public, [`untrusted comment: ${comment}`, ...rest].join("\n"));
  return ok(undefined);
}

/** Signs `message` into `signature`; signify embeds the message in it, minisign has a comment, signed as well. */
export function signFile(
  tool: Tool,
  secret: string,
  passphrase: string,
  comment: string,
  message: string,
  signature: string,
): Result<void> {
  const how = tool === "signify" ? ["-e"] : ["-c", comment, "-t", comment];
  const ran = call(tool, ["-S", ...how, "-s", secret, "-m", message, "-x", signature], `${passphrase}\n`);
  if (!ran.ok) return ran;
  if (ran.value.status === 0) return ok(undefined);
  const why = /passphrase|password/i.test(ran.value.words)
    ? "the passphrase does not open it"
    : ran.value.words;
  return fail(Exit.usage, `${secret} cannot sign: ${why}`);
}

/** How a signature of OpenPGP begins. */
export const ARMOR = "-----BEGIN PGP SIGNATURE-----";

/** Which program made a signature, by its form. */
export const toolOf = (signature: string): Form =>
  signature.startsWith(ARMOR)
    ? "gpg"
    : /^trusted comment: /m.test(signature.split("\n")[2] ?? "")
      ? "minisign"
      : "signify";

/** Verifies that `signature` is one of `message` by this public key; the problem says why not (exit 1). The key lies in a scratch directory. */
export function verifyFile(tool: Form, publicKey: string, message: string, signature: string): Result<void> {
  if (tool === "gpg") return verifyArmored(publicKey, message, signature);
  const opened = `${publicKey}.message`;
  const how = tool === "signify" ? ["-V", "-e", "-m", opened] : ["-V", "-m", message];
  const ran = call(tool, [...how, "-p", publicKey, "-x", signature], "");
  if (!ran.ok) return ran;
  if (ran.value.status !== 0)
    return fail(Exit.failed, `the signature ${signature} is not good: ${ran.value.words}`);
  if (tool === "signify" && readFileSync(opened, "utf8") !== readFileSync(message, "utf8"))
    return fail(Exit.failed, `${message} is not what was signed`);
  return ok(undefined);
}

// GnuPG, whose keys are the user's.

/** gpg, where it is installed. */
function gpg(
  home: string | null,
  argv: readonly string[],
  input?: string,
): Result<ReturnType<typeof runProgram>> {
  const where = home === null ? [] : ["--homedir", home];
  const ran = runProgram("gpg", [...where, "--batch", "--yes", "--no-tty", ...argv], { input: input ?? "" });
  return ran.error === null ? ok(ran) : notInstalled("gpg");
}

/** Signs `message` with a key of the user's into `signature`; the public key. `passphrase` null: gpg's agent asks. */
export function signArmored(
  { home, key }: { readonly home: string | null; readonly key: string },
  passphrase: string | null,
  message: string,
  signature: string,
): Result<string> {
  const exported = gpg(home, ["--armor", "--export-options", "export-minimal", "--export", "--", key]);
  if (!exported.ok) return exported;
  const publicKey = exported.value.stdout.toString();
  if (publicKey === "")
    return fail(
      Exit.usage,
      `gpg has no key ${key}${home === null ? "" : ` in ${home}`}`,
      "gpg --list-secret-keys names them",
    );
  const asked = passphrase === null ? [] : ["--pinentry-mode", "loopback", "--passphrase-fd", "0"];
  const how = [
    "--armor",
    "--digest-algo",
    "SHA512",
    "--local-user",
    key,
    "--output",
    signature,
    "--detach-sign",
  ];
  const ran = gpg(home, [...asked, ...how, "--", message], passphrase === null ? "" : `${passphrase}\n`);
  if (!ran.ok) return ran;
  if (ran.value.status === 0) return ok(publicKey);
  return fail(Exit.usage, `gpg did not sign with ${key}: ${lastLine(ran.value.stderr)}`);
}

const lastLine = (text: string): string => text.slice(text.lastIndexOf("\n") + 1);

/** By a keyring of that one key alone. What its owner revoked or let expire verifies nothing. */
function verifyArmored(publicKey: string, message: string, signature: string): Result<void> {
  const keyring = `${publicKey}.gpg`;
  const opened = gpg(null, ["--output", keyring, "--dearmor", "--", publicKey]);
  if (!opened.ok) return opened;
  const bad = (why: string): Result<void> =>
    fail(Exit.failed, `the signature ${signature} is not good: ${why}`);
  if (opened.value.status !== 0) return bad(`${lastLine(opened.value.stderr)} (the public key)`);
  const ran = runProgram("gpgv", ["--keyring", keyring, "--status-fd", "1", "--", signature, message]);
  if (ran.error !== null) return notInstalled("gpgv");
  return ran.status === 0 && /^\[GNUPG:\] GOODSIG /m.test(ran.stdout.toString())
    ? ok(undefined)
    : bad(lastLine(ran.stderr));
}

/** Has a program of the user's sign `message` into `signature`. It may talk to a person at the terminal, if there is one. */
export function signByProgram(
  program: string,
  message: string,
  signature: string,
  {
    dir,
    datecode,
    terminal,
  }: { readonly dir: string; readonly datecode: string; readonly terminal: number | null },
): Result<void> {
  const env = { ...process.env, DATECODE: datecode };
  const ran = runProgram(program, [message, signature], {
    cwd: dir,
    env,
    ...(terminal === null ? {} : { terminal }),
  });
  if (ran.status !== 0)
    return fail(Exit.failed, `${program} ended without a signature: ${lastLine(ran.said)}`);
  const made = lstatSync(signature, { throwIfNoEntry: false });
  return made?.isFile() === true && made.size > 0
    ? ok(undefined)
    : fail(
        Exit.failed,
        `${program} ended well and wrote no signature`,
        "its second argument names the file to write",
      );
}
