// Guards rule.nix with Debian's real nix, without network: a store that is valid at /nix, the same bytes each time, built
// again when packages, revision or flags change and at no other time.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unwrap } from "../engine/problem.js";
import { driver } from "../rules/drivers/nix.js";
import { atTime, makeProject, type TestProject } from "./support/cli.js";
import { shown } from "./support/packages.js";
import { skipping } from "./support/skipping.js";
import { staticBusybox } from "./support/tiny-debian.js";

jest.setTimeout(120_000);

const has = ["/usr/bin/nix-env", "/usr/bin/sqlite3"].every(existsSync) && process.getuid?.() === 0;
if (!has) skipping("nix", "nix-bin, sqlite3 or root is missing");
const withNix = has ? describe : describe.skip;

/** Expressions that need nothing but a shell; `hello` needs `base` when it runs, and `tool` only when it is built. */
const EXPRESSIONS = (greeting = "hello"): string => `
let
  drv = name: needs: script: derivation {
    inherit name needs; system = builtins.currentSystem; builder = "/bin/sh";
    args = [ "-c" ("set -e; PATH=/usr/bin:/bin; mkdir -p $out/bin; " + script) ];
  };
  program = name: text: "{ echo '#!/bin/sh'; echo '\${text}'; } > $out/bin/\${name}; chmod +x $out/bin/\${name}; ";
in rec {
  tool = drv "tool" [] (program "tool" "echo tool");
  base = drv "base-1.0" [] (program "base" "echo base");
  hello = drv "hello-2.0" [ base tool ] (program "hello" "echo ${greeting}; \${base}/bin/base");
  where = drv "where-1.0" [] ("echo $PWD $TMPDIR > $out/where;");
  other = drv "other-1.0" [] (program "other" "echo other");
  unfree = if builtins.getEnv "NIXPKGS_ALLOW_UNFREE" == "1" then drv "unfree-1.0" [] "" else throw "unfree-1.0 is not free";
}
`;

const store = (options: string): string => `export const store = rule.nix({ ${options} });\n`;
const LOCAL = `nixpkgs: "nix", packages: list("nix.list")`;

const makeNix = (imagefile = store(LOCAL)): TestProject =>
  makeProject({ "Imagefile.ts": imagefile, "nix/default.nix": EXPRESSIONS(), "nix.list": "hello\nwhere\n" });

withNix("a store of expressions in the project", () => {
  let project: TestProject;
  const dir = mkdtempSync(join(tmpdir(), "imagemake-nix-"));
  /** The one layer that there is, as it lies in the store. */
  const layerOf = (of: TestProject): string => {
    const layers = of.path(".imagemake/store/layers");
    const [only] = readdirSync(layers, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return join(layers, only?.name ?? "");
  };
  let at: string;
  beforeAll(async () => {
    project = makeNix();
    await project.good("store");
    at = layerOf(project);
  });
  afterAll(() => {
    project.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  test("has a profile, what it needs when it runs, and nothing else", () => {
    const names = execFileSync("ls", [join(at, "store")], { encoding: "utf8" });
    expect(
      names
        .trim()
        .split("\n")
        .map((name) => name.replace(/^[a-z0-9]{32}-/, ""))
        .sort(),
    ).toEqual(["base-1.0", "env-manifest.nix", "hello-2.0", "user-environment", "where-1.0"]);
    const files = execFileSync("find", [".", "-not", "-path", "./store/*"], { cwd: at, encoding: "utf8" });
    expect(files.trim().split("\n").sort()).toEqual(
      [
        ".",
        "./store",
        "./var",
        "./var/nix",
        "./var/nix/db",
        "./var/nix/db/db.sqlite",
        "./var/nix/db/schema",
        "./var/nix/gcroots",
        "./var/nix/gcroots/auto",
        "./var/nix/gcroots/per-user",
        "./var/nix/gcroots/per-user/root",
        "./var/nix/gcroots/profiles",
        "./var/nix/profiles",
        "./var/nix/profiles/default",
        "./var/nix/profiles/default-1-link",
        "./var/nix/profiles/per-user",
        "./var/nix/profiles/per-user/root",
        "./var/nix/temproots",
      ].sort(),
    );
  });

  test("is valid to nix itself, contents and all, and keeps its profile when garbage is collected", () => {
    mkdirSync(join(dir, "root"));
    execFileSync("cp", ["-a", at, join(dir, "root/nix")]);
    const nix = (...args: string[]): string =>
      execFileSync("nix-store", ["--store", join(dir, "root"), ...args], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
    nix("--verify", "--check-contents");
    const profile = readlinkSync(join(at, "var/nix/profiles/default-1-link"));
    expect(nix("--query", "--requisites", profile).split("\n")).toHaveLength(6);
    nix("--gc");
    expect(execFileSync("ls", [join(dir, "root/nix/store")], { encoding: "utf8" })).toContain("hello-2.0");
  });

  test("runs in a tree that has it at /nix", async () => {
    copyFileSync(staticBusybox(), project.path("busybox"));
    project.write(
      "Imagefile.ts",
      `${store(LOCAL)}
      const root = run({ inputs: { STORE: store, BUSYBOX: files("busybox") }, root: true, tree: true,
        cmd: 'mkdir -p "$OUT/bin"; cp "$BUSYBOX" "$OUT/bin/sh"; chmod 755 "$OUT/bin/sh"; cp -a "$STORE" "$OUT/nix"' });
      export const said = run({ inputs: {}, within: root, cmd: '/nix/var/nix/profiles/default/bin/hello > "$OUT"', out: "said.txt" });`,
    );
    await project.good("said");
    expect(project.read("out/said.txt")).toBe("hello\nbase\n");
    project.write("Imagefile.ts", store(LOCAL));
  });

  test("knows nothing of where and when it was built", async () => {
    const [where = ""] = execFileSync("sh", ["-c", `cat ${at}/store/*-where-1.0/where`], {
      encoding: "utf8",
    }).split("\n");
    expect(where).toMatch(/^\/build\/nix-build-where-1\.0\.drv-0 \/build\//);
    const again = makeNix();
    try {
      const told = await again.events({ under: atTime("2031-02-03T04:05:06Z") }, "store");
      expect([told.stderr, told.status]).toEqual(["", 0]);
      expect(await shown(again, "store")).toEqual(await shown(project, "store"));
      expect(readFileSync(join(at, "var/nix/db/db.sqlite")).toString("latin1")).not.toContain(project.dir);
    } finally {
      again.remove();
    }
    expect(existsSync("/nix")).toBe(false);
  });

  test("an unchanged list, in another order and with comments, costs no nix run; nor does another day", async () => {
    project.write("nix.list", "# what is baked in\nwhere\n\nhello\n");
    for (const words of [["store"], ["--release", "20310203", "store"]]) {
      const told = await project.events({}, ...words);
      expect([told.status, told.which("built")]).toEqual([0, []]);
    }
  });

  test.each([
    ["a package more", () => project.write("nix.list", "hello\nother\nwhere\n"), /input LIST0/],
    ["other expressions", () => project.write("nix/default.nix", EXPRESSIONS("good day")), /input NIXPKGS/],
    [
      "another flag",
      () => project.write("Imagefile.ts", store(`${LOCAL}, unfree: true`)),
      /NIXPKGS_ALLOW_UNFREE/,
    ],
  ])("%s builds again, and why says so", async (_, edit, why) => {
    await project.good("store");
    edit();
    expect((await project.good("why", "store")).stdout).toMatch(why);
    const told = await project.events({}, "store");
    expect([told.status, told.which("built")]).toEqual([0, ["store"]]);
  });

  test("packages that are not free are refused, and installed where that is said", async () => {
    project.write("Imagefile.ts", store(`nixpkgs: "nix", packages: ["unfree"]`));
    const refused = await project.run("store");
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("unfree-1.0 is not free")]);
    project.write("Imagefile.ts", store(`nixpkgs: files("nix/**"), packages: ["unfree"], unfree: true`));
    await project.good("store");
  });

  test("an attribute that is not there is named", async () => {
    project.write(
      "Imagefile.ts",
      store(`nixpkgs: ${JSON.stringify(project.path("nix"))}, packages: ["hallo"]`),
    );
    const { status, stderr } = await project.run("store");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/attribute .*hallo.* not found/)]);
  });
});

/** As `git archive` makes it, of a commit named by one digit. */
function packExpressions(dir: string, digit: string, greeting: string): void {
  mkdirSync(join(dir, "nixpkgs-1"), { recursive: true });
  const text = join(dir, "nixpkgs-1/default.nix");
  rmSync(text, { force: true });
  execFileSync("sh", ["-c", 'cat > "$1"', "sh", text], { input: EXPRESSIONS(greeting) });
  const pax = `--pax-option=globexthdr.name=pax_global_header,comment=${digit.repeat(40)}`;
  const words = [
    "-C",
    dir,
    "--format=pax",
    pax,
    "--mtime=@1700000000",
    "--sort=name",
    "-czf",
    join(dir, "new.tar.gz"),
    "nixpkgs-1",
  ];
  execFileSync("tar", words);
  renameSync(join(dir, "new.tar.gz"), join(dir, "nixpkgs.tar.gz"));
}

withNix("a tarball of expressions", () => {
  let project: TestProject;
  let dir: string;
  let server: Server;
  const publish = (digit: string, greeting: string): void => packExpressions(dir, digit, greeting);
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "imagemake-nix-"));
    server = createServer((request, answer) => {
      const file = join(dir, request.url ?? "");
      if (existsSync(file)) answer.end(readFileSync(file));
      else answer.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    publish("1", "one");
    project = makeProject({
      "Imagefile.ts": store(`nixpkgs: "file://${dir}/nixpkgs.tar.gz", packages: ["hello"]`),
    });
  });
  afterAll(() => {
    server.close();
    project.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  test("is pinned by its revision for the release: what comes later is another matter, until refresh", async () => {
    await project.good("release", "start");
    await project.good("store");
    expect((await shown(project, "store")).epoch).toBe(1_700_000_000);
    publish("2", "two");
    const same = await project.events({}, "store");
    expect([same.status, same.which("built")]).toEqual([0, []]);
    const { stdout } = await project.good("release", "refresh");
    expect(stdout).toContain(`nixpkgs ${"1".repeat(40)} → ${"2".repeat(40)}`);
    const told = await project.events({}, "store");
    expect([told.status, told.which("built")]).toEqual([0, ["store"]]);
  });

  test("that was replaced and is no longer here is told, not taken", async () => {
    const own = makeProject({ "Imagefile.ts": project.read("Imagefile.ts") });
    try {
      await own.good("release", "start");
      await own.good("store");
      for (const name of ["snapshots", "store"])
        rmSync(own.path(".imagemake", name), { recursive: true, force: true });
      rmSync(own.path(".imagemake/packages"), { recursive: true, force: true });
      publish("3", "three");
      const { status, stderr } = await own.run("store");
      expect([status, stderr]).toEqual([3, expect.stringContaining("is not what it was in this release")]);
    } finally {
      own.remove();
    }
  });

  test("comes over HTTP, too, and what is not there is said with its address", async () => {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    project.write("Imagefile.ts", store(`nixpkgs: "${url}/nixpkgs.tar.gz", packages: ["hello"]`));
    await project.good("release", "refresh");
    expect((await project.good("show", "store")).stdout).toMatch(/packages +1 nix packages/);
    project.write("Imagefile.ts", store(`nixpkgs: "${url}/nothing.tar.gz", packages: ["hello"]`));
    const { status, stderr } = await project.run("store");
    expect([status, stderr]).toEqual([
      3,
      expect.stringContaining(`${url}/nothing.tar.gz cannot be fetched: 404`),
    ]);
  });
});

test("a branch of a stand-in for GitHub is pinned at the commit it is at, and fetched by that", async () => {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-nix-"));
  const commit = "4".repeat(40);
  const asked: string[] = [];
  const real = globalThis.fetch;
  globalThis.fetch = (url) => {
    asked.push(url instanceof Request ? url.url : url.toString());
    return Promise.resolve(new Response(readFileSync(join(dir, "nixpkgs.tar.gz"))));
  };
  try {
    packExpressions(dir, "4", "four");
    const context = {
      ...{ scratch: dir, base: dir, signal: new AbortController().signal },
      progress: () => undefined,
      warn: () => undefined,
    };
    const repo = { nixpkgs: "github:NixOS/nixpkgs/nixos-unstable" };
    expect(driver.repositoryName(repo)).toBe("github:NixOS/nixpkgs/nixos-unstable");
    mkdirSync(join(dir, "snapshot"));
    unwrap(await driver.snapshot(repo, "x86_64", join(dir, "snapshot"), context));
    const archive = "https://github.com/NixOS/nixpkgs/archive";
    expect(asked).toEqual([`${archive}/nixos-unstable.tar.gz`, `${archive}/${commit}.tar.gz`]);
    const snapshot = { repo, arch: "x86_64", dir: join(dir, "snapshot") };
    const packages = unwrap(await driver.resolve({ snapshot, want: [], options: {}, on: [] }, context));
    expect(packages).toMatchObject([{ name: "nixpkgs", version: commit }]);
    // Another machine, or another day, has the release's word and no snapshot.
    rmSync(join(dir, "snapshot"), { recursive: true });
    unwrap(await driver.fetch(repo, "x86_64", packages, dir, context));
    expect(asked.at(-1)).toBe(`${archive}/${commit}.tar.gz`);
    expect(await driver.buildDate(join(dir, packages[0]?.sha256 ?? ""))).toBe(1_700_000_000);
  } finally {
    globalThis.fetch = real;
    rmSync(dir, { recursive: true, force: true });
  }
});

test.each([
  [
    `nixpkgs: "flake:nixpkgs", packages: ["a"]`,
    /nixpkgs: expected github:OWNER\/REPOSITORY.*, found "flake:nixpkgs"/,
  ],
  [`nixpkgs: "nix", packages: []`, /packages: expected at least one, found none/],
  [`nixpkgs: "nix", packages: ["a b"]`, /packages\[0\]: expected a package name.*, found "a b"/],
  [`nixpkgs: "nix", packages: ["nixpkgs#hello"]`, /packages: expected an attribute, found "nixpkgs#hello"/],
  [`nixpkgs: "nix", packages: ["a"], unfre: true`, /unknown option unfre; did you mean unfree\?/],
  [`nixpkgs: list("a"), packages: ["a"]`, /nixpkgs: expected .*, found a source \(list\)/],
])("refuses { %s } and says what it expected", async (options, message) => {
  const project = makeProject({ "Imagefile.ts": store(options) });
  try {
    const { status, stderr } = await project.run("list");
    expect([status, stderr]).toEqual([2, expect.stringMatching(message)]);
  } finally {
    project.remove();
  }
});
