// `imagemake init` through the real command line: what it writes builds and type-checks as it stands, and it
// overwrites nothing.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { PROJECT } from "./support/sandbox.js";

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

function empty(files: Readonly<Record<string, string>> = {}): TestProject {
  const project = makeProject(files);
  projects.push(project);
  return project;
}

/** The suites that the host's apt has. */
const sourcesOfHost = (): readonly string[] =>
  execFileSync(
    "apt-get",
    ["indextargets", "--no-release-info", "--format", "$(RELEASE)", "Created-By: Packages"],
    { encoding: "utf8" },
  ).split("\n");

test("its Imagefile builds, and its root filesystem can be decided about", async () => {
  const project = empty();
  const said = await project.good("init");
  expect(said.stdout).toBe("Imagefile.ts\ntsconfig.json\n.gitignore\n");
  expect(said.stderr).toContain("imagemake doctor");
  expect((await project.good("list")).stdout).toMatch(/^sums +sums-\d{8}\.txt +run$/m);
  await project.good("sums");
  const [name = ""] = project.names("out");
  expect(project.read(join("out", name))).toMatch(/^[0-9a-f]{64} {2}Imagefile\.ts\n$/);
  // Fixes come from other suites, where the host's own apt has them.
  const text = project.read("Imagefile.ts");
  const suites = sourcesOfHost();
  for (const fixes of ["-updates", "-security"]) {
    const suite = `${/suite: "(\w+)"/.exec(text)?.[1] ?? "?"}${fixes}`;
    expect([suite, text.includes(`{ suite: "${suite}" }`)]).toEqual([suite, suites.includes(suite)]);
  }
  const dry = await project.good("-n");
  expect(dry.stdout).toContain("rootfs");
});

test("editors find the types: tsc has nothing to complain of, and does complain of a wrong option", async () => {
  const project = empty();
  await project.good("init");
  const tsc = (): string =>
    execFileSync(process.execPath, [join(PROJECT, "node_modules/typescript/bin/tsc"), "-p", project.dir], {
      encoding: "utf8",
    });
  expect(tsc()).toBe("");
  project.write("Imagefile.ts", project.read("Imagefile.ts").replace('arch: "', 'arch: "x'));
  expect(tsc).toThrow();
}, 60_000);

test("nothing is overwritten: what is there is named, and nothing else is written", async () => {
  for (const name of ["Imagefile.ts", "tsconfig.json"]) {
    const project = empty({ [name]: '/* mine, from "imagemake" */' });
    const refused = await project.run("init");
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining(`${name} already exists`)]);
    expect(project.names(".")).toEqual([name]);
    expect(project.read(name)).toBe('/* mine, from "imagemake" */');
  }
});

test("a .gitignore keeps its lines and gets those that it lacks", async () => {
  const project = empty({ ".gitignore": "*.o\n/out\nlast" });
  await project.good("init");
  expect(project.read(".gitignore")).toBe("*.o\n/out\nlast\n.imagemake/\nrelease-keys/\n");
  const whole = empty({ ".gitignore": ".imagemake\nout/\n/release-keys/\n" });
  expect((await whole.good("init")).stdout).toBe("Imagefile.ts\ntsconfig.json\n");
  expect(whole.read(".gitignore")).toBe(".imagemake\nout/\n/release-keys/\n");
});

test("-f and -C say where, -n writes nothing, --json is for programs", async () => {
  const project = empty();
  mkdirSync(project.path("sub"));
  expect((await project.good("init", "-n", "-C", "sub")).stdout).toBe(
    "sub/Imagefile.ts\nsub/tsconfig.json\nsub/.gitignore\n",
  );
  expect(project.names("sub")).toEqual([]);
  const said = await project.good("init", "-C", "sub", "-f", "8.2.ts", "--json");
  expect(JSON.parse(said.stdout)).toEqual({
    written: ["8.2.ts", "tsconfig.json", ".gitignore"].map((name) => project.path("sub", name)),
  });
  expect(said.stderr).toContain("imagemake -C sub -f 8.2.ts sums");
  await project.good("-C", "sub", "-f", "8.2.ts", "sums");
  const nowhere = await project.run("init", "-C", "missing");
  expect([nowhere.status, nowhere.stderr]).toEqual([2, expect.stringContaining("there is no directory")]);
});
