// What rebuilding the engine must not change: output names, the rows of the keys of actions of every rule, and what commands and builds
// say as JSON, as files to compare with. A change that is meant is written by
// IMAGEMAKE_GOLDEN=write npm test -- golden, and its difference is read like any other.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { PACKAGE } from "../cache/installed.js";
import { componentsOf, keyOf, type KeyFacts } from "../engine/key.js";
import type { Action } from "../engine/model.js";
import { makeProject } from "./support/cli.js";
import { Puppet, Yard } from "./support/evaluate-support.js";
import { LINES, textOf } from "./support/imagefiles.js";

jest.setTimeout(120_000);

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

/** Compares with what was recorded, or records it. */
function compare(name: string, now: string): void {
  const golden = `test/golden/${name}`;
  if (process.env["IMAGEMAKE_GOLDEN"] === "write") writeFileSync(new URL(golden, PACKAGE), now);
  expect(now).toBe(textOf(golden));
}

let puppet: Puppet;
beforeAll(() => {
  puppet = new Puppet();
});
afterAll(() => puppet.close());

test.each(LINES)(
  "the targets of $name have the names, and its actions the keys, that they had",
  async ({ name, file, ...line }) => {
    const yard = new Yard().write({ ...line.reads, "Imagefile.ts": textOf(file) });
    try {
      const { actions, targets } = await puppet.graph(yard, { real: true, args: line.args ?? {} });
      const names = targets.flatMap(({ id, pattern, exported }) =>
        exported && pattern !== null ? [`${id}: ${pattern}`] : [],
      );
      const keys = actions.map((action) => rowsOf(action, line.brief === true));
      compare(
        `${name}.keys`,
        ["output names:", ...names, "", "actions, with their keys:", ...keys, ""].join("\n"),
      );
    } finally {
      yard.remove();
    }
  },
);

/** A project in which every kind of target is, one that fails, and a release. */
const SMALL = `
export const text = run({ inputs: { SRC: files("src/*.txt") }, cmd: 'cat $SRC > "$OUT"', out: "text-{date}.txt" });
export const tree = run({ inputs: { TEXT: text }, cmd: 'cp "$TEXT" "$OUT/text"', tree: true });
export const packed = each(["tar", "tar.gz"], (pack) =>
  rule.platformfs({ from: tree, pack, out: "packed." + pack, guards: { minSize: 1 } }));
export const checks = { there: rule.check({ inputs: { TREE: tree }, cmd: 'test -e "$TREE/text"' }) };
export const bad = run({ inputs: { TEXT: text }, cmd: "echo why; exit 3", out: "bad.txt" });
export default project({ default: [packed], release: { of: [packed, text], gate: [checks], steps: ["tell"] } });
`;

/** What is done there, one after the other; of each what it prints as JSON is compared. */
const DONE: readonly (readonly string[])[] = [
  ["release", "start", "--release", "20260101", "--json"],
  ["-n", "--json", "packed"],
  ["--progress", "json", "-j1", "packed", "text"],
  ["--progress", "json", "-j1", "-k", "bad", "checks"],
  ["list", "--json"],
  ["list", "--json", "packed"],
  ["show", "packed-tar", "--json"],
  ["show", "bad", "--json"],
  ["why", "text", "--json"],
  ["why", "bad", "--json"],
  ["graph", "--json"],
  ["log", "bad", "--json"],
  ["release", "status", "--json"],
  ["release", "collect", "--json"],
  ["cache", "ls", "--json"],
  ["cache", "gc", "-n", "--json"],
  ["cache", "verify", "--json"],
  ["clean", "-n", "--json"],
];

/** Fields that say when, how long, where and how much room, which differ from run to run. */
const PASSING =
  /^(at|duration|started|opened|lastBuild|built|since|expected|disk|collected|builds|bytes|imagemake)$/;

/** A recipe may be mended, and tools have other versions elsewhere. */
const isRecipe = (value: object): value is { readonly text: string; readonly beside?: object } =>
  "kind" in value && value.kind === "recipe";
const isVersion = (value: object): boolean =>
  "name" in value && typeof value.name === "string" && /^(tool|recipe) /.test(value.name) && "value" in value;

/** Whether a run left a record depends on how long before it an edit was. */
const isRecord = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  "path" in value &&
  /\/graphs\/(?:quick|known)-[0-9a-f]+(?:\.json)?$/.test(String(value.path));

/** Data without what differs from run to run and from machine to machine; keys hold the versions of tools. */
function steady(value: unknown, dir: string, field = ""): unknown {
  if (Array.isArray(value))
    return value.filter((one) => !isRecord(one)).map((one) => steady(one, dir, field));
  if (typeof value === "object" && value !== null) {
    if (isRecipe(value)) return { ...value, text: "(text)", beside: Object.keys(value.beside ?? {}) };
    if (isVersion(value)) return { ...value, value: "(text)" };
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, steady(one, dir, name)]));
  }
  if (PASSING.test(field) && value !== null) return `(${typeof value})`;
  if (typeof value !== "string") return value;
  return value
    .replaceAll(dir, "(dir)")
    .replace(/[^/]*\.mjs$/, "(module)")
    .replace(/graph-[0-9a-f]+/, "graph-(hash)")
    .replace(/\bm[a-z0-9]{7}-[0-9a-f]{8}\b/g, "(build)")
    .replace(/\b[0-9a-f]{64}\b/g, field === "key" ? "(key)" : "$&")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "(time)");
}

test("commands and events say as JSON what they said", async () => {
  const project = makeProject({ "Imagefile.ts": SMALL, "src/a.txt": "a\n" });
  try {
    let said = "";
    for (const words of DONE) {
      const { status, stdout } = await project.run(...words);
      const texts = words.includes("--progress") ? stdout.trim().split("\n") : [stdout];
      const data = texts.filter((text) => text !== "").map((text) => steady(JSON.parse(text), project.dir));
      said += `$ ${words.join(" ")}: ${status}\n${JSON.stringify(words.includes("--progress") ? data : data[0], null, 1)}\n`;
    }
    // Otherwise it would be refusals that are compared.
    expect(said.match(/^\$.*: [1-9]\d*$/gm)).toEqual(["$ --progress json -j1 -k bad checks: 1"]);
    compare("commands.json.txt", said);
  } finally {
    project.remove();
  }
});
