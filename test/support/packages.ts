// Projects with a repository of tiny packages beside them: a root filesystem and two platforms on it, built by the
// real apt, dpkg and mmdebstrap.
import { chmodSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArch, makeAptRepo, type AptRepo, type AptRepoOptions, type TinyPackage } from "./apt-repo.js";
import { makeProject, type Ended, type TestProject } from "./cli.js";
import { TINY_DEBIAN, tinyDebian } from "./tiny-debian.js";

/** What platforms are made of: app needs libone; the others need nothing. */
const TOOLS: readonly TinyPackage[] = [
  { name: "app", depends: "libone", files: { "/usr/bin/app": "#!/bin/sh\necho app\n" } },
  { name: "libone", files: { "/usr/lib/libone": "one 1.0\n" } },
  { name: "nano", files: { "/usr/bin/nano": "#!/bin/sh\n" } },
  { name: "vim", version: "2:9.0-1", files: { "/usr/bin/vim": "#!/bin/sh\n" } },
  { name: "other", files: { "/usr/share/other": "other\n" } },
];

/** `rootfs`, and on it `platformfs-a` (app) and `platformfs-b` (nano). MIRROR= moves the repository. */
export const platforms = (url: string): string => `
import { apt, arg, each, files, list, project, rule, run } from "imagemake";
const repo = apt({ url: arg("MIRROR", ${JSON.stringify(url)}), suite: "tiny" });
export const rootfs = rule.rootfs({
  repo, arch: "${hostArch()}", variant: "busybox", packages: list("rootfs.list"), out: "rootfs-{date}.tar",
});
export const platformfs = each({ a: list("lists/a.list"), b: list("lists/b.list") }, (name, packages) =>
  rule.platformfs({ from: rootfs, packages, out: \`platformfs-\${name}-{date}.tar\` }));
export default project({ default: [rootfs, platformfs] });
`;

/** The lists of that Imagefile. */
export const LISTS: Readonly<Record<string, string>> = {
  "rootfs.list": `${TINY_DEBIAN.join("\n")}\n`,
  "lists/a.list": "app\n",
  "lists/b.list": "nano\n",
};

/** Its actions, as events name them. */
export const ALL = [
  "platformfs-a",
  "platformfs-a.tree",
  "platformfs-b",
  "platformfs-b.tree",
  "rootfs",
  "rootfs.tree",
];

/** A project whose packages come from `repo`. */
export interface PackageProject extends TestProject {
  readonly repo: AptRepo;
  /** Runs `work` while the repository's directory is elsewhere: whoever reads it fails. */
  withoutRepo<T>(work: () => Promise<T>): Promise<T>;
}

/** A repository of a tiny Debian, `TOOLS` and `more`; the caller removes its directory. */
export function makeTinyRepo(more: readonly TinyPackage[] = [], options: AptRepoOptions = {}): AptRepo {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-repo-"));
  chmodSync(dir, 0o755);
  return makeAptRepo(dir, [...tinyDebian(), ...TOOLS, ...more], options);
}

/** A project over a repository; with its own Imagefile where one is given. */
export function makePackageProject(
  repo: AptRepo,
  files: Readonly<Record<string, string>> = {},
): PackageProject {
  const project = makeProject({ "Imagefile.ts": platforms(repo.url), ...LISTS, ...files });
  return {
    ...project,
    repo,
    withoutRepo: async (work) => {
      const away = `${repo.dir}-away`;
      renameSync(repo.dir, away);
      try {
        return await work();
      } finally {
        renameSync(away, repo.dir);
      }
    },
    remove: () => {
      project.remove();
      rmSync(repo.dir, { recursive: true, force: true });
    },
  };
}

/** Every path below a project's directory with what changes when somebody touches it. */
export function listing(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { mode, uid, ino, size, mtimeMs, ctimeMs } = lstatSync(join(dir, name));
      return [name, mode, uid, ino, size, mtimeMs, ctimeMs].join(" ");
    });
}

/** What `--json` printed. */
export function parsed({ stdout, stderr }: Ended): unknown {
  if (stdout === "") throw new Error(`nothing was printed: ${stderr}`);
  return JSON.parse(stdout) as unknown;
}

/** The digest of a target's first output, as `show` has it, and the epoch of the build that made it. */
export async function shown(
  project: TestProject,
  target: string,
): Promise<{ readonly digest: string; readonly epoch: number }> {
  const { outputs, last } = parsed(await project.run("show", target, "--json")) as {
    readonly outputs: Readonly<Record<string, string>>;
    readonly last: { readonly epoch: number };
  };
  return { digest: outputs["OUT"] ?? "", epoch: last.epoch };
}
