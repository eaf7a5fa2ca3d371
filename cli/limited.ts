// What the command line may not ask for under sudo, where who calls may not edit the Imagefile: files, which would be read,
// written and given away as root, and actions without isolation.
import { existsSync } from "node:fs";
import { cwd } from "node:process";
import { projectOf } from "../engine/project.js";
import { unwrap } from "../engine/problem.js";
import { requireOwner } from "../engine/release/place.js";
import { declared, type CommandName } from "./commands.js";
import { flagOf, GLOBAL, type Declarations, type GlobalOptions } from "./option.js";

/** Commands that are nothing but that, and what they do. A guest's monitor writes files, and runs programs. */
const COMMANDS: Readonly<Partial<Record<CommandName, string>>> = {
  boot: "start guests as root",
  shell: "start shells as root",
  watch: "watch files as root",
  init: "write an Imagefile",
  "release export": "export",
};

/** Exit 2 where such a caller asks for that; the Imagefile itself may be any that they may read. */
export function requireAllowed(
  name: CommandName,
  options: Readonly<Record<string, unknown>> & GlobalOptions<"directory" | "file">,
): void {
  const all: Declarations = { ...GLOBAL, ...declared(name).options };
  const named = Object.entries(all)
    .filter(
      ([key, one]) => key !== "file" && "names" in one && one.names === "file" && options[key] !== undefined,
    )
    .map(([key, one]) => flagOf(key, one));
  if (options["isolation"] === false)
    refuse(options, "turn isolation off", "actions would run as root on this machine as it is");
  const does =
    COMMANDS[name] ??
    (options["shellOnFailure"] === true ? COMMANDS.shell : undefined) ??
    (named.length === 0 ? null : `name files (${named.join(", ")})`);
  if (does === null) return;
  refuse(options, does, "files that root may read and write are not the caller's");
}

function refuse(
  { directory, file }: GlobalOptions<"directory" | "file">,
  does: string,
  because: string,
): void {
  const project = projectOf(directory ?? cwd(), file ?? "Imagefile.ts");
  if (existsSync(project.dir)) unwrap(requireOwner(project, does, because));
}
