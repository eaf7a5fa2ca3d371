// The life of a release through the real command line, with the real signify, minisign and sha256sum.
import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, cpSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { DAY, imagefile } from "./support/release.js";

jest.setTimeout(60_000);

let project: TestProject;
afterEach(() => project.remove());

async function collected(signer = "signify()", ...targets: string[]): Promise<void> {
  project = makeProject({ "Imagefile.ts": imagefile(signer) });
  await project.good("release", "start", "--release", DAY);
  await project.good("image-all", ...targets);
  await project.good("release", "collect");
}

test("collect refuses what was not built, naming it, and writes sums that sha256sum accepts", async () => {
  project = makeProject({ "Imagefile.ts": imagefile("signify()") });
  await project.good("release", "start", "--release", DAY);
  await project.good("image-a");
  const refused = await project.run("release", "collect");
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("image-b: never built") });
  expect(project.exists(DAY)).toBe(false);
  await project.good("image-b");
  await project.good("release", "collect");
  const sums = spawnSync("sha256sum", ["-c", "sha256sum.txt"], { cwd: project.path(DAY), encoding: "utf8" });
  expect(sums).toMatchObject({ status: 0, stdout: `image-a-${DAY}.txt: OK\nimage-b-${DAY}.txt: OK\n` });
  const build = await project.run("image-all");
  expect(build).toMatchObject({ status: 2, stderr: expect.stringContaining("release reopen") });
});

test.each(["signify()", "minisign()"])("%s: signed, verified, promoted and rolled back", async (signer) => {
  await collected(signer, "works");
  const early = await project.run("release", "promote");
  expect(early.status).toBe(2);
  await project.good("release", "sign");
  await project.good("release", "verify");
  const keys = `release-keys/${DAY}/${DAY}`;
  expect(project.read(`${keys}.pub`)).toContain(`This key is only valid for images with date ${DAY}.`);
  expect(statSync(project.path("release-keys")).mode & 0o777).toBe(0o700);
  for (const end of ["sec", "pub", "pass"])
    expect(statSync(project.path(`${keys}.${end}`)).mode & 0o777).toBe(0o600);
  const secret = project.read(`${keys}.pass`).trim();
  const found = spawnSync("grep", ["-rlF", secret, "."], { cwd: project.dir, encoding: "utf8" });
  expect(found.stdout).toBe(`./${keys}.pass\n`);
  const before = project.read(`${keys}.sec`);
  await project.good("release", "reopen");
  expect(project.names(DAY)).toEqual([`image-a-${DAY}.txt`, `image-b-${DAY}.txt`]);
  await project.good("release", "collect");
  await project.good("release", "sign");
  expect(project.read(`${keys}.sec`)).toBe(before);
  await project.good("release", "promote");
  expect(readlinkSync(project.path("current"))).toBe(DAY);
  await project.good("release", "verify", "current");
  const fate = `${project.path("current")}: removed, since nothing was current before ${DAY}\n`;
  expect((await project.good("release", "rollback", "-n")).stderr).toBe(
    `would withdraw release ${DAY}; ${fate}`,
  );
  expect(readlinkSync(project.path("current"))).toBe(DAY);
  expect((await project.good("release", "rollback")).stderr).toContain(fate);
  expect(project.exists("current")).toBe(false);
});

test("verify names the changed, the missing and the extra file, and promote refuses with it", async () => {
  await collected("signify()", "works");
  await project.good("release", "sign");
  const file = project.path(DAY, `image-a-${DAY}.txt`);
  chmodSync(file, 0o644);
  appendFileSync(file, "x");
  rmSync(project.path(DAY, `image-b-${DAY}.txt`));
  project.write(`${DAY}/extra`, "");
  for (const command of ["verify", "promote"]) {
    const { status, stderr } = await project.run("release", command);
    expect(status).toBe(1);
    for (const name of [`image-a-${DAY}.txt is not`, `image-b-${DAY}.txt is missing`, "extra is in no"])
      expect(stderr).toContain(name);
  }
  expect(project.exists("current")).toBe(false);
});

test("status leads to the checks of the gate before it leads to collect and sign, and collect warns of them", async () => {
  project = makeProject({ "Imagefile.ts": imagefile("signify()") });
  const next = async (): Promise<string> =>
    /next: (.*)/.exec((await project.good("release", "status")).stdout)?.[1] ?? "";
  await project.good("release", "start", "--release", DAY);
  await project.good("image-a");
  expect(await next()).toBe("imagemake image-b works");
  await project.good("image-b");
  expect(await next()).toBe("imagemake works");
  expect((await project.good("release", "collect")).stderr).toContain(
    "warning: no pass of the gate for what is collected: works;",
  );
  expect((await project.good("release", "status")).stdout).toContain("no pass of the gate: works");
  expect(await next()).toBe("imagemake release reopen");
  await project.good("release", "reopen");
  await project.good("works");
  expect(await next()).toBe("imagemake release collect");
  expect((await project.good("release", "collect")).stderr).not.toContain("warning");
  expect(await next()).toBe("imagemake release sign");
});

test("a check without a pass stops sign; a waiver with its reason is recorded", async () => {
  await collected();
  const refused = await project.run("release", "sign");
  expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("works") });
  expect(project.exists(`${DAY}/sha256sum.sig`)).toBe(false);
  await project.good("release", "sign", "--waive", "works", "--because", "no machine");
  expect(project.read(`releases/${DAY}.json`)).toContain("no machine");
});

test("a rejected digest is out of date though its key is unchanged", async () => {
  project = makeProject({ "Imagefile.ts": imagefile("signify()") });
  await project.good("release", "start", "--release", DAY);
  await project.good("image-all");
  await project.good("release", "reject", "image-a", "--because", "no boot");
  expect((await project.good("why", "image-a")).stdout).toContain("was rejected: no boot");
  expect((await project.run("release", "collect")).status).toBe(1);
  const again = await project.run("image-a");
  expect(again).toMatchObject({ status: 1, stderr: expect.stringContaining("again what was rejected") });
});

test("--expect ignores dates and shows what drifted", async () => {
  project = makeProject({ "Imagefile.ts": imagefile("signify()"), list: "image-a-20200101.txt\nold\n" });
  const drifted = await project.run("image-all-print", "--expect", "list");
  expect(drifted.status).toBe(1);
  expect(drifted.stderr).toMatch(/^-old\n\+image-b-\d{8}\.txt\n$/);
  project.write("list", "image-a-20200101.txt\nimage-b-20200101.txt\n");
  expect(await project.run("image-all-print", "--expect", "list")).toMatchObject({ status: 0, stderr: "" });
});

test("a copy of a project has a place of its own, and one that names the original's leaves it alone", async () => {
  await collected("signify()", "works");
  await project.good("release", "sign");
  const copy = `${project.dir}-copy`;
  const original = project.names(DAY);
  try {
    cpSync(project.dir, copy, { recursive: true, preserveTimestamps: true });
    const own = await project.call({ cwd: copy }, "release", "promote");
    expect(own).toMatchObject({ status: 0, stderr: expect.stringContaining(join(copy, DAY)) });
    expect(project.exists("current")).toBe(false);
    // As release files were before: absolute.
    const file = join(copy, "releases", `${DAY}.json`);
    const kept = project.read(`releases/${DAY}.json`);
    expect(kept).toContain(`"dir": "${DAY}"`);
    const old = kept.replace(`"dir": "${DAY}"`, `"dir": "${project.path(DAY)}"`);
    writeFileSync(file, old);
    for (const command of ["sign", "promote", "verify"]) {
      const { status, stderr } = await project.call({ cwd: copy }, "release", command);
      expect(stderr).toContain(`release ${DAY} was collected elsewhere (${project.path(DAY)})`);
      expect(status).toBe(2);
    }
    const opened = await project.call({ cwd: copy }, "release", "reopen");
    expect(opened).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("leaves that alone; collect again"),
    });
    expect(project.names(DAY)).toEqual(original);
    expect(project.exists("current")).toBe(false);
    // In the project itself such a file is good.
    project.write(`releases/${DAY}.json`, old);
    await project.good("release", "reopen");
    expect(project.names(DAY)).toEqual([`image-a-${DAY}.txt`, `image-b-${DAY}.txt`]);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

test("an export over an earlier one names what a person put there, and leaves it", async () => {
  project = makeProject({ "Imagefile.ts": imagefile("signify()") });
  await project.good("release", "start", "--release", DAY);
  await project.good("image-all");
  await project.good("release", "export", "image-a", "ex");
  project.write("ex/mydir/notes", "precious");
  project.write("ex/files/own", "precious");
  const { status, stderr } = await project.run("release", "export", "image-a", "ex");
  expect(stderr).toContain("holds what is not of its export: mydir, files/own");
  expect(status).toBe(2);
  expect(project.read("ex/mydir/notes")).toBe("precious");
  rmSync(project.path("ex/mydir"), { recursive: true });
  rmSync(project.path("ex/files/own"));
  await project.good("release", "export", "image-all", "ex");
});

test.each(["sha256sum.txt", "sha256sum.sig"])(
  "start and collect refuse an artifact with a name of the release's own, which would take its place: %s",
  async (name) => {
    const one = (out: string): string =>
      `import { run } from "imagemake";\nexport const one = run({ inputs: {}, cmd: 'echo one > "$OUT"', out: "${out}" });\n`;
    project = makeProject({ "Imagefile.ts": one(name) });
    const said = `${name}: the release's own file has that name, beside its artifacts`;
    expect(await project.run("release", "start")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(said),
    });
    expect(project.exists("releases")).toBe(false);
    project.write("Imagefile.ts", one("other"));
    await project.good("release", "start", "--release", DAY);
    project.write("Imagefile.ts", one(name));
    await project.good("one");
    expect(await project.run("release", "collect")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(said),
    });
    expect(project.exists(DAY)).toBe(false);
  },
);
