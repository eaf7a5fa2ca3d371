// What a release file may hold, through the real command line: names and digests in it become paths, so that none leads
// anywhere else; and what the command line may set.
import { chownSync, cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { atTime, makeProject, type TestProject } from "./support/cli.js";
import { makePackageProject, makeTinyRepo, type PackageProject } from "./support/packages.js";

jest.setTimeout(120_000);

const asRoot = process.getuid?.() === 0 ? test : test.skip;
const HEX = "0".repeat(64);
const PACKAGE = { name: "a", version: "1", arch: "all", sha256: HEX, size: 1, location: "pool/a.deb" };
const closure = (change: object): object => ({
  base: { request: HEX, digest: HEX, packages: [PACKAGE, { ...PACKAGE, ...change }] },
});
const artifact = (change: object): object => ({
  image: {
    name: "i",
    key: HEX,
    digest: HEX,
    executable: false,
    size: 1,
    provenance: { kind: "built", at: "2031-05-06", machine: "" },
    ...change,
  },
});

describe("a release file", () => {
  let project: TestProject;
  let release: object;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `import { run } from "imagemake";
export const image = run({ inputs: {}, cmd: 'echo "$DATECODE" > "$OUT"', date: true, out: "image-{date}" });`,
      precious: "precious",
    });
    await project.good("release", "start", "--release", "20310506");
    release = JSON.parse(project.read("releases/20310506.json")) as object;
  });
  afterAll(() => project.remove());

  test.each([
    ["closures.base.packages.1.sha256", { closures: closure({ sha256: "../../../precious" }) }],
    ["closures.base.packages.1.name", { closures: closure({ name: "../x" }) }],
    ["closures.base.packages.1.version", { closures: closure({ version: "1/../.." }) }],
    ["closures.base.packages.1.size", { closures: closure({ size: -1 }) }],
    ["closures.base.packages", { closures: { base: { request: HEX, digest: HEX } } }],
    ["snapshots.r.digest", { snapshots: { r: { digest: "../../..", taken: "" } } }],
    ["artifacts.image.name", { artifacts: artifact({ name: "../../precious" }) }],
    ["artifacts.image.digest", { artifacts: artifact({ digest: "x" }) }],
    ["collected.sums", { collected: { dir: "20310506", sums: "/etc/passwd", form: "bsd" } }],
    ["signature.file", { signature: { tool: "signify", file: "../x", publicKey: "" } }],
    [
      "artifacts.image.provenance.because",
      { artifacts: artifact({ provenance: { kind: "adopted", at: "2031-05-06" } }) },
    ],
    ["snapshots.r.taken", { snapshots: { r: { digest: HEX, taken: "soon" } } }],
    ["ticked.step", { ticked: { step: "then" } }],
    ["state", { state: "opened" }],
    ["roster", { roster: "image" }],
    [
      "rejected.0.digest",
      { rejected: [{ target: "image", because: "", at: "2031-05-06T10:00:00Z", digest: 1 }] },
    ],
  ])("with a %s that cannot be is refused by its name, and nothing is touched", async (field, change) => {
    project.write("releases/20310506.json", JSON.stringify({ ...release, ...change }));
    for (const words of [["image"], ["-n", "image"], ["release", "status"], ["clean", "-n"]]) {
      const { status, stderr } = await project.run(...words);
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining(`: ${field} is not what belongs there\n`),
      ]);
    }
    expect(project.read("precious")).toBe("precious");
  });

  test("as it was written is taken, with fields that a newer imagemake has", async () => {
    project.write("releases/20310506.json", JSON.stringify({ ...release, later: { a: 1 } }));
    await project.good("image");
    expect(project.read("out/image-20310506")).toBe("20310506\n");
  });
});

describe("closures of a release file", () => {
  let project: PackageProject;
  const AT = "2031-05-06T10:00:00Z";
  const at = (...words: readonly string[]): ReturnType<TestProject["call"]> =>
    project.call({ under: atTime(AT) }, ...words);
  const FILE = "releases/20310506.json";
  interface File {
    readonly closures: Readonly<
      Record<string, { readonly digest: string; readonly packages: readonly object[] }>
    >;
  }
  const edit = (change: (file: File) => File): void =>
    project.write(FILE, JSON.stringify(change(JSON.parse(project.read(FILE)) as File)));
  const changed =
    (one: object, digest?: string) =>
    (file: File): File => {
      const [entry] = Object.entries(file.closures);
      if (entry === undefined) throw new Error("no closure");
      const [id, closure] = entry;
      const [first, ...rest] = closure.packages;
      const packages = [{ ...first, ...one }, ...rest];
      return {
        ...file,
        closures: { ...file.closures, [id]: { ...closure, packages, digest: digest ?? closure.digest } },
      };
    };
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo());
    await project.call({ under: atTime(AT) }, "release", "start");
    expect((await at()).status).toBe(0);
  });
  afterAll(() => project.remove());

  test("that their digest is not of, as after a merge by hand, are resolved anew, and that is said once", async () => {
    const before = project.read(FILE);
    edit(changed({ version: "9" }));
    const { status, stderr } = await at();
    expect(status).toBe(0);
    expect(stderr.match(/are not those that its digest is of/g)).toHaveLength(1);
    const closures = (text: string): unknown => (JSON.parse(text) as File).closures;
    expect(closures(project.read(FILE))).toEqual(closures(before));
    expect((await at()).stderr).toMatch(/\nnothing to do\n$/);
  });

  asRoot("count for root only as they were resolved here, where the file is somebody else's", async () => {
    const { closureDigest } = await import("../engine/packages/closure.js");
    const before = JSON.parse(project.read(FILE)) as File;
    const forged = changed({ sha256: "f".repeat(64), location: "copy:/tmp/evil.deb" })(before);
    const [id = "", closure] = Object.entries(forged.closures)[0] ?? [];
    const digest = closureDigest((closure?.packages ?? []) as Parameters<typeof closureDigest>[0]);
    edit(changed({ sha256: "f".repeat(64), location: "copy:/tmp/evil.deb" }, digest));
    chownSync(project.path(FILE), 65534, 65534);
    const { status, stderr } = await at();
    expect(stderr).toContain(`the packages of ${id} in release 20310506 were not resolved here`);
    expect([status, stderr]).toEqual([0, expect.anything()]);
    expect(project.read(FILE)).not.toContain("evil");
    // What was resolved here is taken from here, not from the file.
    edit(changed({ location: "copy:/tmp/evil.deb" }));
    chownSync(project.path(FILE), 65534, 65534);
    expect((await at("-B", id)).status).toBe(0);
    expect((await at()).stderr).toMatch(/\nnothing to do\n$/);
  });
});

asRoot(
  "a snapshot that was not taken here as the configuration asks is none, in a file of somebody else's",
  async () => {
    const project = makePackageProject(makeTinyRepo());
    try {
      const at = (...words: readonly string[]): ReturnType<TestProject["call"]> =>
        project.call({ under: atTime("2031-05-06T10:00:00Z") }, ...words);
      expect((await at("release", "start")).status).toBe(0);
      const FILE = "releases/20310506.json";
      const before = JSON.parse(project.read(FILE)) as { snapshots: Record<string, { digest: string }> };
      const [[name, snapshot] = ["", { digest: "" }]] = Object.entries(before.snapshots);
      const store = project.path(".imagemake/store/snapshots");
      cpSync(join(store, snapshot.digest), join(store, HEX), { recursive: true });
      const forged = { ...before, snapshots: { [name]: { ...snapshot, digest: HEX } } };
      project.write(FILE, JSON.stringify(forged));
      chownSync(project.path(FILE), 65534, 65534);
      expect((await at()).status).toBe(0);
      const after = JSON.parse(project.read(FILE)) as typeof before;
      expect(after.snapshots[name]?.digest).toBe(snapshot.digest);
    } finally {
      project.remove();
    }
  },
);

describe("VAR= on the command line", () => {
  const project = makeProject({
    "Imagefile.ts": `import { run } from "imagemake";
import { q } from "./helper.ts";
export const g = run({ inputs: {}, cmd: \`echo \${q} > "$OUT"\`, out: "g" });`,
    "helper.ts": "export const q = 1;\n",
    "alt.ts": "export const q = 666;\n",
  });
  afterAll(() => project.remove());
  const sudo = { env: { SUDO_UID: "4343", SUDO_GID: "4343" } };
  const alias = JSON.stringify({ "./helper.ts": project.path("alt.ts") });

  test.each([
    `JITI_ALIAS=${alias}`,
    "PATH=/tmp",
    "LD_PRELOAD=/tmp/x.so",
    "NODE_OPTIONS=--require=/tmp/x",
    "GIT_DIR=/tmp",
    "BASH_ENV=/tmp/x",
    "https_proxy=x",
  ])("that the Imagefile does not ask for is refused, whatever else would read it: %s", async (word) => {
    for (const words of [["g"], ["-n", "g"], ["list"]]) {
      const { status, stderr } = await project.call(sudo, ...words, word);
      expect([status, stderr]).toEqual([
        2,
        expect.stringContaining(`the Imagefile asks for no ${word.replace(/=.*/, "")}`),
      ]);
    }
  });

  test("is not needed for it: what the loader reads of the environment changes no import", async () => {
    await project.call({ env: { JITI_ALIAS: alias } }, "g");
    expect(project.read("out/g")).toBe("1\n");
  });
});

describe("who may only run an Imagefile under sudo", () => {
  const project = makeProject({
    "Imagefile.ts": `import { execSync } from "node:child_process";
import { arg, run } from "imagemake";
execSync('printenv TAR_OPTIONS >> seen || :');
export const a = run({ inputs: {}, cmd: 'echo ' + arg("WORD", "good") + ' > "$OUT"', out: "a-{date}" });
export const b = run({ inputs: {}, cmd: 'echo EVIL > "$OUT"', out: "b-{date}" });`,
    mine: "mine",
  });
  afterAll(() => project.remove());
  const sudo = { env: { SUDO_UID: "4343", SUDO_GID: "4343" } };
  const at = (...words: readonly string[]): ReturnType<TestProject["call"]> =>
    project.call({ ...sudo, under: atTime("2031-05-06T10:00:00Z") }, ...words);
  const FILE = "releases/20310506.json";

  asRoot("has nothing believed that was built or made elsewhere", async () => {
    expect((await at("release", "start")).status).toBe(0);
    expect((await at("a", "b")).status).toBe(0);
    const adopt = await at("release", "adopt", "a", "mine", "--because", "x");
    expect([adopt.status, adopt.stderr]).toEqual([
      2,
      expect.stringContaining("may not adopt files under sudo"),
    ]);
    const collect = await at("release", "collect", "/tmp");
    expect(collect.stderr).toContain("may not choose where a release is collected under sudo");
    // An adoption that the caller wrote down is none: the owner's own says what the origin is.
    await project.call(
      { under: atTime("2031-05-06T10:00:00Z") },
      "release",
      "adopt",
      "a",
      "out/b-20310506",
      "--because",
      "x",
    );
    const adopted = project.read(FILE);
    chownSync(project.path(FILE), 4343, 4343);
    const { status, stderr } = await at("a");
    expect(adopted).toContain('"adopted"');
    expect(stderr).toContain("what was adopted for a in release 20310506 no longer counts");
    expect([status, project.read("out/a-20310506")]).toEqual([0, "good\n"]);
  });

  asRoot("gives what is asked for only with something else", async () => {
    project.write(
      "nested.ts",
      `import { arg, run } from "imagemake";
const more = arg("MORE", "no") === "yes" ? arg("WHICH", "none") : "no";
export const n = run({ inputs: {}, cmd: 'echo ' + more + ' > "$OUT"', out: "n" });`,
    );
    expect((await at("-f", "nested.ts", "n", "WHICH=that", "MORE=yes")).status).toBe(0);
    expect(project.read("out/n")).toBe("that\n");
    expect((await at("-f", "nested.ts", "n", "WHICH=that")).status).toBe(2);
  });

  asRoot("sets no variable that the Imagefile does not ask for, for whatever it starts", async () => {
    const other = await at("a", "TAR_OPTIONS=--checkpoint=1");
    expect([other.status, other.stderr]).toEqual([2, expect.stringContaining("asks for no TAR_OPTIONS")]);
    expect(project.read("seen")).toBe("");
    expect((await at("a", "WORD=asked")).status).toBe(0);
    expect(project.read("out/a-20310506")).toBe("asked\n");
  });
});
