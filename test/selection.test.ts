// What the words of the command line mean: ids, groups, dated names, file names, globs, VAR=. Words alone are
// asked of the function that reads them, since a process for each would take its time; the rest of the line
// goes through the real command.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { select } from "../cli/select.js";
import type { Graph } from "../engine/model.js";
import { unwrap } from "../engine/problem.js";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(60_000);

const IMAGEFILE = `
import { run, each, arg, project } from "imagemake";
const file = (out: string) => run({ inputs: {}, cmd: 'echo > "$OUT"', out });
export const rootfs = each(["x86_64", "i686", "x86_64-musl"], a => file(\`void-\${a}-ROOTFS-{date}.tar.xz\`), { only: "ARCHS" });
export const images = {
  sbc: each(["rpi", "odroid"], b => file(\`\${b}.img\`), { only: "BOARDS" }),
  pc: run({ inputs: { IN: rootfs.x86_64 }, cmd: 'cp "$IN" "$OUT"', out: "pc.img" }),
};
export const liveIso = each(["10", "9"], n => file(\`live-\${n}-{date}.iso\`));
export const list = file("list.txt");
export const base = run({ inputs: {}, cmd: ":", tree: true });
export const flavour = file(\`flavour-\${arg("FLAVOUR", "plain", ["plain", "fancy"])}.txt\`);
export default project({ default: [rootfs, images.pc] });
`;

let project: TestProject;
let graph: Graph;
beforeAll(async () => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
  await project.good("build", "list");
  const saved = project.names(".imagemake/graphs").find((name) => name.startsWith("graph-")) ?? "";
  ({ graph } = JSON.parse(project.read(`.imagemake/graphs/${saved}`)) as { graph: Graph });
});
afterAll(() => project.remove());

/** Actions that would be built. */
const planned = async (...words: string[]): Promise<string[]> => {
  const ended = await project.run("-n", "-B", "--json", ...words);
  if (ended.status !== 0) throw new Error(ended.stderr);
  return (JSON.parse(ended.stdout) as { target: string }[]).map(({ target }) => target);
};

const ROOTFS = ["rootfs-x86_64", "rootfs-i686", "rootfs-x86_64-musl"];
const SBC = ["images-sbc-rpi", "images-sbc-odroid"];

describe("a word", () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ["none: the Imagefile's default", [], [...ROOTFS, "images-pc"]],
    ["a bare group", ["rootfs"], ROOTFS],
    ["<group>-all", ["rootfs-all"], ROOTFS],
    ["a group of groups", ["images-all"], [...SBC, "images-pc"]],
    ["a sub-group", ["images-all-sbc"], SBC],
    ["a bare sub-group", ["images-sbc"], SBC],
    ["an export in capitals, in its own order", ["live-iso"], ["live-iso-10", "live-iso-9"]],
    ["an id", ["rootfs-i686"], ["rootfs-i686"]],
    ["an id with a date", ["rootfs-i686-20261121"], ["rootfs-i686"]],
    ["an id with the date of a respin", ["rootfs-x86_64-musl-20261121.2"], ["rootfs-x86_64-musl"]],
    ["a file name", ["rpi.img"], ["images-sbc-rpi"]],
    ["a file name under a date", ["void-x86_64-musl-ROOTFS-20261121.tar.xz"], ["rootfs-x86_64-musl"]],
    ["a glob", ["rootfs-*-musl"], ["rootfs-x86_64-musl"]],
    ["a glob with a choice", ["live-iso-[0-8]*", "images-sbc-?pi"], ["live-iso-10", "images-sbc-rpi"]],
    ["a tree", ["base"], ["base"]],
    ["a target named twice", ["rpi.img", "images-sbc-rpi"], ["images-sbc-rpi"]],
    ["a target called like a command, as a group", ["list-all"], ["list"]],
  ])("%s", (_, words, expected) => {
    expect(unwrap(select(graph, words)).targets).toEqual(expected);
  });

  test.each<[string, readonly string[], string, string | RegExp]>([
    ["an unknown target", ["rootfs-x68_64"], "unknown target rootfs-x68_64", "did you mean rootfs-x86_64?"],
    ["an unknown group", ["rotfs-all"], "unknown target rotfs-all", "did you mean rootfs-all?"],
    [
      "an unknown sub-group",
      ["images-all-scb-print"],
      "unknown target images-all-scb-print",
      "did you mean images-all-sbc-print?",
    ],
    ["an unknown file", ["rpj.img"], "unknown target rpj.img", "did you mean rpi.img?"],
    [
      "an unknown file under a date",
      ["live-8-20261121.iso"],
      "unknown target live-8-20261121.iso",
      /did you mean live-(9|10)-20261121\.iso\?/,
    ],
    ["one near nothing", ["quite-another"], "unknown target quite-another", "imagemake list shows"],
    ["a day that does not exist", ["list-20261345"], "unknown target list-20261345", ""],
    ["a glob that matches nothing", ["foo-*"], "no target matches foo-*", ""],
    [
      "two dates",
      ["rootfs-i686-20261121", "live-9-20261122.iso"],
      "two dates in one run: 20261121 and 20261122",
      "",
    ],
    [
      "printing and building",
      ["rootfs-all-print", "rpi.img"],
      "-print names cannot be mixed with targets to build",
      "",
    ],
  ])("is refused: %s", (_, words, message, hint) => {
    const refused = select(graph, words);
    if (refused.ok) throw new Error(`selected ${refused.value.targets.join(" ")}`);
    expect(refused.problem).toMatchObject({ exit: 2, message });
    expect(refused.problem.hint ?? "").toMatch(hint);
  });
});

describe("the command line", () => {
  test("builds what the words select and all they need; VAR= narrows groups and removes nothing", async () => {
    const [bare, command, narrowed, pc, member, boards, empty] = await Promise.all([
      planned(),
      planned("build", "list"),
      planned("rootfs-all", "ARCHS=i686 x86_64-musl"),
      planned("ARCHS=i686"),
      planned("rootfs-x86_64", "ARCHS=i686"),
      planned("images-all", "BOARDS=rpi"),
      planned("rootfs", "ARCHS="),
    ]);
    expect(bare).toEqual([...ROOTFS, "images-pc"]);
    expect(command).toEqual(["list"]);
    expect(narrowed).toEqual(["rootfs-i686", "rootfs-x86_64-musl"]);
    expect(pc).toEqual(["rootfs-x86_64", "rootfs-i686", "images-pc"]);
    expect(member).toEqual(["rootfs-x86_64"]);
    expect([...boards].sort()).toEqual(["images-pc", "images-sbc-rpi", "rootfs-x86_64"]);
    expect(empty).toEqual(ROOTFS);
  });

  test("VAR= goes before the environment, and both before the default", async () => {
    const named = async (env: Record<string, string>, ...words: string[]): Promise<string> =>
      (await project.call({ env }, "flavour-all-print", ...words)).stdout;
    expect(
      await Promise.all([
        named({}),
        named({ FLAVOUR: "fancy" }),
        named({ FLAVOUR: "fancy" }, "FLAVOUR=plain"),
        named({}, "FLAVOUR=fancy"),
      ]),
    ).toEqual(["plain", "fancy", "plain", "fancy"].map((name) => `flavour-${name}.txt\n`));
  });

  test("-print names outputs one a line in declared order, and nothing else", async () => {
    const print = async (...words: string[]): Promise<string> => {
      const ended = await project.run(...words, "DATECODE=20261121");
      expect(ended).toMatchObject({ status: 0, stderr: "" });
      return ended.stdout;
    };
    const [rootfs, iso, sbc, both, narrowed, trees] = await Promise.all([
      print("rootfs-all-print"),
      print("live-iso-all-print"),
      print("images-all-sbc-print"),
      print("live-iso-all-print", "images-all-print"),
      print("rootfs-all-print", "ARCHS=x86_64-musl i686"),
      print("base-all-print"),
    ]);
    const names = (...archs: string[]): string =>
      archs.map((arch) => `void-${arch}-ROOTFS-20261121.tar.xz\n`).join("");
    expect(rootfs).toBe(names("x86_64", "i686", "x86_64-musl"));
    expect(iso).toBe("live-10-20261121.iso\nlive-9-20261121.iso\n");
    expect(sbc).toBe("rpi.img\nodroid.img\n");
    expect(both).toBe(`${iso}${sbc}pc.img\n`);
    expect(narrowed).toBe(names("i686", "x86_64-musl"));
    expect(trees).toBe("");
  });

  test("refuses with status 2, on stderr, with the nearest name", async () => {
    const refusals: readonly (readonly [readonly string[], string])[] = [
      [["rootfs-x68_64"], "unknown target rootfs-x68_64\n  did you mean rootfs-x86_64?"],
      [["rootfs-i686-20261121", "DATECODE=20261122"], "two dates in one run: 20261121 and 20261122"],
      [
        ["DATECODE=20261121", "--release", "20261122", "rootfs"],
        "two dates in one run: 20261121 and 20261122",
      ],
      [["rootfs", "DATECODE=today"], "today is not a datecode\n  YYYYMMDD, or YYYYMMDD.1 for a respin"],
      [["rootfs", "ARCH=i686"], "the Imagefile asks for no ARCH\n  did you mean ARCHS?"],
      [
        ["rootfs", "ARCHS=i686 x86_46"],
        "Imagefile.ts:4: ARCHS=x86_46: not one of x86_64 i686 x86_64-musl\n  did you mean x86_64?",
      ],
      [
        ["flavour", "FLAVOUR=fency"],
        "Imagefile.ts:12: FLAVOUR=fency: not one of plain fancy\n  did you mean fancy?",
      ],
    ];
    const ended = await Promise.all(refusals.map(([words]) => project.run(...words)));
    expect(ended).toEqual(
      refusals.map(([, message]) => ({ status: 2, stdout: "", stderr: `imagemake: ${message}\n` })),
    );
  });

  test("VAR= may stand before a command's name, between its words, and nowhere in an option's value", async () => {
    const says = async (...words: string[]): Promise<string> => {
      const { status, stdout, stderr } = await project.run(...words);
      return status === 0 ? stdout : stderr;
    };
    const [plain, before, middle, twoDeep, build, value, last] = await Promise.all([
      says("list", "flavour", "FLAVOUR=fancy", "DATECODE=20261121"),
      says("FLAVOUR=fancy", "-v", "DATECODE=20261121", "list", "flavour"),
      says("-C", ".", "FLAVOUR=fancy", "list", "DATECODE=20261121", "flavour"),
      says("FLAVOUR=fancy", "release", "BOARDS=rpi", "status"),
      says("FLAVOUR=fancy", "build", "-n", "flavour"),
      says("-vC", "FLAVOUR=fancy", "list"),
      says("-f", "A=b", "list"),
    ]);
    expect(plain).toContain("flavour-fancy.txt");
    expect([before, middle]).toEqual([plain, plain]);
    expect(twoDeep).toMatch(/^(no )?release .*open/);
    expect(build).toBe("flavour: never built\n");
    expect(value).toContain("FLAVOUR=fancy/Imagefile.ts");
    expect(last).toContain("there is no ");
    expect(last).toContain("/A=b");
  });

  test("help says what --help says, of a command as well", async () => {
    const [all, help, start, startHelp, wrong] = await Promise.all([
      project.run("--help"),
      project.run("help"),
      project.run("release", "start", "--help"),
      project.run("help", "release", "start"),
      project.run("help", "relaese"),
    ]);
    expect(help).toEqual(all);
    expect(all.stdout).toContain("Exit status: 0 done");
    expect(startHelp).toEqual(start);
    const stderr = "imagemake: there is no command relaese\n  did you mean release?\n";
    expect(wrong).toEqual({ status: 2, stdout: "", stderr });
  });
});
