// What the command line may not name under sudo: files, where who calls may not edit the Imagefile. They would be read,
// written and given away as root.
import { existsSync } from "node:fs";
import { cwd } from "node:process";
import { projectOf } from "../engine/project.js";
import { unwrap } from "../engine/problem.js";
import { requireOwner } from "../engine/release/place.js";
import type { Call, GlobalOptions } from "./call.js";

/** Commands that are nothing but that, and what they do. A guest's monitor writes files, and runs programs. */
const COMMANDS: Readonly<Record<string, string>> = {
  boot: "start guests as root",
  init: "write an Imagefile",
  "release export": "export",
};

/** Options that name a file. */
const GLOBAL = ["events", "trace", "expect"] as const satisfies readonly (keyof GlobalOptions)[];
const OWN = ["export", "import", "publicKey", "passphraseFile", "sums"];

/** Exit 2 where such a caller names a file; `command` as it is typed. */
export function requireNoFiles(command: string, { options, own }: Call): void {
  const named = [
    ...GLOBAL.filter((name) => options[name] !== undefined),
    ...OWN.filter((name) => own[name] !== undefined),
  ].map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  const does = COMMANDS[command] ?? (named.length === 0 ? null : `name files (${named.join(", ")})`);
  if (does === null) return;
  const project = projectOf(options.directory ?? cwd(), options.file ?? "Imagefile.ts");
  if (existsSync(project.dir))
    unwrap(requireOwner(project, does, "files that root may read and write are not the caller's"));
}
