// What `npm pack` makes: what is in it, and that it works where nothing of this checkout is: installed for everybody, and
// in a project of its own, whose editor finds the types before and after the first run.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { PROJECT } from "./support/sandbox.js";

jest.setTimeout(300_000);

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

const dir = mkdtempSync(join(tmpdir(), "imagemake-package-"));
const environment = { ...process.env, npm_config_update_notifier: "false", npm_config_fund: "false" };
let packed: Packed;

const command = (argv: readonly [string, ...string[]], cwd: string): string => {
  const [program, ...words] = argv;
  return execFileSync(program, words, {
    cwd,
    env: environment,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
};

/** Installs the package into `prefix`. The native library is the one that was compiled for the checkout: that takes minutes. */
function install(prefix: string, ...options: readonly string[]): void {
  command(
    [
      "npm",
      "install",
      "--ignore-scripts",
      "--prefer-offline",
      "--no-audit",
      ...options,
      join(dir, packed.filename),
    ],
    prefix,
  );
}

const withNative = (modules: string): void =>
  cpSync(join(PROJECT, "node_modules/better-sqlite3/build"), join(modules, "better-sqlite3/build"), {
    recursive: true,
  });

const tsc = (project: string): string => {
  try {
    return command(
      [process.execPath, join(PROJECT, "node_modules/typescript/bin/tsc"), "-p", project],
      project,
    );
  } catch (error) {
    return String((error as { readonly stdout?: unknown }).stdout);
  }
};

beforeAll(() => {
  // Its own scripts would build the checkout again, under the other tests.
  const said = command(["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", dir], PROJECT);
  const [only] = JSON.parse(said) as readonly Packed[];
  if (only === undefined) throw new Error(`npm pack says nothing: ${said}`);
  packed = only;
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("it has what runs and nothing else: below 2 MB and 80 files", () => {
  const names = packed.files.map(({ path }) => path);
  expect(packed.size).toBeLessThan(2_000_000);
  expect(names.length).toBeLessThan(80);
  expect(
    names.filter((name) => /(?:^|\/)(?:test|bench|check|fixtures)\/|\.map$|key|(?<!\.d)\.ts$/.test(name)),
  ).toEqual([]);
  expect(names).toEqual(
    expect.arrayContaining(["README.md", "LICENSE", "CHANGELOG.md", "dist/man/imagemake.1"]),
  );
});

test("installed for everybody, it makes a project, builds, explains and completes", () => {
  const prefix = join(dir, "global");
  mkdirSync(prefix);
  install(prefix, "-g", "--prefix", prefix);
  withNative(join(prefix, "lib/node_modules/imagemake/node_modules"));
  const imagemake = join(prefix, "bin/imagemake");
  const project = join(dir, "first");
  mkdirSync(project);
  expect(command([imagemake, "init"], project)).toContain("Imagefile.ts\n");
  expect(tsc(project)).toBe("");
  expect(command([imagemake, "sums"], project)).toBe("");
  expect(command([imagemake, "-n"], project)).toContain("rootfs");
  expect(command([imagemake, "explain", "rule.disk"], project)).toContain("boot");
  expect(command([imagemake, "completion", "bash"], project)).toContain("complete ");
  // A recipe, and a program beside the bundle.
  writeFileSync(
    join(project, "more.ts"),
    `import { dnf, rule, run, step } from "imagemake";
export const tree = run({ inputs: {}, cmd: 'mkdir "$OUT/etc"; echo x > "$OUT/etc/x"', tree: true });
export const packed = rule.extract(tree, { x: "etc/x" });
export const repo = rule.rootfs({ repo: dnf({ url: "http://127.0.0.1:9/" }), arch: "x86_64", packages: ["a"], steps: [step.write("etc/motd", "x")] });
`,
  );
  expect(command([imagemake, "-f", "more.ts", "packed"], project)).toBe("");
  expect(readFileSync(join(project, "out/x"), "utf8")).toBe("x\n");
});

test("a clone finds the types after npm install alone, and after the first run of any other imagemake", () => {
  const project = join(dir, "clone");
  mkdirSync(project);
  command([process.execPath, join(PROJECT, "dist/run/imagemake.js"), "init"], project);
  const config = readFileSync(join(project, "tsconfig.json"), "utf8");
  expect(config).not.toContain(PROJECT);
  expect(config).not.toContain(project);
  rmSync(join(project, ".imagemake"), { recursive: true });
  writeFileSync(join(project, "wrong.ts"), 'import { files } from "imagemake";\nfiles(3);\n');
  expect(tsc(project)).toContain("wrong.ts(1,23): error TS2307");
  writeFileSync(join(project, "package.json"), '{ "private": true }\n');
  install(project);
  expect(tsc(project)).toMatch(/^wrong\.ts\(2,7\): error TS2769/);
  withNative(join(project, "node_modules"));
  expect(command(["npx", "--no-install", "imagemake", "list"], project)).toContain("sums");
  expect(tsc(project)).toMatch(/^wrong\.ts\(2,7\): error TS2769/);
});
