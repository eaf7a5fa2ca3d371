// Projects with a repository of tiny packages beside them: a root filesystem and two platforms on it, built by the
// real apt, dpkg and mmdebstrap; and what packages say of modes and owners.
import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AptRepo, type AptRepoOptions, hostArch, makeAptRepo, type TinyPackage } from "./apt-repo.js";
import { type Ended, makeProject, type TestProject } from "./cli.js";
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

// What packages say of the modes and owners of a tree, by unpacking them with a program that knows nothing of
// imagemake.

/** Modes and owners of the tree `root` that none of the package files which have the path agrees with. */
export function wrongModes(root: string, packages: readonly string[]): readonly string[] {
  const said = new Map<string, Set<string>>();
  for (const file of packages) {
    const dir = mkdtempSync(join(tmpdir(), "packaged-"));
    try {
      if (file.endsWith(".deb")) execFileSync("dpkg-deb", ["--extract", file, dir]);
      else execFileSync("bsdtar", ["-xpf", file, "--same-owner", "-C", dir]);
      for (const path of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
        said.set(path, (said.get(path) ?? new Set()).add(looksLike(join(dir, path)) ?? ""));
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  return [...said].flatMap(([path, words]) => {
    const found = looksLike(join(root, path));
    return found === null || words.has(found) ? [] : [`${path}: ${found}, packaged ${[...words].join(", ")}`];
  });
}

/** Links have no mode. What a tree has at a path of another kind is no matter of modes: null, as where it has nothing. */
function looksLike(path: string): string | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isSymbolicLink()) return null;
  return `${(stats.mode & 0o7777).toString(8)} ${stats.uid}:${stats.gid}`;
}
