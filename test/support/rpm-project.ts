// Projects of RPM packages: a system of half a dozen tiny ones from a signed repository, and a platform on it. The
// packages are made once in a process and copied.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type TestProject } from "./cli.js";
import { makeRpmKey, makeRpmRepo, type RpmPackage, type RpmRepo } from "./rpm-repo.js";
import { staticBusybox } from "./tiny-debian.js";

/** A system that can run the scripts of packages. */
export const TINY_SYSTEM: readonly RpmPackage[] = [
  {
    name: "filesystem",
    files: {
      "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
      "/etc/group": "root:x:0:\n",
      ...Object.fromEntries(["dev", "proc", "root", "run", "sys", "tmp"].map((dir) => [`/${dir}/`, ""])),
    },
    // As the package of that name has them in Fedora and its kin.
    modes: { "/root/": 0o550, "/proc/": 0o555, "/sys/": 0o555, "/tmp/": 0o1777 },
  },
  {
    name: "busybox",
    version: "1.35.0",
    arch: "x86_64",
    requires: ["filesystem"],
    provides: ["/bin/sh"],
    files: {
      "/bin/busybox": { copy: staticBusybox() },
      ...Object.fromEntries(
        ["sh", "env", "cat"].map((name) => [`/bin/${name}`, { link: "busybox" }] as const),
      ),
    },
  },
  { name: "base", requires: ["filesystem", "busybox"] },
  {
    name: "witness",
    requires: ["base"],
    // It leaves what it mounts.
    post: "env >/var/witness\n/bin/busybox mount -t proc proc /proc && /bin/busybox mount -t tmpfs -o mode=700 left /run\n",
    files: { "/var/": "", "/usr/share/doc/witness/README": "doc\n" },
  },
  { name: "libone", files: { "/usr/lib/libone": "one 1.0\n" } },
  {
    name: "app",
    requires: ["libone"],
    recommends: ["extra"],
    files: { "/usr/bin/app": "#!/bin/sh\necho app\n" },
  },
  { name: "extra", files: { "/usr/bin/extra": "#!/bin/sh\n" } },
  { name: "app-devel", requires: ["app"], files: { "/usr/include/app.h": "\n" } },
  { name: "app-debuginfo", files: { "/usr/lib/debug/app": "\n" } },
  { name: "ocaml", files: { "/usr/bin/ocaml": "#!/bin/sh\n" } },
  { name: "broken", requires: ["nowhere >= 2"] },
  { name: "failing", requires: ["base"], post: "exit 3\n" },
];

/** The Imagefile of these projects. REPO= moves the repository, MORE= adds packages to the platform. */
const IMAGEFILE = `
import { arg, dnf, files, list, project, rule, step } from "imagemake";
const repo = dnf(files("yum.conf"), { keys: files("keys/*") });
const words = (text: string): string[] => text.split(",").filter((one) => one !== "");
export const rootfs = rule.rootfs({ repo, arch: "x86_64", packages: list("packages.lst"), out: "rootfs-{date}.tar" });
export const platformfs = rule.platformfs({
  from: rootfs, packages: ["app", ...words(arg("MORE", ""))], out: "platformfs-{date}.tar", steps: [step.overlay("overlay")],
});
export const mirror = rule.mirror({ repo, arch: "x86_64", without: ["ocaml*"], out: "mirror.tar" });
export default project({ default: [rootfs, platformfs] });
`;

/** A project and its repository. */
export interface RpmProject extends TestProject {
  readonly repo: RpmRepo;
}

const dirs: string[] = [];
/** A new directory, removed by `cleanUp`. */
export function newDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-rpm-"));
  dirs.push(dir);
  return dir;
}
/** Removes everything made here; for `afterAll`. */
export function cleanUp(): void {
  for (const server of servers) server.kill();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
}

let model: { readonly repo: RpmRepo; readonly key: string } | undefined;

/** A signed repository of the tiny system, of one's own, and its key's file. */
function signedRpms(): { readonly repo: RpmRepo; readonly key: string } {
  if (model === undefined) {
    const gpgHome = join(newDir(), "gnupg");
    const key = makeRpmKey(gpgHome);
    model = { key, repo: makeRpmRepo(join(newDir(), "repo"), TINY_SYSTEM, { gpgHome }) };
  }
  const dir = join(newDir(), "repo");
  cpSync(model.repo.dir, dir, { recursive: true, preserveTimestamps: true });
  return { key: model.key, repo: { ...model.repo, dir, url: `file://${dir}` } };
}

/** A yum.conf that has the repository. */
export const yumConf = (url: string, more = ""): string =>
  `[main]\ngpgcheck=1\ntsflags=nodocs\nreposdir=/etc/yum.repos.d\n[tiny]\nname=tiny\nbaseurl=${url}\n${more}`;

/** A project over a repository of its own, in a new directory. */
export function rpmProject(more: Readonly<Record<string, string>> = {}): RpmProject {
  const { repo, key } = signedRpms();
  const project = makeProject(
    {
      "Imagefile.ts": IMAGEFILE,
      "yum.conf": yumConf(repo.url, "repo_gpgcheck=1\n"),
      "packages.lst": "base   # what all need\nwitness\n",
      "overlay/etc/motd": "hello\n",
      ...more,
    },
    { dir: newDir(), under: [] },
  );
  cpSync(key, project.path("keys/RPM-GPG-KEY-tiny"));
  return { ...project, repo };
}

/** A server. */
export interface Server {
  readonly url: string;
  stop(): void;
}

/** Serves a directory with listings of it, by Python's own server. The caller stops it; so does `cleanUp`. */
export async function serveListing(dir: string): Promise<Server> {
  const argv = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", dir];
  const child = spawn("/usr/bin/python3", argv, { stdio: ["ignore", "pipe", "ignore"] });
  servers.push(child);
  let said = "";
  // Its output stays open: it dies when it cannot write.
  for (;;) {
    const [text] = (await once(child.stdout, "data")) as [Buffer];
    said += String(text);
    const port = /port (\d+) /.exec(said)?.[1];
    if (port !== undefined) return { url: `http://127.0.0.1:${port}`, stop: () => void child.kill() };
  }
}
const servers: ChildProcess[] = [];
