// Package files of the user's own as one more source of a resolution: an index of what they say of themselves.
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DriverContext, LocalFile } from "../../../engine/packages/driver.js";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { LISTS, SOURCES } from "./config.js";
import { aptSays, run } from "./run.js";

/** What packages of the user's own are said to come from. */
export const LOCAL = "local";

/** An address that nothing is fetched from: it names the lists. */
const URL = "copy:/imagemake-local/";
const LIST = "_imagemake-local_._";

/** Before what other sources have of that name, in whatever version; a pin of the package itself says otherwise. */
const PIN = `Package: *\nPin: release l=imagemake-local\nPin-Priority: 990\n`;

/** Adds the packages of `files` to the sources of a view; returns the preferences that they come with. */
export async function addLocal(
  view: string,
  files: readonly LocalFile[],
  context: DriverContext,
): Promise<Result<string>> {
  const stanzas: string[] = [];
  for (const { path, name, sha256 } of files) {
    const ran = await run(["dpkg-deb", "-f", path], context, { cwd: view });
    if (!ran.ok) return ran;
    if (ran.value.status !== 0)
      return fail(Exit.usage, `${name} is not a package that dpkg can read: ${aptSays(ran.value)}`);
    const { size } = await stat(path);
    stanzas.push(`${ran.value.stdout.trim()}\nFilename: ./${sha256}.deb\nSize: ${size}\nSHA256: ${sha256}\n`);
  }
  await writeFile(
    join(view, SOURCES, "local.sources"),
    `Types: deb\nURIs: ${URL}\nSuites: ./\nTrusted: yes\n`,
  );
  await writeFile(join(view, LISTS, `${LIST}Release`), "Origin: imagemake-local\nLabel: imagemake-local\n");
  await writeFile(join(view, LISTS, `${LIST}Packages`), stanzas.join("\n"));
  return ok(PIN);
}
