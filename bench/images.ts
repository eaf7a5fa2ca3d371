// Times two edits of a real Debian image against the bare programs that such an edit cannot do without: a file of an
// overlay against mksquashfs and xorriso, one package more against apt in a chroot, and against unpacking, installing
// and packing again as build scripts do. It needs to be root, and Debian's mirror.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BenchError, median, mustRun, settle, type Program } from "./measure.js";
import { IMAGEMAKE } from "./programs.js";

/** Medians in seconds. */
export interface ImagesResult {
  readonly rounds: number;
  /** A file of the overlay edited: the ISO again, and mksquashfs plus xorriso on the same tree. */
  readonly overlay: { readonly imagemake: number; readonly bare: number };
  /** One package more: the platform's tree, apt alone in such a tree, and a script's way to a tarball. */
  readonly package: { readonly imagemake: number; readonly apt: number; readonly scripts: number };
}

/** Ordinary packages, with all that they need: one a round. */
const PACKAGES = ["openssh-server", "vim", "python3", "curl", "git", "rsync", "tmux"];

const IMAGEFILE = `
import { apt, list, rule, run, step } from "imagemake";
const debian = apt({ url: "host", suite: "bookworm" });
export const rootfs = rule.rootfs({ repo: debian, arch: "amd64", variant: "apt", packages: ["kmod", "udev", "systemd-sysv"] });
export const platform = rule.platformfs({ from: rootfs, packages: list("platform.list") });
export const desktop = rule.platformfs({ from: rootfs, steps: [step.overlay("overlay")] });
export const squash = rule.squashfs({ from: desktop, compress: "zstd" });
const empty = (out: string) => run({ inputs: {}, cmd: 'head -c 1M /dev/zero > "$OUT"', out });
export const iso = rule.iso({
  kernel: empty("vmlinuz"), initrd: empty("initrd.img"), label: "BENCH", out: "bench.iso",
  contents: { "live/filesystem.squashfs": squash },
});
export const tarball = rule.platformfs({ from: rootfs, out: "base.tar.xz" });
`;

const sh = (cwd: string, text: string): void =>
  void execFileSync("sh", ["-euc", text], { cwd, stdio: ["ignore", "ignore", "inherit"] });

/** Seconds. */
const seconds = (program: Program): number => mustRun(program).ms / 1000;

/** Measures in turn, in `dir`. */
export function images(rounds: number, dir: string, say: (text: string) => void): ImagesResult {
  if (process.getuid?.() !== 0)
    throw new BenchError("the benchmark of images needs to be root, for apt in a chroot");
  const count = Math.min(rounds, PACKAGES.length);
  const project = join(dir, "project");
  mkdirSync(join(project, "overlay/etc"), { recursive: true });
  writeFileSync(join(project, "Imagefile.ts"), IMAGEFILE);
  const file = join(project, "overlay/etc/motd");
  writeFileSync(file, "first\n");
  const imagemake = (...args: string[]): Program => ({
    name: "imagemake",
    argv: [...IMAGEMAKE, "--progress", "plain", ...args],
    cwd: project,
  });
  say("making a Debian with everything in it, and its tarball");
  // All packages once, so that none is fetched while time is taken.
  const want = (...names: readonly string[]): void =>
    writeFileSync(join(project, "platform.list"), `procps\n${names.join("\n")}\n`);
  want(...PACKAGES);
  mustRun(imagemake("iso", "platform", "tarball"));
  // One as it is, for the bare programs, and one with lists and packages, for apt.
  const [plain, tree] = [join(dir, "plain"), join(dir, "tree")];
  mkdirSync(plain);
  const tarball = join(
    project,
    "out",
    readdirSync(join(project, "out")).find((one) => one.startsWith("base")) ?? "",
  );
  mkdirSync(tree);
  sh(dir, `tar -xpJf ${tarball} -C tree; tar -xpJf ${tarball} -C plain`);
  prepareApt(tree, dir);

  const times = {
    iso: [] as number[],
    bare: [] as number[],
    platform: [] as number[],
    apt: [] as number[],
    scripts: [] as number[],
  };
  for (let round = 0; round < count; round++) {
    say(`round ${round + 1} of ${count}: an edit of the overlay`);
    writeFileSync(file, `round ${round}\n`);
    settle(3100);
    times.iso.push(built(imagemake("iso"), 3));
    times.bare.push(seconds(bare(project, plain, dir)));
    const name = PACKAGES[round] ?? "";
    say(`round ${round + 1} of ${count}: one package more, ${name}`);
    want(name);
    settle(3100);
    times.platform.push(built(imagemake("platform"), 1));
    times.apt.push(apt(tree, name, dir));
    if (round === 0) times.scripts.push(scripts(tarball, tree, name, dir));
  }
  return {
    rounds: count,
    overlay: { imagemake: median(times.iso), bare: median(times.bare) },
    package: { imagemake: median(times.platform), apt: median(times.apt), scripts: median(times.scripts) },
  };
}

/** Seconds of a run that built so many actions and nothing else. */
function built(program: Program, actions: number): number {
  const run = mustRun(program);
  if (!run.output.includes(`built ${actions},`)) {
    throw new BenchError(`${program.argv.join(" ")} was to build ${actions} actions:\n${run.output}`);
  }
  return run.ms / 1000;
}

/** What a new squashfs and a new ISO cost whoever makes them, with the same options. */
function bare(project: string, tree: string, dir: string): Program {
  const out = join(dir, "bare");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, "iso/live"), { recursive: true });
  const [kernel, initrd] = ["vmlinuz", "initrd.img"].map((name) => join(project, "out", name));
  sh(out, `cp ${kernel ?? ""} ${initrd ?? ""} iso/`);
  const squash = `mksquashfs ${tree} iso/live/filesystem.squashfs -comp zstd -noappend -no-progress`;
  const iso = `xorriso -as mkisofs -quiet -o bare.iso -V BENCH -iso-level 3 -r -J -joliet-long iso`;
  return { name: "bare", argv: ["sh", "-euc", `${squash}; ${iso}`], cwd: out };
}

/** Gives a tree apt's lists, and the packages in its cache. */
function prepareApt(tree: string, dir: string): void {
  const host = `cp /etc/resolv.conf ${tree}/etc/; rm -rf ${tree}/etc/apt/sources.list*; cp -r /etc/apt/sources.list* /etc/apt/trusted.gpg.d ${tree}/etc/apt/`;
  sh(dir, host);
  inTree(
    dir,
    tree,
    `apt-get -q update; apt-get -q install --yes --download-only --no-install-recommends ${PACKAGES.join(" ")} procps`,
  );
}

/** Runs a command in a tree, with what maintainer scripts need. */
function inTree(dir: string, tree: string, command: string): void {
  const mounts = `mount -t proc proc ${tree}/proc; mount --rbind /dev ${tree}/dev`;
  const inside = `DEBIAN_FRONTEND=noninteractive chroot ${tree} sh -euc '${command}'`;
  execFileSync("unshare", ["--mount", "sh", "-euc", `${mounts}; ${inside}`], {
    cwd: dir,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/** Seconds that apt takes to install a package in a tree, which stays as it is. */
function apt(tree: string, name: string, dir: string): number {
  const upper = join(dir, "upper");
  rmSync(upper, { recursive: true, force: true });
  for (const one of ["work", "data", "merged"]) mkdirSync(join(upper, one), { recursive: true });
  sh(upper, `mount -t overlay overlay -o lowerdir=${tree},upperdir=data,workdir=work merged`);
  try {
    const begin = process.hrtime.bigint();
    inTree(dir, join(upper, "merged"), `apt-get -q install --yes --no-install-recommends procps ${name}`);
    return Number(process.hrtime.bigint() - begin) / 1e9;
  } finally {
    sh(upper, "umount merged");
  }
}

/** Seconds of a script's way: unpack, install, pack with xz -9. */
function scripts(tarball: string, prepared: string, name: string, dir: string): number {
  const tree = join(dir, "scripts");
  mkdirSync(tree);
  const begin = process.hrtime.bigint();
  sh(dir, `tar -xpJf ${tarball} -C scripts`);
  const unpacked = Number(process.hrtime.bigint() - begin) / 1e9;
  // Lists and packages are there for scripts too; that is not counted.
  sh(
    dir,
    `cp -r ${prepared}/etc/apt/. scripts/etc/apt/; cp -r ${prepared}/var/lib/apt/. scripts/var/lib/apt/`,
  );
  sh(dir, `cp -r ${prepared}/var/cache/apt/. scripts/var/cache/apt/`);
  const again = process.hrtime.bigint();
  inTree(dir, tree, `apt-get -q install --yes --no-install-recommends procps ${name}; apt-get clean`);
  sh(dir, "tar -C scripts -c . | xz -9 -T0 >scripts.tar.xz");
  return unpacked + Number(process.hrtime.bigint() - again) / 1e9;
}
