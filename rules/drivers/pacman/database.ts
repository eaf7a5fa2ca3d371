// A repository's database: what it says of each package. It does not fetch anything.
import type { DriverContext } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { once } from "../package.js";
import { run } from "./run.js";

/** What a database says of a package: the lines of each field, by name (`NAME`, `PROVIDES`, …). */
type Fields = ReadonlyMap<string, readonly string[]>;

/** A package in a database. */
export interface Listed {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
  readonly fields: Fields;
}

/** By package name. */
export type Database = ReadonlyMap<string, Listed>;

type Context = Pick<DriverContext, "scratch" | "signal">;

/** Reads a database that never changes: a run resolves many lists in one snapshot. */
export const databaseOf = once(readDatabase);

async function readDatabase(file: string, context: Context): Promise<Result<Database>> {
  const ran = await run(["bsdtar", "--extract", "--to-stdout", "--file", file, "*/desc"], context, {
    cwd: "/",
  });
  if (!ran.ok) return ran;
  const { status, stdout, stderr } = ran.value;
  // An empty database is an archive without such a file.
  if (status !== 0 && !stderr.includes("*/desc: Not found in archive")) {
    return fail(
      Exit.environment,
      `the database ${file} cannot be read: ${stderr.trim().split("\n")[0] ?? ""}`,
    );
  }
  const packages = new Map<string, Listed>();
  for (const text of stdout.split(/^(?=%FILENAME%$)/m).filter((one) => one.trim() !== "")) {
    const listed = listedIn(fieldsOf(text));
    if (listed === null)
      return fail(Exit.environment, `a package in ${file} cannot be understood: ${text.slice(0, 200)}`);
    packages.set(listed.name, listed);
  }
  return ok(packages);
}

/** The fields of one text. */
function fieldsOf(text: string): Fields {
  const fields = new Map<string, string[]>();
  let lines: string[] | null = null;
  for (const line of text.split("\n")) {
    const name = /^%([A-Z0-9_]+)%$/.exec(line)?.[1];
    if (name !== undefined) fields.set(name, (lines = []));
    else if (line === "") lines = null;
    else lines?.push(line);
  }
  return fields;
}

function listedIn(fields: Fields): Listed | null {
  const one = (name: string): string => fields.get(name)?.[0] ?? "";
  const [name, version, arch, file] = [one("NAME"), one("VERSION"), one("ARCH"), one("FILENAME")];
  const [sha256, size] = [one("SHA256SUM"), Number(one("CSIZE"))];
  if (name === "" || version === "" || arch === "" || file === "" || file.includes("/")) return null;
  if (!/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(size)) return null;
  return { name, version, arch, file, sha256, size, fields };
}
