// What is in an image, and what differs between two: manifests of what was built, kept beside a release, and `diff`, through
// the real command line.
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { addPackage, hostArch } from "./support/apt-repo.js";
import { makeProject, type TestProject } from "./support/cli.js";
import { makePackageProject, makeTinyRepo, type PackageProject } from "./support/packages.js";

jest.setTimeout(120_000);

const json = (text: string): unknown => JSON.parse(text);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const [FIRST, SECOND] = ["20310506", "20310507"];

describe("two releases of images of packages", () => {
  let project: PackageProject;
  const diff = (...words: string[]) => project.run("diff", ...words);
  beforeAll(async () => {
    project = makePackageProject(makeTinyRepo());
    for (const day of [FIRST, SECOND]) {
      await project.good("--release", day, "release", "start");
      await project.good("--release", day);
      await project.good("--release", day, "release", "collect");
      addPackage(project.repo, {
        name: "libone",
        version: "1.1",
        files: {
          "/usr/lib/libone": "one 1.1\n",
          "/etc/systemd/system/multi-user.target.wants/one.service": {
            link: "/lib/systemd/system/one.service",
          },
        },
        modes: { "/usr/lib/libone": 0o755 },
      });
    }
  });
  afterAll(() => project.remove());

  test("each image has a manifest, which the release's file has the digest of", async () => {
    const { stdout } = await project.good("show", "platformfs-a", "--manifest");
    const manifest = json(stdout) as {
      readonly packages: readonly object[];
      readonly trees: readonly object[];
    };
    expect(manifest).toMatchObject({
      imagemakeManifest: 1,
      ...{ target: "platformfs-a", rule: "pack", arch: hostArch(), unknown: [] },
      tools: { "apt-get": expect.any(String) as unknown },
    });
    const known = { arch: hostArch(), manager: "apt", repository: "apt tiny main" };
    expect(manifest.packages).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...known, name: "app", version: "1.0", by: "platformfs-a.tree" }),
        expect.objectContaining({ ...known, name: "libone", version: "1.1", by: "platformfs-a.tree" }),
        expect.objectContaining({ ...known, name: "base-files", by: "rootfs.tree" }),
      ]),
    );
    expect(manifest.trees).toMatchObject([
      {
        by: "platformfs-a.tree",
        os: { ID: "tiny" },
        services: ["multi-user.target.wants/one.service"],
        users: ["root:0:0:/root:/bin/sh"],
      },
    ]);
    expect(project.read(`releases/${SECOND}.manifests/platformfs-a.json`)).toBe(stdout);
    expect(json(project.read(`releases/${SECOND}.json`))).toMatchObject({
      artifacts: { "platformfs-a": { manifest: sha256(stdout) } },
    });
    // Without what differs between machines: a package's place in the mirror, this directory.
    expect(stdout).not.toMatch(new RegExp(`${project.repo.dir}|${project.dir}|pool/`));
  });

  const CHANGES = {
    packages: [{ name: "libone", before: { version: "1.0" }, after: { version: "1.1" } }],
    services: { removed: [], added: ["multi-user.target.wants/one.service"] },
    ...{ kernels: { removed: [], added: [] }, users: { removed: [], added: [] }, tools: [], sources: [] },
  };

  test("`diff` of them says what changed, with the lines of texts; exit status 1", async () => {
    const { status, stdout } = await diff(FIRST, SECOND, "--json");
    expect(status).toBe(1);
    expect(json(stdout)).toMatchObject({
      ...{ imagemakeDiff: 1, a: FIRST, b: SECOND, same: false, files: true },
      images: [{ target: "platformfs-a", changes: CHANGES }],
    });
    const { images } = json(stdout) as {
      readonly images: readonly {
        readonly trees: readonly { readonly files: readonly { readonly path: string }[] }[];
      }[];
    };
    expect(images[0]?.trees[0]?.files.find(({ path }) => path === "usr/lib/libone")).toMatchObject({
      what: ["content", "mode"],
      ...{ before: { mode: "0644" }, after: { mode: "0755" } },
      diff: expect.stringContaining("-one 1.0\n+one 1.1\n") as unknown,
    });
    expect((await diff(FIRST, SECOND)).stdout).toContain(
      "    ~ usr/lib/libone (content, mode 0644 → 0755)\n      @@ -1,1 +1,1 @@\n      -one 1.0\n      +one 1.1\n",
    );
    // The target under two dates is the same question.
    const dated = await diff(`platformfs-a-${FIRST}`, `platformfs-a-${SECOND}`, "--json");
    expect(json(dated.stdout)).toMatchObject({ images });
  });

  test("what is the same is exit status 0, and silence", async () => {
    expect(await diff(FIRST, FIRST)).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(await diff(`rootfs-${FIRST}`, `out/rootfs-${SECOND}.tar`)).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
  });

  test("targets, files in out/, digests and manifests may be named", async () => {
    const images = [
      {
        target: "platformfs-b",
        changes: { packages: [{ name: "app" }, { name: "libone" }, { name: "nano" }] },
      },
    ];
    const artifact = (
      json((await project.good("show", "platformfs-b", "--json")).stdout) as { outputs: { OUT: string } }
    ).outputs.OUT;
    for (const [a, b] of [
      ["platformfs-a", "platformfs-b"],
      [`out/platformfs-a-${SECOND}.tar`, artifact],
      [`releases/${SECOND}.manifests/platformfs-a.json`, artifact.slice(2, 20)],
    ] as const)
      expect(json((await diff(a, b, "--json")).stdout)).toMatchObject({ images });
    // Of many images files are compared when that is asked for.
    project.write("lists/b.list", "nano\nvim\n");
    await project.good("--release", "20310508");
    const many = await diff(FIRST, "20310508");
    expect(many.stdout).toMatch(
      /\n {4}\+ vim 2:9\.0-1 .*\n[^]*files were not compared: --files compares them/,
    );
    expect((await diff(FIRST, "20310508", "--files")).stdout).toContain("\n    + usr/bin/vim\n");
  });

  test("words that mean nothing are exit status 2", async () => {
    project.write("mine", "mine\n");
    project.write("Other.ts", 'export const t = run({ inputs: {}, cmd: ":", out: "t" });');
    await project.good("-f", "Other.ts", "--release", FIRST, "release", "start");
    for (const [word, said, ...options] of [
      ["20310101", "there is no release 20310101"],
      ["nothing", "unknown target nothing"],
      ["f:0123456789ab", "no artifact here has the digest f:0123456789ab"],
      ["mine", "mine is neither the manifest of an image nor a file that was built here"],
      [`rootfs-20310101`, "nothing that is known here was built of rootfs-20310101 in release 20310101"],
      [FIRST, `nothing is known of what was built in release ${FIRST}`, "-f", "Other.ts"],
    ] as const) {
      const { status, stderr } = await diff(...options, word, "rootfs");
      expect([status, stderr]).toEqual([2, expect.stringContaining(said)]);
    }
    const never = await project.run("-f", "Other.ts", "show", "t", "--manifest");
    expect([never.status, never.stderr]).toEqual([
      1,
      expect.stringContaining("nothing that is known here was built of t\n"),
    ]);
  });

  test("releases are compared when nothing but their manifests is left", async () => {
    const before = json((await diff(FIRST, SECOND, "--json")).stdout) as {
      images: { trees: { files: object[] }[] }[];
    };
    rmSync(project.path(".imagemake"), { recursive: true });
    rmSync(project.path("out"), { recursive: true });
    for (const day of [FIRST, SECOND]) rmSync(project.path(day), { recursive: true });
    const after = await diff(FIRST, SECOND, "--json");
    const withoutTexts = before.images.map((image) => ({
      ...image,
      trees: image.trees.map((tree) => ({
        ...tree,
        files: tree.files.map((file) => ({ ...file, diff: null })),
      })),
    }));
    expect([after.status, json(after.stdout)]).toMatchObject([1, { images: withoutTexts }]);
    // A manifest that is not what the release's file says counts for nothing.
    const file = `releases/${SECOND}.manifests/platformfs-a.json`;
    project.write(file, project.read(file).replace('"1.1"', '"6.6"'));
    const forged = await diff(FIRST, SECOND);
    expect(forged).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("nothing is known of what is in platformfs-a on one side") as unknown,
    });
    expect(forged.stdout).not.toContain("6.6");
  });
});

describe("images without packages", () => {
  let project: TestProject;
  beforeAll(async () => {
    project = makeProject({
      "src/motd": "one\n",
      "Imagefile.ts": `
export const tree = run({ inputs: { S: files("src/*") }, tree: true, root: true, cmd: \`
  mkdir -p "$OUT/etc" "$OUT/usr/lib/modules/6.1.0-arm64" "$OUT/etc/runit/runsvdir/default"
  cp $S "$OUT/etc/"; ln -s /etc/sv/sshd "$OUT/etc/runit/runsvdir/default/sshd"
  printf 'root:x:0:0:Me:/root:/bin/sh\\\\n' > "$OUT/etc/passwd"\` });
export const image = run({ inputs: { T: tree }, cmd: 'tar -C "$T" -cf "$OUT" .', out: "image-{date}.tar" });
export const text = run({ inputs: { S: files("src/*") }, cmd: 'cat $S > "$OUT"', out: "text-{date}" });`,
    });
    for (const day of [FIRST, SECOND]) {
      await project.good("--release", day, "image-all", "text-all", "tree-all");
      project.write("src/motd", "two\n");
    }
  });
  afterAll(() => project.remove());

  test("have trees and files of the project in their manifests", async () => {
    expect(json((await project.good("show", "image", "--manifest")).stdout)).toMatchObject({
      packages: [],
      files: [{ path: "src/motd", content: `f:${sha256("two\n")}`, by: "tree" }],
      trees: [
        {
          by: "tree",
          ...{ kernels: ["6.1.0-arm64"], services: ["default/sshd"], users: ["root:0:0:/root:/bin/sh"] },
        },
      ],
    });
  });

  test("an action may make what it reads, byte for byte", async () => {
    project.write(
      "Same.ts",
      `export const one = run({ inputs: { S: files("src/*") }, cmd: 'echo same > "$OUT"', out: "one" });
       export const same = run({ inputs: { IN: one }, cmd: 'cat "$IN" > "$OUT"', out: "same" });`,
    );
    await project.good("-f", "Same.ts", "same-all");
    const { stdout } = await project.good("-f", "Same.ts", "show", "same", "--manifest");
    expect(json(stdout)).toMatchObject({
      target: "same",
      files: [{ path: "src/motd", by: "one" }],
      unknown: [],
    });
  });

  test("a digest that two artifacts have is not guessed at", async () => {
    project.write(
      "Two.ts",
      `export const two = each(["644", "755"], mode => run({ inputs: {}, cmd: 'echo two > "$OUT"; chmod ' + mode + ' "$OUT"', out: "two-" + mode }));`,
    );
    await project.good("-f", "Two.ts", "two-all");
    const digest = sha256("two\n");
    expect(await project.run("diff", digest, `f:${digest}`)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`several artifacts have digests that begin with ${digest}`) as unknown,
    });
    expect((await project.run("diff", `x:${digest}`, `f:${digest}`)).status).toBe(1);
  });

  test("are compared by their files; a file alone by its lines", async () => {
    const { stdout } = await project.run("diff", FIRST, SECOND, "--files");
    expect(stdout).toMatch(
      /\nimage: .*\n[^]*\n {4}~ etc\/motd \(content\)\n {6}@@ -1,1 \+1,1 @@\n {6}-one\n {6}\+two\n/,
    );
    expect(stdout).toMatch(/\ntext: .*\n {2}files of the project\n {4}~ src\/motd\n {2}content\n {6}@@/);
    expect(stdout).toMatch(/\ntree: t:/);
  });
});
