// `imagemake config`: which settings hold, and who says so. It changes nothing.
import { cwd } from "node:process";
import { Exit, unwrap } from "../../engine/problem.js";
import { projectOf } from "../../engine/project.js";
import type { Call } from "../call.js";
import { output } from "../output.js";
import { formatBytes } from "../render/numbers.js";
import { tableWidth } from "../render/renderer.js";
import { tableLines } from "../render/columns.js";
import { SETTINGS, settingsOf, variableOf, type Setting, type SettingName } from "../settings.js";

/** One line a setting. */
export async function command({ options, given }: Call<"config">): Promise<number> {
  const project = projectOf(options.directory ?? cwd(), options.file ?? "Imagefile.ts");
  const { all, files } = unwrap(await settingsOf(project, given));
  if (options.json === true) {
    const settings = all.map((one) => {
      const { about, default: usual } = SETTINGS[one.name];
      return { ...one, default: usual, about, variable: variableOf(one.name) };
    });
    output.write(`${JSON.stringify({ settings, files }, null, 2)}\n`);
    return Exit.done;
  }
  const columns = [
    { head: "setting", value: ({ name }: Setting) => name },
    { head: "value", value: ({ name, value }: Setting) => shown(name, value) },
    { head: "from", value: ({ from, where }: Setting) => where ?? from, shrinks: true },
  ];
  const lines = tableLines(all, columns, { width: tableWidth(output) });
  output.write(lines.map((line) => `${line}\n`).join(""));
  for (const { path, read } of files) if (!read) process.stderr.write(`${path} is not there\n`);
  return Exit.done;
}

const shown = (name: SettingName, value: Setting["value"]): string => {
  if (value === null) return SETTINGS[name].default;
  return name === "space.max-size" ? formatBytes(Number(value)) : String(value);
};
