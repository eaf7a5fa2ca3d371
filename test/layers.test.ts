// layers(…): what a search path of configuration directories finds, which of its files are inputs, and what it says of
// mistakes. Through the real command line; the repositories that it describes are read, not asked.
import { afterAll, beforeEach, describe, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

const FILES: Readonly<Record<string, string>> = {
  "configs/8.3/packages.lst": "kernel\n",
  "configs/8.3/only.conf": "8.3\n",
  "configs/8.3/bootargs.lst": "one\n",
  "configs/testing/INCLUDE": "candidates\n",
  "configs/testing/bootargs.lst": "two\n",
  "configs/candidates/INCLUDE": "# what came before\nupdates\n",
  "configs/updates/INCLUDE": "base\n",
  "configs/updates/bootargs.lst": "three\n",
  "configs/base/bootargs.lst": "four\n",
  "configs/base/site.tmpl": "at @@SRCURL@@ for @@WHO@@\n",
};

const IMAGEFILE = (options: string, path = "8.3:testing"): string => `
import { layers, run } from "imagemake";
const cfg = layers("configs", ${JSON.stringify(path)}, ${options});
const cat = (out: string, FILES: ReturnType<typeof cfg.first>) => run({ inputs: { FILES }, cmd: 'cat $FILES > "$OUT"', out });
export const first = cat("first.txt", cfg.first("bootargs.lst"));
export const all = cat("all.txt", cfg.all("bootargs.lst"));
export const site = cat("site.txt", cfg.first("site.tmpl", { WHO: "you" }));
`;
const URL = `{ srcurl: "https://mirror.example.org/8.3" }`;

let project: TestProject;
const projects: TestProject[] = [];
afterAll(() => projects.forEach((one) => one.remove()));
beforeEach(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE(URL), ...FILES });
  projects.push(project);
});
/** What a mistake in the Imagefile, or in a layer, is told. */
async function refusal(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) project.write(name, text);
  const { status, stderr } = await project.run("first");
  expect(status).toBe(2);
  return stderr;
}

describe("a search path", () => {
  test("finds the first file and all of them, in order, each layer followed by what it includes", async () => {
    await project.good("first", "all", "site");
    expect(project.read("out/first.txt")).toBe("one\n");
    expect(project.read("out/all.txt")).toBe("one\ntwo\nthree\nfour\n");
    expect(project.read("out/site.txt")).toBe("at https://mirror.example.org/8.3 for you\n");
  });

  test("ends with base, whoever includes it and wherever, and although nobody does", async () => {
    project.write("configs/8.3/INCLUDE", "base\n");
    await project.good("all");
    expect(project.read("out/all.txt")).toBe("one\ntwo\nthree\nfour\n");
    project.write("Imagefile.ts", IMAGEFILE(URL, "updates"));
    project.write("configs/updates/INCLUDE", "\n");
    await project.good("all");
    expect(project.read("out/all.txt")).toBe("three\nfour\n");
  });

  test("has each layer once, however many include it", async () => {
    project.write("configs/8.3/INCLUDE", "updates:candidates\n");
    await project.good("all");
    expect(project.read("out/all.txt")).toBe("one\nthree\ntwo\nfour\n");
  });

  test("an override in an upper layer, which was looked for and not there, is noticed; an edit below it is not", async () => {
    project.write("Imagefile.ts", IMAGEFILE(URL, "candidates:8.3"));
    await project.good("first");
    expect(project.read("out/first.txt")).toBe("three\n");
    project.write("configs/8.3/bootargs.lst", "edited, and not the first\n");
    expect((await project.events({}, "first")).which("built")).toEqual([]);
    project.write("configs/candidates/bootargs.lst", "zero\n");
    expect((await project.events({}, "first")).which("built")).toEqual(["first"]);
    expect(project.read("out/first.txt")).toBe("zero\n");
  });

  test("addresses are per layer where that is said", async () => {
    project.write("Imagefile.ts", IMAGEFILE(`{ srcurl: { base: "/mirrors/base", "*": "/mirrors/rest" } }`));
    await project.good("site");
    expect(project.read("out/site.txt")).toBe("at /mirrors/base for you\n");
  });
});

describe("a mistake is named", () => {
  test("a circle of layers, as a path", async () => {
    const said = await refusal({ "configs/updates/INCLUDE": "testing\n" });
    expect(said).toContain(
      "the layers include one another in a circle: testing → candidates → updates → testing",
    );
  });

  test("a layer that is not there, and who includes it", async () => {
    expect(await refusal({ "Imagefile.ts": IMAGEFILE(URL, "8.3:testin") })).toMatch(
      /Imagefile\.ts:3: layers: there is no layer testin; looked for the directory configs\/testin/,
    );
    const said = await refusal({ "Imagefile.ts": IMAGEFILE(URL), "configs/updates/INCLUDE": "bases\n" });
    expect(said).toContain("there is no layer bases, which configs/updates/INCLUDE names");
  });

  test("a file that no layer has, with the layers", async () => {
    const own = IMAGEFILE(URL).replace('cfg.first("bootargs.lst")', 'cfg.first("boot.lst")');
    const said = await refusal({ "Imagefile.ts": own });
    expect(said).toContain("no layer of 8.3:testing has boot.lst; looked in configs/8.3, configs/testing");
  });

  test("a placeholder that nothing fills, with file, line and the nearest name", async () => {
    const said = await refusal({ "configs/base/site.tmpl": "\nat @@SRCURL@@ for @@WHOM@@\n" });
    expect(said).toContain("configs/base/site.tmpl:2: nothing fills @@WHOM@@");
    expect(said).toContain("did you mean WHO?");
    expect(
      await refusal({
        "Imagefile.ts": IMAGEFILE("{}"),
        "configs/base/site.tmpl": FILES["configs/base/site.tmpl"] ?? "",
      }),
    ).toContain("nothing fills @@SRCURL@@; layers(…, { srcurl }) says where the repositories are");
  });

  test("an address for a layer that is not in the path, a repository without an address", async () => {
    expect(await refusal({ "Imagefile.ts": IMAGEFILE(`{ srcurl: { bases: "/x", "*": "/y" } }`) })).toContain(
      "srcurl: 8.3:testing has no layer bases; did you mean base?",
    );
    expect(await refusal({ "Imagefile.ts": IMAGEFILE(`{ defineRepo: ["mine"] as never }`) })).toContain(
      `defineRepo[0]: expected "NICK!URL" in an array, found "mine"`,
    );
  });
});

describe("the repositories of layers", () => {
  const CONF: Readonly<Record<string, string>> = {
    "configs/8.3/yum.conf.tmpl": "[main]\nreposdir=@@YUMREPOSD@@\n",
    "configs/base/yum-repos.conf.tmpl": "[base]\nname=Base\nbaseurl=@@SRCURL@@/base/@@RPMARCH@@/\n",
    "configs/testing/yum-repos.conf.tmpl": "[testing]\nname=T\nbaseurl=@@SRCURL@@/testing/@@RPMARCH@@/\n",
    "configs/base/CUSTOMREPO.tmpl": "[@@REPOID@@]\nname=c\nbaseurl=@@REPOURL@@/@@RPMARCH@@/\ngpgcheck=0\n",
    "Imagefile.ts": `
import { dnf, layers, rule } from "imagemake";
const cfg = layers("configs", "8.3:testing", {
  srcurl: { testing: "/elsewhere", "*": "/mirrors" }, defineRepo: ["mine!/my/repo", "ours!https://r.example.org"],
});
export const rootfs = rule.rootfs({ repo: dnf(cfg), arch: "x86_64", packages: ["kernel"], out: "rootfs.tar" });
`,
  };
  /** Sections and addresses of the package request. */
  const asked = async (): Promise<unknown> => {
    const { stdout } = await project.good("show", "--json", "rootfs.tree");
    const sections: unknown[] = [];
    JSON.parse(stdout, (key, value: unknown) => {
      if (key === "sections" && Array.isArray(value)) sections.push(...(value as unknown[]));
      return value;
    });
    return (sections as { id: string; urls: string[] }[]).map(({ id, urls }) => [id, ...urls]);
  };

  test("are those of all layers, each with its address, and those that are defined beside them", async () => {
    for (const [name, text] of Object.entries(CONF)) project.write(name, text);
    expect(await asked()).toEqual([
      ["testing", "/elsewhere/testing/$basearch/"],
      ["base", "/mirrors/base/$basearch/"],
      ["mine", "/my/repo/$basearch/"],
      ["ours", "https://r.example.org/$basearch/"],
    ]);
  });
});
