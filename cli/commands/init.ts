// `imagemake init`: a first Imagefile, a tsconfig.json for editors, and what git ignores. It overwrites nothing.
import { existsSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { writeWhole } from "../../cache/write.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { makeState } from "../../engine/state.js";
import { enginePaths, firstImagefile, hostDebian, ignoring, tsconfig } from "../first.js";
import { output } from "../output.js";
import { listed } from "../render/numbers.js";
import type { Call } from "../call.js";
import { projectOfCall } from "../state.js";

/** Writes the files; exit 2, and nothing written, where one is there already. */
export function command(call: Call<"init">): Promise<number> {
  const project = projectOfCall(call);
  const { dir, imagefile } = project;
  if (!existsSync(dir)) return stop(Exit.usage, `there is no directory ${dir}`);
  const [config, ignore] = [join(dir, "tsconfig.json"), join(dir, ".gitignore")];
  const there = [imagefile, config].filter((file) => existsSync(file));
  if (there.length > 0) {
    const names = listed(there.map((file) => basename(file)));
    const message = `${names} already ${there.length === 1 ? "exists" : "exist"}, and init overwrites nothing`;
    const onlyConfig = !existsSync(imagefile);
    return onlyConfig
      ? stop(Exit.usage, message, `what editors need in it: ${enginePaths()}`)
      : stop(Exit.usage, message);
  }
  const debian = hostDebian();
  const ignored = ignoring(existsSync(ignore) ? readFileSync(ignore, "utf8") : "");
  const files = [
    { file: imagefile, text: firstImagefile(basename(imagefile), debian) },
    { file: config, text: tsconfig() },
    ...(ignored === null ? [] : [{ file: ignore, text: ignored }]),
  ];
  if (call.options.dryRun !== true) {
    for (const { file, text } of files) writeWhole(file, text);
    // Editors find the types there.
    unwrap(makeState(project));
  }
  const written = files.map(({ file }) => file);
  output.write(
    call.options.json === true
      ? `${JSON.stringify({ written })}\n`
      : written.map((file) => `${relative(process.cwd(), file)}\n`).join(""),
  );
  if (call.options.dryRun !== true) process.stderr.write(next(call, debian !== null));
  return Promise.resolve(Exit.done);
}

/** What to type now. */
function next({ options }: Call<"init">, debian: boolean): string {
  const { directory, file } = options;
  const words = [
    ...(directory === undefined ? [] : [`-C ${directory}`]),
    ...(file === undefined ? [] : [`-f ${file}`]),
  ];
  const start = ["imagemake", ...words].join(" ");
  return `now: ${start} doctor   says what this machine lacks for it
     ${start} sums     builds the first target${debian ? "" : "; rule.rootfs and others make images"}
     ${start}          builds all that the Imagefile says
`;
}
