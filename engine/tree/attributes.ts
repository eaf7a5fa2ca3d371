// Extended attributes of a whole tree, by one call of getfattr (Node has none of its own), and which of them are
// content.
import { codeOf, ioProblem } from "../../cache/io.js";
import { startProgram } from "../../cache/program.js";
import { Exit, fail, ok, type Result } from "../problem.js";
import type { Attributes } from "./entry.js";

/** Attributes by path; both bytes. Paths without any are left out. */
export type TreeAttributes = ReadonlyMap<string, Attributes>;

/**
 * Reads every attribute that the process may see of everything beneath `dir` (and of `dir`: the empty path).
 * Symlinks are read themselves. Fails with exit 3 where getfattr is missing or cannot read something.
 */
export function readAttributes(dir: string): Promise<Result<TreeAttributes>> {
  return getfattr(dir, ["-R", "-P", "-h", "."]);
}

function getfattr(dir: string, argv: readonly string[]): Promise<Result<TreeAttributes>> {
  return new Promise((resolve) => {
    const child = startProgram("getfattr", ["-d", "-m", "-", "-e", "hex", "--absolute-names", ...argv], {
      cwd: dir,
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => errors.push(chunk));
    child.on("error", (error) => {
      resolve(
        codeOf(error) === "ENOENT"
          ? fail(
              Exit.environment,
              `cannot run getfattr in ${dir}: ${error.message}`,
              "install the package attr",
            )
          : ioProblem(`run getfattr in ${dir}`, error),
      );
    });
    child.on("close", (status) => {
      const said = Buffer.concat(errors).toString().trim();
      if (status === 0) resolve(ok(parseAttributes(Buffer.concat(out).toString("latin1"))));
      else resolve(fail(Exit.environment, `cannot read the extended attributes in ${dir}: ${said}`));
    });
  });
}

/** How many paths one call of getfattr is given: their names have to fit into its arguments. */
const BATCH = 400;

/** The same of single paths, which are absolute; not of what lies beneath. */
export async function attributesOf(paths: readonly string[]): Promise<Result<TreeAttributes>> {
  const all = new Map<string, Attributes>();
  for (let at = 0; at < paths.length; at += BATCH) {
    const found = await getfattr("/", ["-h", "--", ...paths.slice(at, at + BATCH)]);
    if (!found.ok) return found;
    for (const [path, attributes] of found.value) all.set(path, attributes);
  }
  return ok(all);
}

/** Reads what `getfattr -d -e hex` prints: `# file: <path>`, then `<name>=0x<value>` lines, then an empty line. */
export function parseAttributes(text: string): TreeAttributes {
  const tree = new Map<string, Attributes>();
  let attributes = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line.startsWith("# file: ")) {
      attributes = new Map();
      tree.set(relative(unquote(line.slice("# file: ".length))), attributes);
    } else if (line !== "") {
      // An equals sign in a name is quoted, so the first one ends it.
      const at = line.indexOf("=");
      attributes.set(unquote(line.slice(0, at)), line.slice(at + 1).replace(/^0x/, ""));
    }
  }
  return tree;
}

const relative = (path: string): string => (path === "." ? "" : path.replace(/^\.\//, ""));

/** getfattr quotes newlines, carriage returns, backslashes and, in names, equals signs as three octal digits. */
const unquote = (text: string): string =>
  text.includes("\\")
    ? text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
    : text;

/** A label of the machine's own policy is none of a file's. */
export const LABEL = "security.selinux";

/** What overlayfs keeps for itself, with and without `userxattr`. */
export const OVERLAYS_OWN = /^(trusted|user)\.overlay\./;
const CAPABILITY = "security.capability";
/**
 * Revision 3 of a capability (linux/capability.h: magic 0x03…, 20 bytes, then the user id of the namespace's root)
 * with root itself as that user says what revision 2 says.
 */
const CAPABILITY_OF_ROOT = /^(.{6})03(.{32})00000000$/;

/** Whether an attribute belongs to the tree. */
export const isContent = (name: string): boolean => name !== LABEL && !OVERLAYS_OWN.test(name);

/** The attributes that belong to the tree, however it is stored. */
export function contentAttributes(all: Attributes): Attributes {
  if (all.size === 0) return all;
  const content = new Map<string, string>();
  for (const [name, value] of all) {
    if (!isContent(name)) continue;
    content.set(name, name === CAPABILITY ? value.replace(CAPABILITY_OF_ROOT, "$102$2") : value);
  }
  return content;
}
