// Two kernels of Debian's mirror as small packages in a repository: with their own scripts, and the modules alone that a
// virtual machine starts with. `linux-image-tried`, version 1, wants the older; version 2 the newer one.
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { addPackage, makeAptRepo, type AptRepo } from "./apt-repo.js";
import { unpackDebian } from "./guest.js";

const MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "ext4"];

export interface SmallKernels {
  readonly repo: AptRepo;
  /** What `uname -r` says of each. */
  readonly old: string;
  readonly new: string;
}

/** Makes them below `dir`. */
export function makeSmallKernels(dir: string): SmallKernels {
  const repo = makeAptRepo(join(dir, "kernels"), []);
  const packed = join(dir, "packed");
  mkdirSync(packed, { recursive: true });
  let names: readonly string[] = [];
  const root = unpackDebian(packed, (apt) => (names = twoKernels(apt)));
  const versions = names.map((name) => name.replace("linux-image-", ""));
  for (const [i, version] of versions.entries()) {
    repack(repo, packed, root, names[i] ?? "", version);
    const meta = { name: "linux-image-tried", version: String(i + 1), depends: names[i] ?? "" };
    if (i === 0) addPackage(repo, meta);
  }
  const [old = "", newer = ""] = versions;
  return { repo, old, new: newer };
}

/** Offers the newer kernel. */
export const offerNewer = ({ repo, new: version }: SmallKernels): void =>
  void addPackage(repo, { name: "linux-image-tried", version: "2", depends: `linux-image-${version}` });

/** The two newest for clouds; where the mirror has only one, that for PCs and that for clouds. */
function twoKernels(apt: readonly string[]): readonly string[] {
  const pattern = "^linux-image-6\\.1\\.0-[0-9]+-(cloud-)?amd64$";
  const found = execFileSync("apt-cache", [...apt, "search", "--names-only", pattern], { encoding: "utf8" });
  const names = found.split("\n").flatMap((line) => (line === "" ? [] : [line.split(" ")[0] ?? ""]));
  const abi = (name: string): number => Number(/-(\d+)-/.exec(name)?.[1]);
  const sorted = names.sort((a, b) => abi(a) - abi(b) || (a < b ? -1 : 1));
  const cloud = sorted.filter((name) => name.includes("cloud"));
  return (cloud.length > 1 ? cloud : sorted).slice(-2);
}

function repack(repo: AptRepo, packed: string, root: string, name: string, version: string): void {
  const deb = readdirSync(packed).find((file) => file.startsWith(`${name}_`)) ?? "";
  const top = join(packed, name);
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { encoding: "utf8" });
  run("depmod", "-b", root, version);
  mkdirSync(join(top, "boot"), { recursive: true });
  run("dpkg-deb", "-e", join(packed, deb), join(top, "DEBIAN"));
  rmSync(join(top, "DEBIAN/md5sums"), { force: true });
  copyFileSync(join(root, `boot/vmlinuz-${version}`), join(top, `boot/vmlinuz-${version}`));
  cpSync(join(root, `boot/config-${version}`), join(top, `boot/config-${version}`));
  const modules = join(top, "lib/modules", version);
  const wanted = MODULES.flatMap((module) =>
    run("modprobe", "-d", root, "-S", version, "-D", module)
      .split("\n")
      .flatMap((line) => /^insmod (?:.*)(\/kernel\/\S+)/.exec(line)?.[1] ?? []),
  );
  for (const path of new Set(wanted)) {
    mkdirSync(dirname(join(modules, path)), { recursive: true });
    copyFileSync(join(root, "lib/modules", version, path), join(modules, path));
  }
  for (const file of readdirSync(join(root, "lib/modules", version)))
    if (/^modules\.(order|builtin)/.test(file))
      copyFileSync(join(root, "lib/modules", version, file), join(modules, file));
  run("dpkg-deb", "-Znone", "--root-owner-group", "--build", top, join(repo.dir, "pool", deb));
  rmSync(top, { recursive: true });
}
