// How much of the disk things take. Trees made in a user namespace are measured inside one: outside, their
// directories may be closed to the user. It changes nothing.
import { startProgram } from "../../cache/program.js";
import { inUserNamespace, ownIds } from "./local/ids.js";

/** Bytes on the disk, and bytes as the files' sizes say. */
export interface Use {
  readonly disk: number;
  readonly apparent: number;
}

/**
 * What each path takes, files with several names counted at the first; with GNU du, which takes any name and depth.
 * What cannot be read does not count.
 */
export async function diskUse(paths: readonly string[]): Promise<Map<string, Use>> {
  const [disk, apparent] = await Promise.all([measure(paths, []), measure(paths, ["--apparent-size"])]);
  return new Map(
    paths.map((path) => [path, { disk: disk.get(path) ?? 0, apparent: apparent.get(path) ?? 0 }]),
  );
}

/** All of it together. */
export function totalUse(uses: Iterable<Use>): Use {
  const sum = { disk: 0, apparent: 0 };
  for (const { disk, apparent } of uses) {
    sum.disk += disk;
    sum.apparent += apparent;
  }
  return sum;
}

async function measure(paths: readonly string[], options: readonly string[]): Promise<Map<string, number>> {
  if (paths.length === 0) return new Map();
  const du = ["du", "--summarize", "--null", "--one-file-system", "--block-size=1", ...options];
  const argv = [...du, "--files0-from=-"];
  const plain = await run(argv, paths);
  if (!plain.denied || process.getuid?.() === 0) return plain.bytes;
  return (await run([...inUserNamespace(ownIds()), ...argv], paths)).bytes;
}

interface Said {
  readonly bytes: Map<string, number>;
  /** Something could not be read. */
  readonly denied: boolean;
}

function run(argv: readonly string[], paths: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const child = startProgram(argv[0] ?? "", argv.slice(1), {
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    let denied = false;
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => (denied ||= chunk.includes("Permission denied")));
    child.on("error", () => resolve({ bytes: new Map(), denied: false }));
    child.on("close", () => resolve({ bytes: parse(Buffer.concat(out).toString()), denied }));
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(paths.map((path) => `${path}\0`).join(""));
  });
}

/** `<bytes>\t<path>\0`, again and again. */
function parse(text: string): Map<string, number> {
  const bytes = new Map<string, number>();
  for (const line of text.split("\0")) {
    const tab = line.indexOf("\t");
    if (tab > 0) bytes.set(line.slice(tab + 1), Number(line.slice(0, tab)));
  }
  return bytes;
}
