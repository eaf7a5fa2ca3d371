// `imagemake explain` through the real command line: rules and options in words and as JSON schema, from the same declarations
// that check an Imagefile; and a slip of the pen is told what is near.
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

let project: TestProject;
beforeAll(() => {
  // It needs no Imagefile that works.
  project = makeProject({ "Imagefile.ts": "syntax error" });
});
afterAll(() => project.remove());

const explain = async (...words: string[]): Promise<string> =>
  (await project.good("explain", ...words)).stdout;

interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly words?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
}
const schema = async (...words: string[]): Promise<Schema> =>
  JSON.parse(await explain("--json", ...words)) as Schema;

test("without a name it has all there is: how it is called and what it is", async () => {
  const all = await explain();
  for (const call of ["rule.disk({ … })", "step.link(path, to)", "xbps(url, { … })", "preset.xcpNg({ … })"])
    expect(all).toContain(`${call}\n    `);
  const schemas = JSON.parse(await explain("--json")) as Record<string, Schema>;
  expect(Object.keys(schemas)).toEqual(expect.arrayContaining(["rule.run", "step.users", "apt", "project"]));
});

test("a rule, with or without what stands before its dot, has its options and those within them", async () => {
  const disk = await explain("disk");
  expect(disk).toBe(await explain("rule.disk"));
  expect(disk).toMatch(/^rule\.disk\(\{ … \}\)\n {2}A disk image of/);
  expect(disk).toMatch(/^ {2}from: a tree\n {6}The root file system\.$/m);
  expect(disk).toMatch(/^ {2}boot \(optional\): grub-bios, /m);
  expect(disk).toMatch(/^ {2}guards\.minSize \(optional\): bytes/m);
  expect(
    Math.max(
      ...disk
        .split("\n")
        .filter((line) => line.startsWith("      "))
        .map((line) => line.length),
    ),
  ).toBeLessThanOrEqual(80);
});

test("an option, of a rule, within an option, under a user's name, and of all that have it", async () => {
  expect(await explain("disk.boot")).toMatch(/^ {2}rule\.disk\.boot \(optional\): grub-bios/);
  expect(await explain("rule.disk.guards.minSize")).toMatch(
    /^ {2}rule\.disk\.guards\.minSize \(optional\): bytes/,
  );
  expect(await explain("step.users.users.NAME.sudo")).toContain("All commands as everybody");
  const cmdline = await explain("cmdline");
  for (const rule of ["boot", "disk", "iso", "pxe"]) expect(cmdline).toContain(`rule.${rule}.cmdline`);
});

test("--json is a JSON schema: what must be there, what may be chosen, nothing beside, and words for what only code can tell", async () => {
  const disk = await schema("disk");
  expect(disk).toMatchObject({ title: "rule.disk", type: "object", additionalProperties: false });
  expect(disk.required).toEqual(["from", "out"]);
  expect(disk.properties?.["fs"]?.enum).toEqual(["ext4", "btrfs", "vfat"]);
  expect(disk.properties?.["from"]).toMatchObject({ words: "a tree", description: "The root file system." });
  expect(disk.properties?.["guards"]?.properties?.["has"]).toMatchObject({ type: "array" });
  expect(await schema("disk.fs")).toMatchObject({ enum: ["ext4", "btrfs", "vfat"] });
  expect(Object.keys(await schema("cmdline"))).toContain("rule.iso.cmdline");
});

test("what there is not is refused, with the nearest name", async () => {
  const said = async (word: string) => {
    const { status, stderr } = await project.run("explain", word);
    return [status, stderr];
  };
  expect(await said("rule.dsk")).toEqual([
    2,
    expect.stringMatching(/no rule, step or option rule\.dsk\n.*did you mean rule\.disk\?/),
  ]);
  expect(await said("disk.bot")).toEqual([
    2,
    expect.stringMatching(/rule\.disk has no option bot\n.*did you mean boot\?/),
  ]);
  expect(await said("zzzzzzzz")).toEqual([
    2,
    expect.stringContaining("imagemake explain names all there are"),
  ]);
});
