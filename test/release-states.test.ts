// What else happens to a release: given up, narrowed, collected elsewhere, cleaned around; what only looks and what
// refuses.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { afterEach, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { builtRelease, collectedRelease, DAY, imagefile } from "./support/release.js";

jest.setTimeout(90_000);

let project: TestProject;
afterEach(() => project.remove());

const RELEASE = `releases/${DAY}.json`;

test("a dropped target leaves roster and directory, with its reason", async () => {
  project = await collectedRelease();
  const early = await project.run("release", "drop", "image-b", "--because", "no time");
  expect(early).toMatchObject({ status: 2, stderr: expect.stringContaining("release reopen") });
  await project.good("release", "reopen");
  expect((await project.run("release", "drop", "image-b")).stderr).toContain("--because TEXT");
  expect((await project.run("release", "drop", "image-c", "--because", "x")).status).toBe(2);
  await project.good("release", "drop", "image-b", "--because", "no time");
  await project.good("release", "collect");
  expect(project.names(DAY)).toEqual([`image-a-${DAY}.txt`, "sha256sum.txt"]);
  expect(JSON.parse(project.read(RELEASE))).toMatchObject({
    roster: ["image-a"],
    dropped: [{ target: "image-b", because: "no time" }],
  });
});

test("an abandoned release is final, and no longer joined", async () => {
  project = await collectedRelease();
  const would = await project.good("release", "abandon", "-n");
  expect(would.stderr).toContain(`would abandon release ${DAY}`);
  expect(project.read(RELEASE)).toContain('"state": "collected"');
  await project.good("release", "abandon");
  for (const command of ["collect", "reopen", "sign", "promote", "abandon"]) {
    const refused = await project.run("release", command, "--release", DAY);
    expect(`${command} ${refused.status} ${refused.stderr}`).toMatch(/^\w+ 2 .*is abandoned/);
  }
  expect(project.exists(`${DAY}/sha256sum.txt`)).toBe(true);
  const { stderr } = await project.good("image-all");
  expect(stderr).not.toContain(DAY);
});

test("GNU's form in another place, under another name", async () => {
  project = await collectedRelease(
    "signify()",
    'into: "www/live", sums: { file: "SHA256SUMS", form: "gnu" }',
  );
  expect(project.read(`www/live/${DAY}/SHA256SUMS`)).toMatch(/^[0-9a-f]{64} {2}image-a-20310506\.txt\n/);
  const cwd = project.path("www/live", DAY);
  expect(spawnSync("sha256sum", ["-c", "--strict", "SHA256SUMS"], { cwd }).status).toBe(0);
  await project.good("release", "sign");
  await project.good("release", "promote");
  expect(project.names("www/live")).toEqual([DAY, "current"]);
  const { signature } = JSON.parse(project.read(RELEASE)) as { signature: { publicKey: string } };
  project.write("key.pub", signature.publicKey);
  await project.good("release", "verify", cwd, "--sums", "SHA256SUMS", "--public-key", "key.pub");
});

test("gc and clean keep what a release holds, also where out/ is gone, until it is abandoned", async () => {
  project = await collectedRelease();
  await project.good("release", "sign");
  project.write("Imagefile.ts", imagefile().replace("echo ${k}", "echo new ${k}"));
  await project.good("image-all", "--release", "20310507");
  rmSync(project.path("out"), { recursive: true });
  const old = (): Promise<string[]> => removed("cache", "gc");
  expect(await old()).toEqual([]);
  await project.good("clean");
  await project.good("cache", "gc");
  await project.good("release", "verify", "--release", DAY);
  await project.good("release", "reopen", "--release", DAY);
  await project.good("release", "abandon", "--release", DAY);
  expect(await old()).not.toEqual([]);
});

/** Files of the store that would go. */
async function removed(...words: string[]): Promise<string[]> {
  const { stdout } = await project.good(...words, "-n", "--json");
  const { removed: rows } = JSON.parse(stdout) as { removed: { kind: string; path: string }[] };
  return rows.filter(({ path }) => path.includes("/store/")).map(({ path }) => path);
}

test("status has steps and the next command as data, and shows a signed release", async () => {
  project = makeProject({ "Imagefile.ts": imagefile() });
  await project.good("release", "start", "--release", DAY);
  const status = async (): Promise<unknown> =>
    JSON.parse((await project.good("release", "status", "--json")).stdout);
  expect(await status()).toMatchObject({ next: "imagemake image-a image-b works" });
  await project.good("image-all", "works");
  expect(await status()).toMatchObject({ next: "imagemake release collect" });
  await project.good("release", "collect");
  await project.good("release", "sign");
  await project.good("release", "tick", "1");
  await project.good("release", "tick", "announce", "-n");
  expect(await status()).toMatchObject({
    datecode: DAY,
    state: "signed",
    next: "imagemake release promote",
    steps: [
      { step: "publish the key", done: expect.any(String) },
      { step: "announce", done: null },
    ],
  });
  expect((await project.good("release", "status")).stdout).toMatch(/\[x\] 1 publish.*\n {2}\[ \] 2 announce/);
  await project.good("release", "promote");
  expect(await status()).toMatchObject({ state: "promoted", next: null });
});

test("a step is ticked only when it alone is meant: by number, text, or a beginning of its own", async () => {
  project = makeProject({
    "Imagefile.ts": imagefile().replace(
      '"announce"',
      '"announce it", "announce it again", "2 days later, look"',
    ),
  });
  expect((await project.good("release", "start", "--release", DAY, "-s")).stderr).toBe("");
  const refusals: readonly (readonly [readonly string[], string])[] = [
    [["e"], "there is no step e\n  1 publish the key; 2 announce it;"],
    [[""], "there is no step without a name"],
    [["annou"], "annou could be announce it or announce it again\n  write more of it, or its number"],
    [["Publish"], "there is no step Publish"],
    [["0"], "there is no step 0"],
    [["2"], "2 could be announce it or 2 days later, look\n  write more of it"],
    [["7"], "there is no step 7"],
  ];
  for (const [words, message] of refusals) {
    const { status, stderr } = await project.run("release", "tick", ...words);
    expect([words, status, stderr]).toEqual([words, 2, expect.stringContaining(`imagemake: ${message}`)]);
  }
  for (const words of [["pub"], ["announce", "it"], ["2 days"], ["3"]])
    await project.good("release", "tick", ...words);
  const before = (await project.good("release", "status")).stdout;
  expect((await project.good("release", "tick", "3")).stderr).toMatch(
    /^ticked off already, .*: announce it again$/m,
  );
  expect((await project.good("release", "status")).stdout).toBe(before);
  const { stdout } = await project.good("release", "status");
  expect(stdout.match(/\[x\] \d/g)).toEqual(["[x] 1", "[x] 2", "[x] 3", "[x] 4"]);
  await project.good("release", "abandon");
  for (const dry of [[], ["-n"]]) {
    const { status, stderr } = await project.run("release", "tick", "1", ...dry);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("is abandoned, not open, collected, signed or promoted\n"),
    ]);
  }
});

test("verify of what was never collected refuses; collect -n makes nothing", async () => {
  project = makeProject({ "Imagefile.ts": imagefile() });
  await project.good("release", "start", "--release", DAY);
  const refused = await project.run("release", "verify");
  expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining("is not collected") });
  rmSync(project.path(".imagemake"), { recursive: true, force: true });
  expect((await project.run("release", "collect", "-n")).status).toBe(1);
  expect(project.exists(".imagemake")).toBe(false);
});

test.each(["sha256sum.txt", "sha256sum.sig"])("verify does not wait for a pipe as %s", async (pipe) => {
  project = makeProject({
    "Imagefile.ts": imagefile(),
    "d/sha256sum.txt": "x",
    "d/sha256sum.sig": "x",
    "k.pub": "untrusted comment: k\nx\n",
  });
  rmSync(project.path("d", pipe));
  spawnSync("mkfifo", [project.path("d", pipe)]);
  const { status, stderr } = await project.run("release", "verify", "d", "--public-key", "k.pub");
  expect([status, stderr]).toEqual([1, expect.stringContaining(`${pipe} is not a regular file`)]);
});

test("collect as data, and with -n nothing is there", async () => {
  project = await builtRelease();
  expect((await project.good("release", "collect", "-n")).stderr).toContain("would collect 2 files");
  expect(project.exists(DAY)).toBe(false);
  const { stdout } = await project.good("release", "collect", "--json");
  expect(JSON.parse(stdout)).toMatchObject({ datecode: DAY, state: "collected", dir: project.path(DAY) });
});

test("what is added after the start is named by status and collect: the roster is fixed", async () => {
  const three = imagefile().replace('["a", "b"]', '["a", "b", "c"]');
  project = makeProject({ "Imagefile.ts": three.replace("of: [image]", "of: [image.a, image.b]") });
  await project.good("release", "start", "image-a", "--release", DAY);
  await project.good("image-all", "works");
  const before = await project.good("release", "status");
  expect(before.stdout).not.toContain("was added");
  project.write("Imagefile.ts", three);
  const added = `image-c was added after release ${DAY} was started, and its roster is fixed from then on`;
  const { stdout } = await project.good("release", "status");
  expect(stdout).toContain(
    `  ${added}: it goes without it; \`imagemake release start\` opens another with it\n`,
  );
  expect(JSON.parse((await project.good("release", "status", "--json")).stdout)).toMatchObject({
    roster: ["image-a"],
    rosterLacks: ["image-c"],
  });
  expect((await project.good("release", "collect")).stderr).toContain(`warning: ${added}`);
  expect(project.names(DAY)).toEqual([`image-a-${DAY}.txt`, "sha256sum.txt"]);
});

test("after a rollback all commands mean the release that builds go into", async () => {
  project = await collectedRelease();
  for (const command of ["sign", "promote", "rollback"]) await project.good("release", command);
  await project.good("image-a", "works");
  const { datecode, explicit } = JSON.parse((await project.good("release", "status", "--json")).stdout) as {
    datecode: string;
    explicit: boolean;
  };
  expect([datecode === DAY, explicit]).toEqual([false, false]);
  // What release.of does not have is not counted.
  expect((await project.good("release", "status")).stdout).toContain("  1 of 2 targets are up to date\n");
  await project.good("image-b");
  const early = await project.run("release", "sign");
  expect(early.stderr).toBe(
    `imagemake: release ${datecode} is open, not collected or signed\n  next is imagemake release collect\n`,
  );
  expect((await project.good("release", "reject", "-n", "image-a", "--because", "x")).stderr).toBe(
    `would reject image-a of release ${datecode}\n`,
  );
  await project.good("release", "collect");
  expect(project.names(datecode)).toContain(`image-b-${datecode}.txt`);
  await project.good("release", "sign");
  await project.good("release", "verify");
});
