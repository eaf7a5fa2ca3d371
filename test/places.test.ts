// Places where a project may lie, and limits under which it may be built. In each the build is right, to the byte, or stops
// with words that say what is lacking and what helps; nothing half-made stays, and once that was done the next run is right.
// Needs root. See isolation.test.ts for what --no-isolation does, run-options.test.ts for users with one id.
import { execFileSync, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { finish, type TestProject } from "./support/cli.js";
import { blockDisk, overlayDisk, plainDisk, smallDisk, type Disk } from "./support/disk.js";
import { expectSettled, makePuppet } from "./support/faults.js";
import { ALL, expectNothingHalf, expectRight, ordinary, placed } from "./support/places.js";
import { asUser, makeTrial, mountsOf, USER } from "./support/sandbox.js";
import { skipping } from "./support/skipping.js";

jest.setTimeout(120_000);

/** Others that go the same ways through the engine. */
const EXPENSIVE = process.env["IMAGEMAKE_EXPENSIVE"] === "1";

const trial = makeTrial();
let right: Readonly<Record<string, string>>;
beforeAll(async () => {
  right = await ordinary();
});
afterAll(() => rmSync(trial.dir, { recursive: true, force: true }));

let disk: Disk | undefined;
let project: TestProject | undefined;
afterEach(async () => {
  if (disk === undefined) project?.remove();
  await disk?.remove();
  disk = project = undefined;
});

/** Whether there is what it takes to make such a file system. */
const has = (mkfs: string): boolean => spawnSync("which", [mkfs]).status === 0;

describe("a project is built to the byte", () => {
  const places: readonly (readonly [string, () => Promise<Disk>, RegExp, string?])[] = [
    ["on tmpfs", () => smallDisk(100_000), /^$/],
    [
      "on an overlay, where trees are copied, and that is said",
      overlayDisk,
      /^warning: no overlays in \S+, so trees are copied .*$/,
    ],
    ["on btrfs, which has reflinks", () => blockDisk("mkfs.btrfs -q"), /^$/, "mkfs.btrfs"],
    ["on ext4 with few inodes", () => blockDisk("mkfs.ext4 -q -N 300"), /^$/, "mkfs.ext4"],
    ["on xfs", () => blockDisk("mkfs.xfs -q -m reflink=0"), /^$/, "mkfs.xfs"],
  ];
  for (const [where, make, warned, mkfs] of places) {
    const can = mkfs === undefined || has(mkfs);
    if (!can) skipping(`places, ${where}`, `there is no ${mkfs}`);
    (can ? test : test.skip)(where, async () => {
      disk = await make();
      project = placed(disk);
      const { stderr } = await project.good(...ALL);
      expect(
        stderr
          .split("\n")
          .filter((line) => line.startsWith("warning"))
          .join("\n"),
      ).toMatch(warned);
      await expectRight(project, right);
      expect(disk.mounts()).toEqual([]);
    });
  }

  test("from a state directory in a container's image: layers that its overlay hides things of, and does not move", async () => {
    disk = await smallDisk(100_000);
    project = placed(disk);
    await project.good(...ALL);
    await disk.sh(
      "cd ..; mkdir up work; mount -t overlay disk -o lowerdir=mount,upperdir=up,workdir=work mount",
    );
    await expectSettled(project, ...ALL);
    // Reads the layer again.
    project.write("Imagefile.ts", project.read("Imagefile.ts").replace("| sort >", "| sort -s >"));
    const { stderr } = await project.good(...ALL);
    expect(stderr).toMatch(
      /^warning: the tree t:\w+ \(made by image.tree\) in the store is damaged, and is built again/m,
    );
    await expectRight(project, right);
    // One of the lower layers is needed no more.
    project.write("Imagefile.ts", project.read("Imagefile.ts").replace("chmod 700", "chmod 710"));
    await project.good(...ALL);
    expect(await project.good("cache", "gc")).toMatchObject({ stderr: "" });
    expect(await project.good("cache", "verify")).toMatchObject({ stderr: "" });
  });

  test("by an ordinary user with subordinate ids", async () => {
    project = placed();
    execFileSync("chown", ["-R", `${USER}:${USER}`, project.dir]);
    const { status, stderr } = await project.call({ under: asUser(trial, "all") }, ...ALL);
    expect([status, stderr]).toEqual([0, expect.not.stringContaining("warning")]);
    expect(project.outputs()).toEqual(right);
  });

  test.each(EXPENSIVE ? ["EPERM", "EMLINK", "EOPNOTSUPP"] : ["EPERM"])(
    "where no hard link can be made (%s), and the copies are named",
    async (error) => {
      project = placed();
      const under = ["strace", "-o", "/dev/null", "-e", "trace=link", "-e", `inject=link:error=${error}`];
      const { status, stderr } = await project.call({ under }, ...ALL);
      expect(stderr).toMatch(
        /^warning: \S+\/out\/\S+ is a copy of what the store holds, because no hard link can be made there/m,
      );
      expect(stderr.match(/is a copy/g)).toHaveLength(1);
      expect(status).toBe(0);
      await expectRight(project, right);
    },
  );
});

/** What is in the way, how the build says so, and how it is taken away. */
interface Obstacle {
  readonly where: string;
  readonly make: () => Promise<Disk>;
  /** Built before. */
  readonly before?: readonly string[];
  /** Shell words inside, and words before imagemake. */
  readonly put?: string;
  readonly under?: readonly string[];
  readonly status: number;
  readonly said: RegExp;
  readonly away?: string;
}

const ROOM = () => smallDisk(100_000);
/** Takes all room but so many KiB. */
const fill = (left: number): string =>
  `head -c "$(($(stat -f -c "%a*%S" .) - ${left} * 1024))" /dev/zero > filler`;
/** Takes all inodes but so many. */
const crowd = (left: number): string =>
  `mkdir many; cd many; seq "$(($(stat -f -c %d .) - ${left}))" | xargs touch`;
const FULL =
  "no space is left on the device\\n  free some space; `imagemake cache gc` drops what nothing needs";
const CROWDED =
  "no inode is left on its file system, so that no file can be made there\\n  delete files there, .*df -i";

const OBSTACLES: readonly Obstacle[] = [
  {
    ...{ where: "on a full file system", make: () => smallDisk(8192), put: fill(0), away: "rm filler" },
    ...{ status: 3, said: new RegExp(`cannot \\w+ .*\\.imagemake/index\\.db: ${FULL}`) },
  },
  {
    ...{ where: "where what is staged does not fit", make: () => smallDisk(8192), before: ["file"] },
    ...{ put: fill(60), away: "rm filler" },
    ...{
      status: 3,
      said: new RegExp(`^failed base: cannot put an artifact at \\S+/file\\.txt: ${FULL}`, "m"),
    },
  },
  {
    ...{ where: "where what a command writes does not fit", make: () => smallDisk(8192), before: ["file"] },
    ...{ put: fill(190), away: "rm filler" },
    ...{
      status: 1,
      said: /^failed base: exit status 1 .*\n(?:.*No space left on device\n)*.*\| imagemake: \S+\/stage: no space is left on the device; free some space/m,
    },
  },
  {
    ...{ where: "without an inode", make: () => smallDisk(100_000, 600), put: crowd(1), away: "rm -r many" },
    ...{ status: 3, said: new RegExp(`cannot make \\S+/\\.imagemake: ${CROWDED}`) },
  },
  {
    ...{
      where: "without inodes for the trial of isolation, which is no reason to do without",
      before: ["file"],
    },
    ...{ make: () => smallDisk(100_000, 600), put: crowd(3), away: "rm -r many" },
    ...{
      status: 3,
      said: /^imagemake: an action cannot be tried in \S+: .*No space left on device\n {2}delete files there, .*df -i/m,
    },
  },
  {
    ...{ where: "without inodes for the trial of overlays, which is no reason to copy", before: ["file"] },
    ...{ make: () => smallDisk(100_000, 600), put: crowd(10), away: "rm -r many" },
    ...{ status: 3, said: new RegExp(`^imagemake: cannot \\w+ \\S+: ${CROWDED}`, "m") },
  },
  {
    ...{
      where: "read-only",
      make: ROOM,
      before: ["file"],
      put: 'mount -o remount,ro "$PWD"',
      away: 'mount -o remount,rw "$PWD"',
    },
    ...{ status: 3, said: /the file system is read-only\n {2}mount it writable/ },
  },
  {
    ...{ where: "without extended attributes", make: plainDisk, status: 3 },
    ...{
      said: /^imagemake: the file system of \S+\/stage does not hold the extended attributes of trees .*Operation not supported\)\n {2}let \.imagemake be a link/m,
    },
    ...{ away: "rm -r .imagemake; mkdir .imagemake; mount -t tmpfs -o mode=755 none .imagemake" },
  },
  {
    ...{ where: "with few descriptors", make: ROOM, under: ["prlimit", "--nofile=28:28"] },
    ...{
      status: 3,
      // What cannot be done first is not said.
      said: /^imagemake: (?:actions |an action )?cannot .*: too many files are open\n {2}raise the limit of open files, which is (?:28|too low) \(ulimit -n\)\n$/,
    },
  },
  {
    ...{
      where: "where files may not be larger than the index",
      make: ROOM,
      under: ["prlimit", "--fsize=20000"],
    },
    ...{
      status: 3,
      said: /index\.db: it is larger than a file may be\n {2}raise the limit of a file's size, which is 20000 bytes \(ulimit -f\)/,
    },
  },
  {
    ...{
      where: "where files may not be as large as an output",
      make: ROOM,
      under: ["prlimit", "--fsize=2000000"],
    },
    ...{
      status: 1,
      said: /^failed disk: killed by SIGXFSZ .*\n {2}\| imagemake: raise the limit of a file's size, which is 2000000 bytes/m,
    },
  },
  {
    ...{ where: "in a container at its limit of namespaces", make: ROOM, status: 3 },
    under: [
      "unshare",
      "--user",
      "--map-root-user",
      "sh",
      "-euc",
      'echo 0 > /proc/sys/user/max_mnt_namespaces; exec "$@"',
      "sh",
    ],
    said: /^imagemake: actions cannot be isolated here: .*unshare: No space left on device\n {2}raise the limits of namespaces .*; --no-isolation/m,
  },
];

describe("a build stops in words, and goes on once it can,", () => {
  test.each(OBSTACLES)("$where", async ({ make, before = [], put, under = [], status, said, away }) => {
    const here = (disk = await make());
    project = placed(here);
    if (before.length > 0) await project.good(...before);
    if (put !== undefined) await here.sh(put);
    const ended = await project.call({ under }, ...ALL);
    expect(ended.stderr).toMatch(said);
    expect(ended.stderr).not.toMatch(/internal error|so trees are copied/);
    expect(ended.status).toBe(status);
    await expectNothingHalf(project, right);
    expect([...here.mounts(), ...mountsOf(here.mount)]).toEqual([]);
    if (away !== undefined) await here.sh(away);
    await project.good(...ALL);
    expect(project.outputs()).toEqual(right);
  });
});

describe("half-way through a build", () => {
  const calls = (name: string, how: string, ...words: string[]): readonly string[] => [
    ...["strace", ...words, "-o", "/dev/null", "-e", `trace=${name}`, "-e", `inject=${name}:${how}`],
  ];
  const READ_ONLY = /: the file system is read-only\n {2}mount it writable .*dmesg/;
  const BROKEN = /: the device reports an input or output error\n {2}dmesg says/;
  test.each<readonly [string, readonly string[], RegExp]>([
    ["no name can be given any more", calls("rename", "error=EROFS:when=4+"), READ_ONLY],
    ["no directory can be made any more", calls("mkdir", "error=EROFS:when=25+"), READ_ONLY],
    ["nothing reaches the disk", calls("fsync", "error=EIO", "-f"), BROKEN],
    ["no bytes can be written", calls("pwrite64", "error=EIO:when=40+", "-f"), BROKEN],
    [
      "no process can be started",
      calls("clone,vfork", "error=EAGAIN"),
      /: \S+ EAGAIN\n {2}raise the limit of processes, which is .*pids\.max|raise the limit of processes/,
    ],
    [
      "no file can be opened any more",
      calls("openat", "error=EMFILE:when=100+"),
      /raise the limit of open files/,
    ],
  ])("%s: that is said, and the next run is right", async (_, under, said) => {
    project = placed();
    const { status, stderr } = await project.call({ under }, ...ALL);
    expect(stderr).toMatch(said);
    expect(stderr).not.toMatch(/internal error|so trees are copied|--no-isolation/);
    expect(status).toBe(3);
    await expectNothingHalf(project, right);
    await project.good(...ALL);
    await expectRight(project, right);
  });

  const can = has("mkfs.ext4");
  if (!can) skipping("places, a device with errors", "there is no mkfs.ext4");
  (can ? test : test.skip)("the kernel makes a file system read-only after an error", async () => {
    const puppet = makePuppet();
    try {
      disk = await blockDisk("mkfs.ext4 -q -e remount-ro");
      project = placed(disk);
      const text = project.read("Imagefile.ts");
      project.write("Imagefile.ts", text.replace("seq 20000", `${puppet.cmd}seq 20000`));
      // Sources that nobody synced would be lost, as a machine's that loses its power.
      await disk.sh("sync");
      const child = project.start({}, ...ALL);
      const building = finish(child);
      await puppet.started(1, child);
      await disk.sh(
        'echo error > "/sys/fs/ext4/$(basename "$(findmnt -no SOURCE "$PWD")")/trigger_fs_error"',
      );
      puppet.release();
      const { status, stderr } = await building;
      expect(stderr).toMatch(/the file system is read-only\n {2}mount it writable|Read-only file system/);
      expect(stderr).toMatch(/dmesg says whether errors made it read-only/);
      expect(stderr).not.toContain("internal error");
      expect([1, 3]).toContain(status);
      await disk.sh(
        'at=$PWD; cd /; umount "$at"; e2fsck -fy "${at%mount}image" > /dev/null 2>&1 || test $? = 1; mount -o loop "${at%mount}image" "$at"',
      );
      puppet.release();
      await project.good(...ALL);
      await expectRight(project, right);
    } finally {
      puppet.close();
    }
  });
});

describe("on an overlay", () => {
  /** Steps, and a command that runs within what they make. */
  const layered = (...words: readonly string[]): string => `import { rule, run, step } from "imagemake";
const base = run({ inputs: {}, tree: true, cmd: 'cp -L --parents /bin/sh /bin/cat $(ldd /bin/cat | grep -o "/[^ ]*") "$OUT"; mkdir -p "$OUT/etc"; touch "$OUT/etc/able"; setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 "$OUT/etc/able"' });
export const image = rule.platformfs({ from: base, out: "image.tar",
  steps: [${words.map((word) => `step.write("etc/${word}", "${word}")`).join(", ")}] });
export const within = run({ inputs: {}, within: image.tree, cmd: ["sh", "-c", 'cat /etc/one /etc/two /etc/three > "$OUT"'], out: "within.txt" });
`;

  test("layers that were made elsewhere are copied as one, and nothing of them is lost in silence", async () => {
    const elsewhere = (project = placed());
    elsewhere.write("Imagefile.ts", layered("one", "two"));
    await elsewhere.good("image");
    disk = await overlayDisk();
    await disk.sh(`cp -a ${elsewhere.dir}/. .`);
    elsewhere.write("Imagefile.ts", layered("one", "two", "three"));
    await elsewhere.good("image", "within");
    const wanted = elsewhere.outputs();
    elsewhere.remove();
    project = placed(disk);
    project.write("Imagefile.ts", layered("one", "two", "three"));
    // What cp uses, and setfattr does not.
    const refusing = "inject=fsetxattr,lsetxattr:error=ENOSPC";
    const under = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fsetxattr,lsetxattr", "-e", refusing];
    const lossy = await project.call({ under }, "image");
    expect(lossy.stderr).toMatch(
      /cannot flatten \d layers: cp: .*setting attribute 'security\.capability' .*No space left on device/,
    );
    expect(lossy.status).toBe(3);
    const { stderr } = await project.good("image", "within");
    expect(stderr).toContain("so trees are copied");
    expect(project.outputs()).toEqual(wanted);
    await expectSettled(project, "image", "within");
  });
});

describe("where not a byte is left", () => {
  test.each(EXPENSIVE ? ["cache gc", "clean"] : ["cache gc"])("%s makes room", async (command) => {
    disk = await smallDisk(8192);
    project = placed(disk);
    await project.good(...ALL);
    // What was built before is needed no more.
    project.write("Imagefile.ts", project.read("Imagefile.ts").replace("seq 20000", "seq 20000; : again"));
    project.write("src.txt", `${project.read("src.txt")}more\n`);
    await project.good(...ALL);
    await disk.sh(fill(0));
    const { status, stdout, stderr } = await project.run(...command.split(" "));
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^removed /);
    expect(status).toBe(0);
    await disk.sh("rm filler");
    await project.good(...ALL);
    await expectSettled(project, ...ALL);
  });
});
