// Signing with keys of one's own, elsewhere, and with what does not fit; verifying what came from elsewhere. With the
// real signify and minisign.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, statSync, symlinkSync } from "node:fs";
import { afterEach, expect, jest, test } from "@jest/globals";
import { finish, MAIN, makeProject, type Ended, type TestProject } from "./support/cli.js";
import { collectedRelease, DAY, imagefile } from "./support/release.js";
import { answer, inTerminal } from "./support/fake-terminal.js";

jest.setTimeout(90_000);

let project: TestProject;
afterEach(() => project.remove());

const PASSPHRASE = "a person's own words";
const SIGNED = `${DAY}/sha256sum.sig`;
const KEYS = `release-keys/${DAY}/${DAY}`;

/** What another machine does with one of the programs, without imagemake. */
function elsewhere(program: string, ...words: string[]): void {
  const ran = spawnSync("setsid", ["--wait", program, ...words], {
    input: `${PASSPHRASE}\n${PASSPHRASE}\n`,
    cwd: project.path("far"),
    encoding: "utf8",
  });
  expect(`${ran.status} ${ran.status === 0 ? "" : ran.stderr}`).toBe("0 ");
}

/** Where a secret of the project is found in it. */
const filesWith = (secret: string): string =>
  spawnSync("grep", ["-rlF", secret, "."], { cwd: project.dir, encoding: "utf8" }).stdout;

test.each([
  { signer: "signify()", program: "signify-openbsd", embed: ["-e"] },
  { signer: "minisign()", program: "minisign", embed: [] },
])("$signer: what is exported is signed elsewhere and taken back", async ({ signer, program, embed }) => {
  project = await collectedRelease(signer);
  mkdirSync(project.path("far"));
  await project.good("release", "sign", "--export", "far/sums", "-n");
  expect(project.exists("far/sums")).toBe(false);
  await project.good("release", "sign", "--export", "far/sums");
  expect(project.read("far/sums")).toBe(project.read(`${DAY}/sha256sum.txt`));
  elsewhere(program, "-G", "-p", "key.pub", "-s", "key.sec");
  elsewhere(program, "-S", ...embed, "-s", "key.sec", "-m", "sums", "-x", "sums.sig");
  const keyless = await project.run("release", "sign", "--import", "far/sums.sig");
  expect(keyless).toMatchObject({ status: 2, stderr: expect.stringContaining("--public-key") });
  project.write("far/garbage", "no signature\n");
  const bad = await project.run(
    ...["release", "sign", "--import", "far/garbage", "--public-key", "far/key.pub"],
  );
  expect(bad).toMatchObject({ status: 1, stderr: expect.stringContaining("is not good") });
  expect(project.names(DAY)).not.toContain("sha256sum.sig");
  expect(project.read(`releases/${DAY}.json`)).toContain('"state": "collected"');
  await project.good("release", "sign", "--import", "far/sums.sig", "--public-key", "far/key.pub");
  await project.good("release", "verify");
  // The key that verifies is where a release's key is looked for, and no other.
  expect(project.names(`release-keys/${DAY}`)).toEqual([`${DAY}.pub`]);
  expect(project.read(`${KEYS}.pub`)).toBe(project.read("far/key.pub"));
  cpSync(project.path(DAY), project.path("far/copy"), { recursive: true });
  const cwd = project.path("far");
  const there = await project.call({ cwd }, "release", "verify", "copy", "--public-key", "key.pub");
  expect(there).toMatchObject({ status: 0, stderr: expect.stringContaining("2 files") });
  const unknown = await project.call({ cwd }, "release", "verify", "copy");
  expect(unknown).toMatchObject({ status: 2, stderr: expect.stringContaining("--public-key") });
  project.write("far/copy/extra", "");
  const extra = await project.call({ cwd }, "release", "verify", "copy", "--public-key", "key.pub");
  expect(extra).toMatchObject({ status: 1, stderr: expect.stringContaining("extra is in no checksum") });
});

test.each([
  { signer: "signify()", program: "signify-openbsd", embed: ["-e"] },
  { signer: "minisign()", program: "minisign", embed: [] },
])(
  "$signer: a pair that did not sign is set aside when another key did",
  async ({ signer, program, embed }) => {
    project = await collectedRelease(signer);
    mkdirSync(project.path("far"));
    await project.good("release", "sign");
    const own = project.read(`${KEYS}.sec`);
    await project.good("release", "sign", "--export", "far/sums");
    elsewhere(program, "-G", "-p", "key.pub", "-s", "key.sec");
    elsewhere(program, "-S", ...embed, "-s", "key.sec", "-m", "sums", "-x", "sums.sig");
    const words = ["release", "sign", "--import", "far/sums.sig", "--public-key", "far/key.pub"];
    const { stderr } = await project.good(...words);
    expect(stderr).toContain(
      `the key that verifies is ${project.path(KEYS)}.pub; the key that was there has not signed this, and is in`,
    );
    expect(project.names(`release-keys/${DAY}`)).toEqual([`${DAY}.pub`]);
    expect(project.read(`release-keys/${DAY}.old-1/${DAY}.sec`)).toBe(own);
    await project.good("release", "verify", "--public-key", `${KEYS}.pub`);
    // A second time nothing is set aside.
    expect((await project.good(...words)).stderr).not.toContain("has not signed this");
    expect(project.names("release-keys").filter((name) => name.includes("old"))).toEqual([`${DAY}.old-1`]);
  },
);

test("keys have the names and signatures the comments that the project says, as release.sh has them", async () => {
  project = await collectedRelease(
    'minisign({ name: "void-release-{date}", passphrase: "void-release-{date}.key" })',
  );
  await project.good("release", "sign");
  const named = `void-release-${DAY}`;
  const dir = `release-keys/${DAY}`;
  expect(project.names(dir)).toEqual([`${named}.key`, `${named}.pub`, `${named}.sec`]);
  const sentence = `This key is only valid for images with date ${DAY}.`;
  const lines = project.read(SIGNED).split("\n");
  expect([lines[0], lines[2]]).toEqual([`untrusted comment: ${sentence}`, `trusted comment: ${sentence}`]);
  // By the program alone, as people do it.
  const verify = ["-Vm", `${DAY}/sha256sum.txt`, "-x", SIGNED, "-p", `${dir}/${named}.pub`];
  const ran = spawnSync("minisign", verify, { cwd: project.dir, encoding: "utf8" });
  expect([ran.status, ran.stdout]).toEqual([0, expect.stringContaining(`Trusted comment: ${sentence}`)]);
  await project.good("release", "sign");
  expect(project.names("release-keys").filter((name) => !name.startsWith("."))).toEqual([DAY]);
});

test("a comment of the project's own, and a signature whose trusted comment is another date's", async () => {
  project = await collectedRelease('minisign({ comment: "images of {date}, by us" })');
  await project.good("release", "sign");
  expect(project.read(SIGNED)).toContain(`trusted comment: images of ${DAY}, by us\n`);
  expect(project.read(`${KEYS}.pub`)).toContain(`untrusted comment: images of ${DAY}, by us\n`);
  mkdirSync(project.path("far"));
  cpSync(project.path(DAY, "sha256sum.txt"), project.path("far/sums"));
  elsewhere("minisign", "-G", "-p", "key.pub", "-s", "key.sec");
  const comment = "This key is only valid for images with date 20300101.";
  elsewhere("minisign", "-S", "-t", comment, "-s", "key.sec", "-m", "sums", "-x", "sums.sig");
  const words = ["release", "sign", "--import", "far/sums.sig", "--public-key", "far/key.pub"];
  const { status, stderr } = await project.run(...words);
  expect(stderr).toContain(`the signature is only valid for images with date 20300101, not ${DAY}`);
  expect(status).toBe(1);
});

test.each([
  ['minisign({ nam: "x" })', "minisign: unknown option nam; did you mean name?"],
  ['signify({ name: "a/b" })', 'signify: name: a file name, without directories; found "a/b"'],
  ['minisign({ comment: "a\\nb" })', "minisign: comment: expected text of one line"],
])("%s is refused", async (signer, words) => {
  project = makeProject({ "Imagefile.ts": imagefile(signer) });
  const { status, stderr } = await project.run("list");
  expect(stderr).toContain(words);
  expect(status).toBe(2);
});

test("a key and a signature of another date are refused, naming it, and nothing counts", async () => {
  project = await collectedRelease();
  mkdirSync(project.path("far"));
  const comment = "This key is only valid for images with date 20300101.";
  elsewhere("signify-openbsd", "-G", "-c", comment, "-p", "key.pub", "-s", "key.sec");
  cpSync(project.path(DAY, "sha256sum.txt"), project.path("far/sums"));
  elsewhere("signify-openbsd", "-S", "-e", "-s", "key.sec", "-m", "sums", "-x", "sums.sig");
  const taken = await project.run(
    ...["release", "sign", "--import", "far/sums.sig", "--public-key", "far/key.pub"],
  );
  expect(taken).toMatchObject({ status: 1, stderr: expect.stringContaining("20300101") });
  expect(project.exists(SIGNED)).toBe(false);
  await project.good("release", "sign");
  cpSync(project.path("far/sums.sig"), project.path(SIGNED));
  for (const command of ["verify", "promote"]) {
    const { status, stderr } = await project.run("release", command);
    expect(status).toBe(1);
    expect(stderr).toContain("sha256sum.sig is not good");
  }
  expect(project.exists("current")).toBe(false);
});

test.each(["signify()", "minisign()"])(
  "%s: a person's passphrase is kept nowhere, a wrong one signs nothing",
  async (signer) => {
    project = await collectedRelease(signer);
    project.write("right", `${PASSPHRASE}\n`);
    project.write("wrong", "something else\n");
    await project.good("release", "sign", "--passphrase-file", "right");
    expect(project.names(`release-keys/${DAY}`)).toEqual([`${DAY}.pub`, `${DAY}.sec`]);
    expect(filesWith(PASSPHRASE)).toBe("./right\n");
    const before = project.read(`${DAY}/sha256sum.sig`);
    const wrong = await project.run("release", "sign", "--passphrase-file", "wrong");
    expect(wrong).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("passphrase does not open it"),
    });
    const none = await project.run("release", "sign");
    expect(none).toMatchObject({ status: 2, stderr: expect.stringContaining("--passphrase-file") });
    expect(project.read(`${DAY}/sha256sum.sig`)).toBe(before);
    await project.good("release", "verify");
  },
);

test("a passphrase is typed without being shown, twice for a new key, and is kept nowhere", async () => {
  project = await collectedRelease();
  const [first, again] = ["passphrase of the release's key: ", "the same again: "];
  const asking = `stty -a > before; ${process.execPath} ${MAIN} release sign --ask-passphrase; s=$?; stty -a > after; exit $s`;
  const sign = async (...dialogue: [string, string][]): Promise<Ended> => {
    const terminal = inTerminal(project.dir, asking);
    const ended = finish(terminal);
    await answer(terminal, dialogue);
    const end = await ended;
    expect(end.stdout).not.toContain(PASSPHRASE);
    expect(project.read("after")).toBe(project.read("before"));
    return end;
  };
  expect((await sign([first, `${PASSPHRASE}\n`], [again, "other words\n"])).status).toBe(2);
  expect(project.exists("release-keys")).toBe(false);
  expect((await sign([first, "\x03"])).status).not.toBe(0);
  expect((await sign([first, `${PASSPHRASE}\n`], [again, `${PASSPHRASE}\n`])).status).toBe(0);
  expect(project.names(`release-keys/${DAY}`)).toEqual([`${DAY}.pub`, `${DAY}.sec`]);
  expect(filesWith(PASSPHRASE)).toBe("");
  await project.good("release", "verify");
  expect((await sign([first, "something else\n"])).status).toBe(2);
  expect((await sign([first, `${PASSPHRASE}\n`])).status).toBe(0);
  await project.good("release", "verify");
});

test("--new-key sets the old pair aside, and what it signed is signed again", async () => {
  project = await collectedRelease();
  await project.good("release", "sign");
  const [secret, signed] = [project.read(`${KEYS}.sec`), project.read(SIGNED)];
  await project.good("release", "sign", "--new-key");
  expect(project.read(`release-keys/${DAY}.old-1/${DAY}.sec`)).toBe(secret);
  expect(project.read(`${KEYS}.sec`)).not.toBe(secret);
  expect(project.read(SIGNED)).not.toBe(signed);
  await project.good("release", "verify");
});

test("keys that cannot be read are named, and none is overwritten", async () => {
  project = await collectedRelease();
  await project.good("release", "sign");
  project.write(`${KEYS}.sec`, "no key\n");
  const garbage = await project.run("release", "sign");
  expect(garbage).toMatchObject({ status: 2, stderr: expect.stringContaining(`${DAY}.sec cannot sign`) });
  expect(project.read(`${KEYS}.sec`)).toBe("no key\n");
  project.write("far/key.pub", "no key\n");
  const wrong = await project.run("release", "verify", "--public-key", "far/key.pub");
  expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining("is not good") });
  for (const [file, words] of [
    ["far", "cannot be read as a public key"],
    ["missing", "there is no missing"],
  ] as const) {
    const refused = await project.run("release", "verify", "--public-key", file);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining(words) });
  }
});

test("what sudo's user should own is his: keys, checksums, signature, link", async () => {
  project = await collectedRelease();
  const env = { SUDO_UID: "1234", SUDO_GID: "1234" };
  const root = process.getuid?.() === 0;
  await project.good("release", "reopen");
  for (const command of ["collect", "sign", "promote"])
    expect((await project.call({ env }, "release", command)).status).toBe(0);
  const wanted = root ? 1234 : process.getuid?.();
  for (const path of [
    DAY,
    SIGNED,
    `${DAY}/sha256sum.txt`,
    "release-keys",
    `release-keys/${DAY}`,
    `${KEYS}.sec`,
  ])
    expect(`${path} ${statSync(project.path(path)).uid}`).toBe(`${path} ${wanted}`);
});

test("nothing is written through a link in the directory of the keys", async () => {
  project = await collectedRelease();
  mkdirSync(project.path("release-keys"));
  symlinkSync(project.path("made-by-root"), project.path("release-keys/.gitignore"));
  await project.good("release", "sign");
  expect(project.exists("made-by-root")).toBe(false);
});
