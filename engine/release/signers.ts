// The two programs that sign: signify and minisign. Passphrases go to them by standard input, never as an argument.
import { readFileSync, writeFileSync } from "node:fs";
import { runProgram } from "../../cache/program.js";
import { Exit, fail, ok, type Result } from "../problem.js";

/** A program that signs. */
export type Tool = "signify" | "minisign";

/** Debian calls OpenBSD's program signify-openbsd. */
const PROGRAMS = { signify: ["signify-openbsd", "signify"], minisign: ["minisign"] } as const;
const PACKAGES = { signify: "signify-openbsd", minisign: "minisign" } as const;

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
  return fail(Exit.environment, `${PROGRAMS[tool][0]} is not installed`, `apt-get install ${PACKAGES[tool]}`);
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

/** Which program made a signature, by its form. */
export const toolOf = (signature: string): Tool =>
  /^trusted comment: /m.test(signature.split("\n")[2] ?? "") ? "minisign" : "signify";

/** Verifies that `signature` is one of `message` by this public key; the problem says why not (exit 1). The key lies in a scratch directory. */
export function verifyFile(tool: Tool, publicKey: string, message: string, signature: string): Result<void> {
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
