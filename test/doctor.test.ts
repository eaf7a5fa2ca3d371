// `imagemake doctor` through the real command line, on a machine from which things are taken away in a mount
// namespace.
import { chmodSync } from "node:fs";
import { afterEach, describe, expect, test } from "@jest/globals";
import { makeProject, type Ended, type TestProject } from "./support/cli.js";

const IMAGEFILE = `import { apt, files, rule, run, step } from "imagemake";
const debian = apt({ url: "host", suite: "bookworm" });
const packages = ["busybox-static"];
export const plain = run({ inputs: {}, cmd: ': > "$OUT"', out: "plain" });
export const mini = rule.rootfs({ repo: debian, arch: "amd64", variant: "busybox", packages, out: "mini.tar.xz" });
export const arm = rule.rootfs({ repo: debian, arch: "arm64", variant: "busybox", packages });
export const layered = rule.platformfs({ from: mini, steps: [step.write("etc/x", "x")] });
export const boots = rule.boot({ kernel: plain, initrd: plain, cmdline: "quiet", expect: "login:" });
export const huge = rule.boot({ kernel: plain, initrd: plain, cmdline: "", expect: "x", memory: "100000GiB" });
`;

const projects: TestProject[] = [];
afterEach(() => projects.splice(0).forEach((project) => project.remove()));

function made(imagefile: string | null = IMAGEFILE): TestProject {
  const project = makeProject(imagefile === null ? {} : { "Imagefile.ts": imagefile });
  projects.push(project);
  return project;
}

interface Finding {
  readonly state: string;
  readonly what: string;
  readonly fix: string | null;
  readonly for: readonly string[];
}
const findings = ({ stdout }: Ended): Finding[] => JSON.parse(stdout) as Finding[];

/** Words that run a command where these programs cannot be executed. */
const without = (...programs: string[]): readonly string[] => [
  ...["unshare", "--mount", "sh", "-euc"],
  'while [ "$1" != -- ]; do mount --bind /dev/null "$1"; shift; done; shift; exec "$@"',
  ...["sh", ...programs, "--"],
];

describe("without an Imagefile", () => {
  test("the general things are looked at, and nothing is made", async () => {
    const project = made(null);
    const said = await project.run("doctor");
    expect(said.status).toBe(0);
    for (const line of ["ok  no Imagefile.ts here; imagemake init writes one", "ok  namespaces, as root"])
      expect(said.stdout).toContain(`${line}\n`);
    expect(said.stdout).toMatch(/^ok {2}node 20\./m);
    expect(said.stdout).toMatch(/^ok {2}disk: .* free in /m);
    expect(said.stdout).not.toMatch(/overlay|mmdebstrap|KVM/);
    expect(project.names(".")).toEqual([]);
  });

  test("a named target is a mistake", async () => {
    const refused = await made(null).run("doctor", "mini");
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringContaining("imagemake init writes one"),
    ]);
  });
});

describe("with an Imagefile", () => {
  test("all of its targets are looked at, where none is named", async () => {
    const project = made();
    const said = findings(await project.run("doctor", "--json"));
    expect(said[0]).toMatchObject({ state: "ok", what: "Imagefile.ts: 6 targets" });
    const tools = said.find(({ what }) => what === "mmdebstrap");
    expect(tools?.for).toEqual(["mini.tree", "arm"]);
    for (const what of [/^apt: /, /^attr: getfattr$/, /overlays/, /aarch64/, /KVM|emulated/])
      expect(said.map((finding) => finding.what)).toContainEqual(expect.stringMatching(what));
    // Looking makes nothing, not even the trial of overlays.
    expect(project.names(".")).toEqual(["Imagefile.ts"]);
  });

  test("of a named target only what it needs, with what lies beneath it", async () => {
    const project = made();
    const plain = await project.run("doctor", "plain");
    expect([plain.status, plain.stdout]).toEqual([
      0,
      expect.not.stringMatching(/mmdebstrap|getfattr|aarch64/),
    ]);
    const layered = findings(await project.run("doctor", "layered", "--json"));
    expect(layered.find(({ what }) => what === "mmdebstrap")?.for).toEqual(["mini.tree"]);
    expect(layered.map(({ what }) => what)).not.toContainEqual(expect.stringContaining("aarch64"));
  });

  test("a missing program names its package and who wants it; status 3", async () => {
    const project = made();
    const said = await project.call(
      { under: without("/usr/bin/mmdebstrap", "/usr/bin/xz") },
      "doctor",
      "mini",
    );
    expect(said.status).toBe(3);
    expect(said.stdout).toContain("--  no mmdebstrap (for mini.tree): apt-get install mmdebstrap\n");
    expect(said.stdout).toContain("--  no xz (for mini): apt-get install xz-utils\n");
    expect(said.stderr).toBe("all at once: apt-get install mmdebstrap xz-utils\n");
    // What is lacking for others does not count.
    expect((await project.call({ under: without("/usr/bin/mmdebstrap") }, "doctor", "plain")).status).toBe(0);
  });

  test("a program that is only on the caller's PATH: where it is, and how actions get at it", async () => {
    const project = made();
    project.write("mine/mmdebstrap", "#!/bin/sh\n");
    chmodSync(project.path("mine/mmdebstrap"), 0o755);
    const env = { PATH: `${process.env["PATH"] ?? ""}:${project.path("mine")}` };
    const under = without("/usr/bin/mmdebstrap");
    const said = await project.call({ under, env }, "doctor", "mini", "-s");
    expect([said.status, said.stdout]).toEqual([
      3,
      `--  no mmdebstrap (for mini.tree): ln -s ${project.path("mine/mmdebstrap")} /usr/local/bin/ ` +
        "(actions have a PATH of their own: /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)\n",
    ]);
  });

  test("and a build says so too", async () => {
    const project = made();
    await project.run("-k", "mini");
    project.write("mine/apt-get", "#!/bin/sh\n");
    chmodSync(project.path("mine/apt-get"), 0o755);
    project.write("Imagefile.ts", project.read("Imagefile.ts").replace(/"dpkg"/, '"dpkg", "nano"'));
    const env = { PATH: `${process.env["PATH"] ?? ""}:${project.path("mine")}` };
    const said = await project.call({ under: without("/usr/bin/apt-get"), env }, "mini");
    expect([said.status, said.stderr.replace(/^(?!imagemake:| ).*\n/gm, "")]).toEqual([
      3,
      "imagemake: mini.tree: apt-get (package apt): not where actions and package managers look for programs\n" +
        `  ln -s ${project.path("mine/apt-get")} /usr/local/bin/ ` +
        "(actions have a PATH of their own: /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)\n",
    ]);
  });

  test("a missing program of the package manager's driver counts too", async () => {
    const said = await made().call({ under: without("/usr/bin/apt-ftparchive") }, "doctor", "mini", "-s");
    expect([said.status, said.stdout]).toEqual([
      3,
      "--  no apt-ftparchive (for mini.tree): apt-get install apt-utils\n",
    ]);
  });

  test("too small a disk is said with what there is", async () => {
    const project = made();
    const small = ["unshare", "--mount", "sh", "-euc"];
    const script =
      'f=$(cat Imagefile.ts); mount -t tmpfs -o size=5m none .; cd "$PWD"; echo "$f" >Imagefile.ts; exec "$@"';
    const said = await project.call({ under: [...small, script, "sh"] }, "doctor", "plain");
    expect(said.status).toBe(3);
    expect(said.stdout).toMatch(/^-- {2}disk: \d\.\d MB free in .*: free some: 100 MB at least/m);
  });

  test("an action that wants more memory than there is", async () => {
    const said = await made().run("doctor", "huge");
    expect([said.status, said.stdout]).toEqual([3, expect.stringMatching(/^-- {2}memory: .*\(for huge\)/m)]);
  });

  test("no foreign programs without their emulator", async () => {
    const hidden = await made().call(
      { under: without("/usr/bin/qemu-aarch64-static") },
      "doctor",
      "arm",
      "--quiet",
    );
    expect(hidden.status).toBe(3);
    expect(hidden.stdout).toContain("no qemu-aarch64-static (for arm): apt-get install qemu-user-static");
  });

  test("guests are emulated where KVM is of no use, and that is no lack", async () => {
    const said = await made().call({ env: { IMAGEMAKE_ACCEL: "tcg" } }, "doctor", "boots");
    expect(said.status).toBe(0);
    expect(said.stdout).toContain("ok  guests are emulated, which is slower: IMAGEMAKE_ACCEL=tcg\n");
  });

  test("a broken one is said, with its line, beside the general things; status 2", async () => {
    const said = await made("export const a = run({ inputs: {}, out: 'x' } as never);\n").run("doctor");
    expect(said.status).toBe(2);
    expect(said.stdout).toMatch(
      /^-- {2}Imagefile\.ts:2: run: cmd: expected a command.*: mend Imagefile\.ts$/m,
    );
    expect(said.stdout).toMatch(/^ok {2}namespaces/m);
  });

  test("an unknown target names the nearest", async () => {
    const refused = await made().run("doctor", "minni");
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("mini")]);
  });
});
