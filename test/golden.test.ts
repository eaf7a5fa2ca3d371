// What rebuilding the engine must not change: the rows of the keys of actions of every rule, of the example and of the
// other lines' Imagefiles, as files to compare with. A change that is meant is written by
// IMAGEMAKE_GOLDEN=write npm test -- golden, and its difference is read like any other.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { componentsOf, keyOf, type KeyFacts } from "../engine/key.js";
import type { Action } from "../engine/model.js";
import { Puppet, Yard } from "./support/evaluate-support.js";

jest.setTimeout(120_000);

const ROOT = new URL("../../", import.meta.url);
const textOf = (name: string): string => readFileSync(new URL(name, ROOT), "utf8");

const PACMAN_CONF =
  "[options]\nArchitecture = auto\nSigLevel = Never\n[core]\nServer = https://mirror.example.org\n";

/** An Imagefile, with the files that it reads while it is evaluated. `brief` leaves the rows out: keys alone. */
interface Line {
  readonly name: string;
  readonly file: string;
  readonly reads?: Readonly<Record<string, string>>;
  readonly args?: Readonly<Record<string, string>>;
  readonly brief?: true;
}

const MIRROR = { MIRROR: "https://mirror.example.org/debian" };
const VOID = { file: "fixtures/void/Imagefile.ts", brief: true } as const;
const LINES: readonly Line[] = [
  { name: "example", file: "Imagefile.ts", args: MIRROR },
  {
    name: "every-rule",
    file: "test/types/every-rule.ts",
    reads: { "hooks/site.sh": '#!/bin/sh\n. hooks/lib.sh\ntouch "$1/x"\n', "hooks/lib.sh": ":\n" },
  },
  { name: "debian", file: "test/types/debian.ts", args: MIRROR },
  {
    name: "arch",
    file: "test/types/arch.ts",
    reads: { "pacman.conf": PACMAN_CONF, "conf/pacman.conf": PACMAN_CONF },
  },
  { name: "void-native", ...VOID, args: { BUILD: "native" } },
  { name: "void-scripts", ...VOID, args: { BUILD: "scripts" } },
];

const short = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);

/** An action's components as if each input held its name, each tool were version 1, and each list resolved to itself. */
function componentsAs({ packages, inputs, tools }: Action): KeyFacts {
  return {
    inputs: inputs.map(({ name }) => ({ input: name, path: `in/${name}`, content: `f:${short(name)}` })),
    closure: packages === null ? null : short(JSON.stringify(packages.want)),
    tools: Object.fromEntries(tools.map(({ name }) => [name, "1"])),
    datecode: "20261121",
    epoch: packages === null ? 1 : null,
  };
}

function rowsOf(action: Action, brief: boolean): string {
  // A recipe may be mended: here counts that it is a row.
  const components = componentsOf(action, componentsAs(action)).map(({ name, value }) => ({
    name,
    value: name.startsWith("recipe ") ? "(its text)" : value,
  }));
  const rows = components.map(({ name, value }) => `  ${name}: ${value.length > 70 ? short(value) : value}`);
  const title = `${action.id} ${keyOf(components).slice(0, 16)}`;
  return [title, ...(brief ? [] : rows)].join("\n");
}

let puppet: Puppet;
beforeAll(() => {
  puppet = new Puppet();
});
afterAll(() => puppet.close());

test.each(LINES)("the actions of $name have the keys that they had", async ({ name, file, ...line }) => {
  const golden = new URL(`test/golden/${name}.keys`, ROOT);
  const yard = new Yard().write({ ...line.reads, "Imagefile.ts": textOf(file) });
  try {
    const { actions } = await puppet.graph(yard, { real: true, args: line.args ?? {} });
    const now = actions.map((action) => `${rowsOf(action, line.brief === true)}\n`).join("");
    if (process.env["IMAGEMAKE_GOLDEN"] === "write") writeFileSync(golden, now);
    expect(now).toBe(readFileSync(golden, "utf8"));
  } finally {
    yard.remove();
  }
});
