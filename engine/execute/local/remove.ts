// Deletes a tree and nothing else: never across a mount point, never through a symlink.
import { closeSync, constants, lstatSync, openSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";
import { codeOf } from "../../../cache/io.js";
import { runProgram, startProgram } from "../../../cache/program.js";
import { asError, Exit, fail, ok, type Result } from "../../problem.js";
import { inUserNamespace, ownIds } from "./ids.js";
import { mountsBelow } from "./mountinfo.js";

/** Up to this many entries are deleted here; above, a process of its own (rm) costs less than it saves. */
const FEW = 200;
/** Attempts: what a dying namespace still writes makes a directory not empty. */
const ATTEMPTS = 3;

/**
 * Deletes `dir` (a file or symlink is unlinked; nothing there is fine). What is mounted at or below it is
 * lazily unmounted first with `unmount`, else it is a Problem and nothing is deleted. A tree with files of
 * other ids is deleted in a user namespace when the user is not root. A Problem (exit 3) names what resisted.
 */
export async function removeTree(
  dir: string,
  options: { readonly unmount?: boolean } = {},
): Promise<Result<void>> {
  let parent: number;
  try {
    parent = openSync(dirname(dir), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    return codeOf(error) === "ENOENT" ? ok(undefined) : cannot(dir, whyNotOpened(dir, error));
  }
  removing += 1;
  try {
    return await removeIn(parent, dir, options.unmount === true);
  } catch (error) {
    return cannot(dir, asError(error).message);
  } finally {
    removing -= 1;
    closeSync(parent);
  }
}

let removing = 0;

/** How many trees are being deleted. */
export const removalsRunning = (): number => removing;

const whyNotOpened = (dir: string, error: unknown): string =>
  codeOf(error) === "ELOOP" || codeOf(error) === "ENOTDIR"
    ? `${dirname(dir)} is a symbolic link, or no directory`
    : asError(error).message;

/** Everything goes by way of the open directory: whatever takes its place meanwhile, nothing is deleted in there. */
async function removeIn(parent: number, dir: string, unmount: boolean): Promise<Result<void>> {
  const held = `/proc/${process.pid}/fd/${parent}`;
  const path = join(held, basename(dir));
  const top = lstatSync(path, { throwIfNoEntry: false });
  if (top === undefined) return ok(undefined);
  if (!top.isDirectory()) {
    unlinkSync(path);
    return ok(undefined);
  }
  const free = await freeOfMounts(dir, unmount);
  if (!free.ok) return free;
  let why = "";
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      if (removeFew(Buffer.from(path), top.dev, { left: FEW }) === "done") return ok(undefined);
    } catch {
      // rm finds the same obstacle, and names it.
    }
    const removed = await removeMany(held, `./${basename(dir)}`);
    if (removed === null) return ok(undefined);
    why = removed;
  }
  return cannot(dir, why);
}

function cannot(dir: string, why: string): Result<never> {
  const named = /^rm: cannot remove '(.*)': Operation not permitted$/.exec(why)?.[1];
  const file = named === undefined ? undefined : isAbsolute(named) ? named : join(dirname(dir), named);
  const fixed =
    file === undefined ? undefined : [file, dirname(file)].map(attributeOf).find((one) => one !== null);
  return fixed === undefined
    ? fail(Exit.environment, `${dir} could not be deleted`, why)
    : fail(
        Exit.environment,
        `${dir} could not be deleted: ${fixed.path} is ${fixed.called}; \`chattr -${fixed.letter} ${fixed.path}\` helps`,
      );
}

/** What keeps even root from deleting a file, or what lies in a directory; null for nothing, and where that cannot be asked. */
function attributeOf(
  path: string,
): { readonly path: string; readonly letter: string; readonly called: string } | null {
  const { status, stdout } = runProgram("lsattr", ["-d", "--", path]);
  const letters = status === 0 ? stdout.toString().replace(/\s.*$/s, "") : "";
  if (letters.includes("i")) return { path, letter: "i", called: "immutable" };
  return letters.includes("a") ? { path, letter: "a", called: "append-only" } : null;
}

async function freeOfMounts(dir: string, unmount: boolean): Promise<Result<void>> {
  const mounted = mountsBelow(dir);
  if (mounted.length === 0) return ok(undefined);
  let why = "";
  if (unmount) {
    // The newest first: it may lie on an older one. Lazily: whoever still uses it cannot hold us up, and
    // the path no longer leads into it.
    for (const point of [...mounted].reverse()) why += await unmountLazily(point);
    if (mountsBelow(dir).length === 0) return ok(undefined);
  }
  const first = Buffer.from(mounted[0] ?? "", "latin1").toString("utf8");
  return fail(
    Exit.environment,
    `${dir} was not deleted: ${first} is mounted there`,
    why || `umount ${first}`,
  );
}

/** The mount point goes through the shell's printf, because an argument of ours can only be UTF-8. */
async function unmountLazily(point: string): Promise<string> {
  const octal = point.replace(/[^\w./-]/g, (c) => `\\0${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  const script = /* sh */ 'p=$(printf "%b." "$1"); exec umount --lazy --no-canonicalize -- "${p%.}"';
  return (await run(["sh", "-c", script, "sh", octal])) ?? "";
}

/** Deletes a directory of one file system in this process; gives up when there is too much of it. */
function removeFew(dir: Buffer, dev: number, budget: { left: number }): "done" | "too-many" {
  const entries = readdirSync(dir, { encoding: "buffer", withFileTypes: true });
  budget.left -= entries.length;
  if (budget.left < 0) return "too-many";
  for (const entry of entries) {
    const path = Buffer.concat([dir, Buffer.from("/"), entry.name]);
    if (!entry.isDirectory()) unlinkSync(path);
    else if (lstatSync(path).dev !== dev) throw new Error("another file system");
    else if (removeFew(path, dev, budget) === "too-many") return "too-many";
  }
  rmdirSync(dir);
  return "done";
}

/** Deletes with rm, which takes any depth and any name; null, or what it complained of. */
async function removeMany(cwd: string, name: string): Promise<string | null> {
  const rm = ["rm", "-rf", "--one-file-system", "--", name];
  const complaint = await run(rm, cwd);
  if (complaint === null || process.getuid?.() === 0) return complaint;
  return await run([...inUserNamespace(ownIds()), ...rm], cwd);
}

/** Runs a program; null when it succeeded, else the first line of what it said. */
function run(argv: readonly string[], cwd = "/"): Promise<string | null> {
  return new Promise((resolve) => {
    const child = startProgram(argv[0] ?? "", argv.slice(1), {
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (chunk: string) => (said += said.length < 4096 ? chunk : ""));
    child.once("error", (error) => resolve(error.message));
    child.once("close", (status) =>
      resolve(status === 0 ? null : (said.split("\n")[0] ?? "") || `${argv[0]} failed`),
    );
  });
}
