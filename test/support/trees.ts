// Real directories, overlays and loop mounts for tests of trees and stores; as root. Mounts are made in mount
// namespaces of their own where they can be, so that a killed test leaves none.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Form } from "../../cache/layers.js";
import { unwrap } from "../../engine/problem.js";
import { readManifest, type Manifest } from "../../engine/tree/manifest.js";
import { sealLayer, type Sealed, type SealRequest } from "../../engine/tree/seal-layer.js";
import type { Edit } from "./edit-tree.js";

/** 2023-11-14T22:13:20Z: before everything that a test makes. */
export const EPOCH = 1_700_000_000;

/** Runs `work` in a new directory and deletes that afterwards. */
export async function inDir<T>(work: (dir: string) => T | Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  try {
    return await work(dir);
  } finally {
    execFileSync("rm", ["-rf", "--one-file-system", dir]);
  }
}

/** Runs a shell script in `dir`; returns what it printed. */
export const sh = (dir: string, script: string, ...args: string[]): string =>
  execFileSync("sh", ["-euc", script, "sh", ...args], {
    cwd: dir,
    encoding: "latin1",
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
  });

/** Runs `work` with a file system mounted at `<dir>/fs`. `argv` is what `mount` gets before the mount point. */
export async function withMount<T>(
  dir: string,
  argv: readonly string[],
  work: (fs: string) => T | Promise<T>,
): Promise<T> {
  const fs = join(dir, "fs");
  mkdirSync(fs);
  execFileSync("mount", [...argv, fs]);
  try {
    return await work(fs);
  } finally {
    execFileSync("umount", [fs]);
  }
}

/** A directory with one tree after another, each a layer on the one before. */
export interface Trees {
  readonly dir: string;
  readonly manifests: string;
}

export const treesIn = (dir: string): Trees => ({ dir, manifests: join(dir, "manifests") });

/** Seals `name` on `parent` (a digest); throws where that fails. */
export async function seal(
  trees: Trees,
  name: string,
  parent: string | null = null,
  more: Partial<SealRequest> = {},
): Promise<Sealed> {
  const { dir, manifests } = trees;
  const request = {
    upper: join(dir, name),
    parent,
    manifests,
    epoch: EPOCH,
    form: "root" as const,
    guards: {},
  };
  return unwrap(await sealLayer({ ...request, ...more }));
}

/** Digest of what lies there now, with nothing changed or written. */
export const look = async (trees: Trees, name: string, parent: string | null = null): Promise<string> =>
  (await seal(trees, name, parent, { epoch: null })).digest;

export const manifestOf = (trees: Trees, digest: string): Manifest =>
  unwrap(readManifest(trees.manifests, digest));

/** The mount options that layers are made with. */
const overlayOptions = (lower: readonly string[], upper: string | null, form: Form): string => {
  const writable = upper === null ? "" : `,upperdir=${upper},workdir=${upper}.work`;
  const redirect = form === "user" ? "nofollow,userxattr" : "off";
  return `lowerdir=${lower.join(":")}${writable},metacopy=off,index=off,redirect_dir=${redirect}`;
};

/** Runs a script in the merged view of `lower` (topmost first) with `upper` on top, as its working directory. */
export function inOverlay(
  { dir }: Trees,
  lower: readonly string[],
  upper: string,
  script: string,
  { inside = [], form = "root" }: { readonly inside?: readonly string[]; readonly form?: Form } = {},
): string {
  const options = overlayOptions(lower, upper, form);
  const argv = [...inside, "unshare", "--mount", "--", "sh", "-euc"];
  const mount = 'mkdir -p "$2" "$2.work" m; mount -t overlay overlay -o "$1" m; (cd m; eval "$3"); umount m';
  return execFileSync(argv[0] ?? "", [...argv.slice(1), mount, "sh", options, upper, script], {
    cwd: dir,
    encoding: "latin1",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
  });
}

/** Copies the merged view of `lower` into `name`, as cp -a sees it. */
export const flatCopy = (trees: Trees, lower: readonly string[], name: string): string =>
  sh(
    trees.dir,
    'mkdir -p m "$2"; exec unshare --mount sh -euc \'mount -t overlay overlay -o "$1" m; cp -a m/. "$2/"\' sh "$@"',
    overlayOptions(lower.length > 1 ? lower : [...lower, "/var/empty-lower"], null, "root"),
    name,
  );

const EDITOR = fileURLToPath(new URL("./edit-tree.js", import.meta.url));

/** Applies edits in a directory; those that cannot be done are left out, as the same ones each time. */
export const editIn = ({ dir }: Trees, name: string, edits: readonly Edit[]): string =>
  execFileSync(process.execPath, [EDITOR, join(dir, name)], {
    input: JSON.stringify(edits),
    encoding: "utf8",
  });

/** Applies edits in the merged view of `lower` with `upper` on top. */
export function editOverlay(
  trees: Trees,
  lower: readonly string[],
  upper: string,
  edits: readonly Edit[],
): string {
  const options = overlayOptions(lower, upper, "root");
  const script = 'mkdir -p "$2" "$2.work" m; mount -t overlay overlay -o "$1" m; "$3" "$4" m; umount m';
  return execFileSync(
    "unshare",
    ["--mount", "--", "sh", "-euc", script, "sh", options, upper, process.execPath, EDITOR],
    { cwd: trees.dir, input: JSON.stringify(edits), encoding: "utf8" },
  );
}
