// Mirrors that fail, through the real command line and the real apt: nothing begins that cannot end, and what is
// not signed by a key that is trusted is not taken.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { copyFileSync, mkdirSync } from "node:fs";
import { served } from "./support/apt-driver.js";
import {
  makePackageProject,
  makeTinyRepo,
  parsed,
  platforms,
  type PackageProject,
} from "./support/packages.js";

// apt and dpkg are quick, but not on a machine that builds something else.
jest.setTimeout(120_000);

const BOTH =
  /rootfs\.tree \(Imagefile\.ts:\d+\) and second \(Imagefile\.ts:\d+\) take packages from different repositories that are both called apt tiny main/;

describe("a mirror that fails", () => {
  let project: PackageProject;
  beforeAll(() => {
    project = makePackageProject(makeTinyRepo([], { sign: true }));
    copyFileSync(project.repo.keyring ?? "", project.path("tiny.gpg"));
    project.write("other.gpg", "");
  });
  afterAll(() => project.remove());

  /** The Imagefile with other words in its repository. */
  const imagefile = (url: string, more = "", suite = "tiny"): void =>
    project.write("Imagefile.ts", platforms(url).replace('suite: "tiny"', `suite: "${suite}"${more}`));

  /** Exit 3 with apt's words, nothing started and nothing left but the open release. */
  async function refused(words: RegExp, exit = 3): Promise<void> {
    const told = await project.events({});
    expect([told.stderr, told.status]).toEqual([expect.stringMatching(words), exit]);
    expect(told.events.filter(({ type }) => type === "started" || type === "plan")).toEqual([]);
    expect(project.names("out")).toEqual([]);
    for (const place of ["stage", "store/packages", "store/snapshots"]) {
      expect(project.names(`.imagemake/${place}`)).toEqual([]);
    }
    // A key that is not there is a source that is missing: dry runs say so too.
    if (exit === 2) return;
    expect(await project.run("-n", "rootfs.tree")).toMatchObject({
      status: 0,
      stdout: "rootfs.tree: packages not resolved\n",
    });
  }

  test("is not there: exit 3, what apt says, and nothing half-done", async () => {
    imagefile("http://127.0.0.1:9");
    await refused(
      /cannot read apt tiny main .*from http:\/\/127\.0\.0\.1:9.*(?:Could not|Unable to) connect/is,
    );
    imagefile("empty", "", "tiny");
    mkdirSync(project.path("empty"));
    await refused(
      /cannot read apt tiny main .* from \/.*\/empty: (?!.*copy:).*\n {2}try again later .* check url/,
    );
    imagefile("file:///nonexistent");
    await refused(/snapshot of apt tiny main .*cannot be taken: the repository \/nonexistent does not exist/);
  });

  test("has no such suite", async () => {
    await served(project.repo.dir, async (url) => {
      imagefile(url, "", "nosuch");
      await refused(/apt nosuch main .*does not have a Release file/);
    });
  });

  test("is a directory that nobody signed: taken, with one warning a run", async () => {
    const open = makePackageProject(makeTinyRepo());
    try {
      for (const words of [[], ["-B", "rootfs.tree"]]) {
        const { stderr } = await open.good(...words);
        expect(stderr.match(/^warning: the repository .*$/gm)).toEqual([
          expect.stringContaining(`${open.repo.dir} (apt tiny main) is not signed`),
        ]);
      }
    } finally {
      open.remove();
    }
  });

  test("is not signed, or not by a key that is trusted", async () => {
    await served(project.repo.dir, async (url) => {
      imagefile(url);
      await refused(/not signed|NO_PUBKEY/);
      imagefile(url, ', keys: files("keys/*.gpg")');
      await refused(/keys: nothing matches keys\/\*\.gpg/, 2);
      imagefile(url, ', keys: files("other.gpg")');
      await refused(/not signed|NO_PUBKEY/);
    });
  });

  test("and then works, with a keyring named from the Imagefile whatever the working directory is", async () => {
    await served(project.repo.dir, async (url) => {
      imagefile(url, ', keys: files("*.gpg", { from: "." })');
      const told = await project.events({ cwd: "/" }, "-C", project.dir, "rootfs.tree");
      expect([told.stderr, told.which("built")]).toEqual(["", ["rootfs.tree"]]);
      const { packages } = parsed(await project.run("show", "rootfs.tree", "--json")) as {
        readonly packages: readonly { readonly location: string }[];
      };
      expect(packages.map(({ location }) => location)).toContain(`pool/dpkg_1.0_${project.repo.arch}.deb`);
    });
  });

  test("two repositories that one release could not tell apart are refused, and nothing else is", async () => {
    const other = `
export const second = rule.rootfs({ repo: apt({ url: "file:///elsewhere", suite: "tiny" }), arch: "${project.repo.arch}", packages: ["other"] });
export const plain = run({ inputs: {}, cmd: 'echo > "$OUT"', out: "plain" });`;
    project.write("Imagefile.ts", `${platforms(project.repo.url)}${other}`);
    const told = await project.events({}, "second");
    expect([told.status, told.stderr]).toEqual([2, expect.stringMatching(BOTH)]);
    const kept = await project.events({}, "-k", "second", "plain");
    expect([kept.status, kept.which("failed"), kept.which("built")]).toEqual([2, ["second"], ["plain"]]);
    expect((await project.good("release", "status")).stdout).toContain("1 of 4 targets are up to date");
    expect((await project.good("why", "second")).stdout).toMatch(BOTH);
    const started = await project.run("release", "start", "rootfs", "plain", "--release", "20310101");
    expect([started.status, started.stderr]).toEqual([2, expect.stringMatching(BOTH)]);
    expect(started.stderr).toContain("`imagemake release start plain --release 20310101` opens it without");
  });
});
