// File systems of their own for projects: small ones that run full, and one that keeps time in whole seconds. They
// are mounted in a namespace that lives as long as this process, so that nothing is left behind.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Place } from "./cli.js";

/** A namespace with something mounted at `mount`. */
export interface Disk extends Place {
  /** Where it is mounted, as those inside see it. */
  readonly mount: string;
  /** Whatever is mounted below it, beside itself. */
  mounts(): readonly string[];
  /** Runs a shell command inside, in the mounted directory. */
  sh(command: string): Promise<void>;
  remove(): Promise<void>;
}

/** A RAM disk of so many KiB, with so many inodes; more than any test needs where that is not said. */
export const smallDisk = (kilobytes: number, inodes = 2_000_000): Promise<Disk> =>
  makeDisk(() => `mount -t tmpfs -o size=${kilobytes}k,nr_inodes=${inodes} disk "$1"`);

/** One that never runs full, and holds no extended attributes. */
export const plainDisk = (): Promise<Disk> => makeDisk(() => `mount -t ramfs disk "$1"`);

/** The merged directory of an overlay, as in most containers: no other overlay can be written on it. */
export const overlayDisk = (): Promise<Disk> =>
  makeDisk(
    (beside) =>
      `mkdir ${beside}; mount -t tmpfs disk ${beside}; mkdir ${beside}/low ${beside}/up ${beside}/work; ` +
      `mount -t overlay disk -o lowerdir=${beside}/low,upperdir=${beside}/up,workdir=${beside}/work "$1"`,
  );

/** A file system of a block device, made by this command. Needs loop devices. */
export const blockDisk = (mkfs: string): Promise<Disk> =>
  makeDisk(
    (image) => `truncate -s 320M ${image}; ${mkfs} ${image} > /dev/null 2>&1; mount -o loop ${image} "$1"`,
  );

/** Two changes within one second have one time. Needs loop devices. */
export const coarseDisk = (): Promise<Disk> =>
  makeDisk(
    (image) =>
      `truncate -s 16M ${image}; mkfs.ext2 -q -I 128 -b 1024 ${image} > /dev/null 2>&1; mount -o loop ${image} "$1"`,
  );

async function makeDisk(script: (image: string) => string): Promise<Disk> {
  const top = mkdtempSync(join(tmpdir(), "imagemake-disk-"));
  const mount = join(top, "mount");
  const commands = `mkdir "$1"; ${script(join(top, "image"))}; echo ready; exec cat`;
  // It ends when its input does, which is when this process ends at the latest.
  const holder = spawn("unshare", ["--mount", "sh", "-euc", commands, "sh", mount], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const remove = async (): Promise<void> => {
    holder.stdin.end();
    if (holder.exitCode === null) await once(holder, "exit");
    rmSync(top, { recursive: true, force: true });
  };
  const ready = new Promise<boolean>((resolve) => {
    holder.stdout.once("data", () => resolve(true));
    holder.once("exit", () => resolve(false));
  });
  if (!(await ready)) {
    await remove();
    throw new Error("the file system could not be mounted");
  }
  const space = `/proc/${holder.pid}`;
  const enter = [`--mount=${space}/ns/mnt`, `--wdns=${mount}`, "--"];
  return {
    mount,
    dir: join(space, "root", mount),
    under: ["nsenter", ...enter],
    sh: async (command) => {
      const child = spawn("nsenter", [...enter, "sh", "-euc", command], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      await once(child, "exit");
      if (child.exitCode !== 0) throw new Error(`${command}: exit status ${child.exitCode}`);
    },
    mounts: () =>
      readFileSync(`${space}/mountinfo`, "utf8")
        .split("\n")
        .filter((line) => line.includes(` ${mount}/`)),
    remove,
  };
}
