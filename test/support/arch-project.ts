// Projects of Arch: the Imagefile of docs/arch.md over a signed repository of its own. The packages are made once in a
// process and copied, because repo-add takes its time.
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type CallOptions, type Ended, type TestProject, type Told } from "./cli.js";
import { confOf, makeArchRepo, makeKey, tinyArch, type ArchRepo } from "./pacman-repo.js";

/** A project and its repository, which MIRROR= names. */
export interface ArchProject extends TestProject {
  readonly repo: ArchRepo;
}

/** The Imagefile that the documentation shows. */
const DOCUMENTED =
  /```ts\n([^]*?)```/.exec(readFileSync(new URL("../../../docs/arch.md", import.meta.url), "utf8"))?.[1] ??
  "";

const dirs: string[] = [];
const projects: TestProject[] = [];
/** A new directory, removed by `cleanUp`. */
export function newDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-arch-"));
  dirs.push(dir);
  return dir;
}
/** Removes everything made here; for `afterAll`. */
export function cleanUp(): void {
  for (const project of projects) project.remove();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
}

let model: ArchRepo | undefined;

/** A signed repository of the tiny Arch, and its key's file. */
export function signedArch(): { readonly repo: ArchRepo; readonly key: string } {
  const key = (home: string): string => join(home, "public.gpg");
  if (model === undefined) {
    const home = join(newDir(), "gnupg");
    makeKey(home);
    model = makeArchRepo(newDir(), "core", tinyArch(), home);
  }
  const dir = join(newDir(), "core");
  cpSync(model.dir, dir, { recursive: true });
  return { repo: { ...model, dir }, key: key(model.gpgHome ?? "") };
}

/** A project with the documented Imagefile, in a new directory or in `dir`. */
export function archProject(dir: string = newDir()): ArchProject {
  const { repo, key } = signedArch();
  const files = {
    "Imagefile.ts": DOCUMENTED,
    "pacman.conf": confOf([repo], { sigLevel: "Required" }),
    "packages.x86_64": "witness\n",
    "platform.list": "app\n",
    "overlay/etc/motd": "hello\n",
  };
  const project = makeProject(files, { dir, under: [] });
  cpSync(key, project.path("keys/tiny.gpg"));
  projects.push(project);
  const env = { MIRROR: `file://${join(repo.dir, "..")}/$repo` };
  const call = (options: CallOptions, ...args: string[]): Promise<Ended> =>
    project.call({ ...options, env: { ...env, ...options.env } }, ...args);
  return {
    ...project,
    repo,
    call,
    run: (...args) => call({}, ...args),
    good: (...args) => project.good(...args, `MIRROR=${env.MIRROR}`),
    events: (options, ...args): Promise<Told> =>
      project.events({ ...options, env: { ...env, ...options.env } }, ...args),
  };
}
