// Signing with keys of the user's: GnuPG's, and a program's of the user's own; and where a release is collected. With the real
// gpg and minisign.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { collectedRelease, DAY, imagefile } from "./support/release.js";

jest.setTimeout(90_000);

let project: TestProject;
const SIGNED = `${DAY}/sha256sum.sig`;
const sh = (cmd: string): string =>
  execFileSync("sh", ["-euc", cmd], { cwd: project.dir, encoding: "utf8", stdio: "pipe" });

/** Makes keys of GnuPG: one that is free to use, one behind a passphrase, one that has expired. */
function makeRing(): void {
  mkdirSync(project.path("ring"), { mode: 0o700 });
  const gpg = "gpg --homedir ring --batch --quiet --pinentry-mode loopback";
  sh(`${gpg} --passphrase '' --quick-gen-key 'Free <free@example.org>' ed25519 sign never
    ${gpg} --passphrase 'the right words' --quick-gen-key 'Kept <kept@example.org>' ed25519 sign never
    ${gpg} --passphrase '' --faked-system-time 20200101T000000 --quick-gen-key 'Old <old@example.org>' ed25519 sign 1d`);
}

describe("gpg()", () => {
  const use = (key: string): void =>
    project.write("Imagefile.ts", imagefile(`gpg({ key: ${JSON.stringify(key)}, home: "ring" })`));
  beforeAll(async () => {
    project = await collectedRelease('gpg({ key: "free@example.org", home: "ring" })');
    makeRing();
  });
  afterAll(() => {
    sh("gpgconf --homedir ring --kill all");
    project.remove();
  });

  test("signs with a key of the user's, and what it made is verified as anybody would", async () => {
    expect((await project.good("release", "sign")).stderr).toContain("the key that verifies is");
    expect(project.read(SIGNED)).toMatch(/^-----BEGIN PGP SIGNATURE-----\n/);
    await project.good("release", "verify");
    sh(
      `gpg --dearmor <release-keys/${DAY}/${DAY}.pub >public.gpg; gpgv --keyring ./public.gpg ${SIGNED} ${DAY}/sha256sum.txt`,
    );
    expect(project.names(`release-keys/${DAY}`)).toEqual([`${DAY}.pub`]);
    // Again with the same key: nothing is set aside.
    await project.good("release", "sign");
    expect(project.names("release-keys").filter((name) => name.includes("old"))).toEqual([]);
  });

  test("a checksum file that was changed, and another's key, verify nothing", async () => {
    sh(`gpg --homedir ring --armor --export kept@example.org >kept.asc; rm -rf copy; cp -r ${DAY} copy`);
    const other = await project.run("release", "verify", "--public-key", "kept.asc");
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining("sha256sum.sig is not good")]);
    sh(
      `gpg --homedir ring --armor --export free@example.org >free.asc; echo more >copy/more; sha256sum --tag copy/more >>copy/sha256sum.txt`,
    );
    const changed = await project.run("release", "verify", "copy", "--public-key", "free.asc");
    expect([changed.status, changed.stderr]).toEqual([
      1,
      expect.stringContaining("sha256sum.sig is not good"),
    ]);
    const text = await project.run("release", "verify", "--public-key", "Imagefile.ts");
    expect([text.status, text.stderr]).toEqual([1, expect.stringContaining("(the public key)")]);
  });

  test("a passphrase comes from a file, and a wrong one signs nothing", async () => {
    use("kept@example.org");
    project.write("right", "the right words\n");
    project.write("wrong", "other words\n");
    const before = project.read(SIGNED);
    const wrong = await project.run("release", "sign", "--passphrase-file", "wrong");
    expect([wrong.status, wrong.stderr]).toEqual([
      2,
      expect.stringContaining("gpg did not sign with kept@example.org"),
    ]);
    expect(project.read(SIGNED)).toBe(before);
    const { stderr } = await project.good("release", "sign", "--passphrase-file", "right");
    expect(stderr).toContain("the key that was there has not signed this");
    await project.good("release", "verify");
  });

  test("a key that is not there or has expired, and --new-key, are refused", async () => {
    const refused = async (key: string, ...more: string[]) => {
      use(key);
      const { status, stderr } = await project.run("release", "sign", ...more);
      return [status, stderr];
    };
    expect(await refused("nobody@example.org")).toEqual([
      2,
      expect.stringContaining("gpg has no key nobody@example.org"),
    ]);
    expect(await refused("old@example.org")).toEqual([
      2,
      expect.stringContaining("gpg did not sign with old@example.org"),
    ]);
    expect(await refused("free@example.org", "--new-key")).toEqual([
      2,
      expect.stringContaining("the key is yours, and gpg has it"),
    ]);
  });

  test("what is exported is signed elsewhere and taken back", async () => {
    await project.good("release", "sign", "--export", "sums");
    sh(
      "gpg --homedir ring --batch --armor --local-user free@example.org --output far.asc --detach-sign sums",
    );
    await project.good("release", "sign", "--import", "far.asc", "--public-key", "free.asc");
    await project.good("release", "promote");
  });
});

describe("a program of the user's", () => {
  const use = (text: string): void => {
    project.write("sign.sh", `#!/bin/sh -eu\n${text}\n`);
    chmodSync(project.path("sign.sh"), 0o755);
  };
  beforeAll(async () => {
    project = await collectedRelease(
      'signer({ program: "sign.sh", publicKey: "keys/{date}.pub" })',
      'into: "published/void-{date}"',
    );
    sh(
      `mkdir keys other; minisign -GW -p keys/${DAY}.pub -s keys/key.sec; minisign -GW -p other/key.pub -s other/key.sec`,
    );
  });
  afterAll(() => project.remove());

  test("that fails, makes nothing, or signs with another key, changes nothing", async () => {
    for (const [text, status, words] of [
      ["echo no token >&2; exit 3", 1, "sign.sh ended without a signature: no token"],
      [":", 1, "sign.sh ended well and wrote no signature"],
      ['minisign -S -s other/key.sec -m "$1" -x "$2"', 1, "is not good"],
      ['echo rubbish >"$2"', 1, "is not good"],
    ] as const) {
      use(text);
      const ended = await project.run("release", "sign");
      expect([text, ended.status, ended.stderr]).toEqual([text, status, expect.stringContaining(words)]);
    }
    project.write("words", "words\n");
    const given = await project.run("release", "sign", "--passphrase-file", "words");
    expect([given.status, given.stderr]).toEqual([
      2,
      expect.stringContaining("a program of yours asks for its passphrase by itself"),
    ]);
    const anew = await project.run("release", "sign", "--new-key");
    expect([anew.status, anew.stderr]).toEqual([
      2,
      expect.stringContaining("--new-key: the key is yours, and the program has it"),
    ]);
    expect(project.names(`published/void-${DAY}`)).not.toContain("sha256sum.sig");
    expect(project.read(`releases/${DAY}.json`)).toContain('"state": "collected"');
  });

  test("signs what is collected, where the project collects it, and is told the date", async () => {
    use('minisign -S -t "for $DATECODE" -s keys/key.sec -m "$1" -x "$2"');
    await project.good("release", "sign");
    expect(project.read(`published/void-${DAY}/sha256sum.sig`)).toContain(`trusted comment: for ${DAY}\n`);
    await project.good("release", "verify");
    await project.good("release", "promote");
    expect(sh("readlink published/current")).toBe(`void-${DAY}\n`);
  });
});

test.each([
  ["gpg({})", "gpg: key: expected a fingerprint"],
  ["signer({ program: 'x' })", "signer: publicKey: expected a file"],
])("%s is refused", async (signer, words) => {
  project = makeProject({ "Imagefile.ts": imagefile(signer) });
  try {
    const { status, stderr } = await project.run("list");
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  } finally {
    project.remove();
  }
});

test.each(["a-{date}/b", "x-{dat}"])("into: %s is refused", async (into) => {
  project = makeProject({ "Imagefile.ts": imagefile("signify()", `into: ${JSON.stringify(into)}`) });
  try {
    const { status, stderr } = await project.run("list");
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining("project: release.into: expected a directory, with {date} in its last name"),
    ]);
  } finally {
    project.remove();
  }
});
