// A disk image of Debian with systemd as the machines that start from it see it: logged into over SSH with host keys of their
// own, and with another kernel after the system's own tools installed it. Slow, so one image and one machine do for all.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, type TestProject } from "./support/cli.js";
import { serve, SSH_READY, startMachine, type Machine } from "./support/machine.js";
import { makeSmallKernels, offerNewer, type SmallKernels } from "./support/small-kernels.js";
import { STAND_IN_NAMES } from "./support/stand-ins.js";
import { startedFiles } from "./support/started-files.js";

// The machine of CI is quick; the long ones start a dozen times.
jest.setTimeout(process.env["IMAGEMAKE_EXPENSIVE"] === "1" ? 3_600_000 : 900_000);
const expensive = process.env["IMAGEMAKE_EXPENSIVE"] === "1" ? describe : describe.skip;

let scratch: string;
let project: TestProject;
let kernels: SmallKernels;
let served: { readonly url: string; readonly server: Server };
let machine: Machine | undefined;
let key: string;
/** What was built of the first image. */
let built: readonly string[] = [];

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "imagemake-started-"));
  key = join(scratch, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  kernels = makeSmallKernels(scratch);
  served = await serve(kernels.repo.dir);
  project = makeProject(startedFiles(readFileSync(`${key}.pub`, "utf8")));
  mkdirSync(project.path("debs"));
  for (const deb of readdirSync(join(kernels.repo.dir, "pool")).filter((name) => name.includes("_")))
    if (deb.includes(kernels.old) || deb.startsWith("linux-image-tried_1"))
      copyFileSync(join(kernels.repo.dir, "pool", deb), project.path("debs", deb));
  offerNewer(kernels);
});
afterAll(async () => {
  await machine?.cutPower();
  served.server.close();
  project.remove();
  rmSync(scratch, { recursive: true, force: true });
});

async function started(image: string, firmware: "bios" | "uefi" = "bios", which = ""): Promise<Machine> {
  await machine?.cutPower();
  const keep = join(scratch, `${image}${which}-${firmware}.img`);
  machine = await startMachine({ image: project.path(`out/${image}.img`), keep, scratch, key, firmware });
  return machine;
}
const upgrade = (): string =>
  `echo "deb [trusted=yes] ${served.url} tiny main" >/etc/apt/sources.list; apt-get -q update && ` +
  "DEBIAN_FRONTEND=noninteractive apt-get -q -y full-upgrade";
async function reboot(one: Machine): Promise<void> {
  // The connection ends before the command does.
  one.sshStart("reboot");
  await one.says(SSH_READY);
}

/** What is a machine's own for all its life: its host keys, its id, and that of its dbus. */
const own = async (one: Machine): Promise<readonly string[]> =>
  words(
    await one.ssh(
      "cut -d ' ' -f 2 /etc/ssh/ssh_host_*_key.pub; cat /etc/machine-id /var/lib/dbus/machine-id || :",
    ),
  );
/** Digests of its seeds, which are others after each start. */
const seeds = async (one: Machine): Promise<readonly string[]> =>
  words(await one.ssh(`cd /var/lib; sha256sum ${SEEDS.join(" ")} 2>/dev/null | cut -c -64`));
const SEEDS = [
  "systemd/random-seed",
  "random-seed",
  "misc/random-seed",
  "urandom/random-seed",
  "seedrng/seed.*",
];
const words = (text: string): readonly string[] => [
  ...new Set(text.split(/\s+/).filter((word) => word !== "")),
];

describe("a disk image of Debian", () => {
  test("has its initrd from the tree's own tool, once for all disks of the tree", async () => {
    const first = await project.events({}, "links");
    expect([first.status, first.stderr]).toEqual([0, expect.not.stringContaining("failed")]);
    built = first.which("built");
    expect(built).toContain("links/made");
    expect((await project.events({}, "other")).which("built")).toEqual(["other", "other/tree"]);
  });

  test("has nothing that must differ from machine to machine, and says what was taken out", async () => {
    await project.good("unique");
    expect((await project.run("log", "unique")).stdout).toContain("unique: nothing is left");
    const logs = await Promise.all(built.map((id) => project.run("log", id)));
    const log = logs.map(({ stdout }) => stdout).join("");
    expect(log).toContain("etc/ssh/ssh_host_ed25519_key is for each machine to make, and is taken out");
  });

  test("is logged into over SSH, has the same keys after a reboot, and starts the kernel it upgraded to", async () => {
    await project.good("links");
    const one = await started("links");
    await one.says(SSH_READY);
    const [id, hostKey] = [await one.ssh("uname -r; cat /etc/machine-id"), await one.hostKey()];
    expect(id).toMatch(new RegExp(`^${kernels.old}\n[0-9a-f]{32}$`));
    expect(hostKey).toMatch(/ssh-ed25519 \S+/);
    expect(await one.ssh("readlink /var/lib/dbus/machine-id; systemctl --failed --no-legend")).toBe(
      "/etc/machine-id",
    );

    await one.ssh(upgrade());
    await reboot(one);
    expect(await one.ssh("uname -r; cat /etc/machine-id")).toBe(id.replace(kernels.old, kernels.new));
    expect(await one.hostKey()).toBe(hostKey);

    await one.ssh(`DEBIAN_FRONTEND=noninteractive apt-get -q -y purge linux-image-${kernels.old}; ls /boot`);
    await reboot(one);
    expect(await one.ssh("uname -r; ls /boot | grep -c vmlinuz")).toBe(`${kernels.new}\n1`);
  });
});

expensive("a disk image with another init, or another initrd", () => {
  // Packages of Void, of Arch and of RPM cannot be had here: what stands in for them is Debian's, with stages, units and
  // services written like theirs.
  const theirOwn = ["voidlike", ...STAND_IN_NAMES.map((name) => `like-${name}`)];
  /** Of these a second machine is started, one for each that makes seeds. */
  const twice = ["openrc", "runit", "like-rpmlike"];
  test.each([
    ["dracut", "systemd, and an initrd that dracut made", "systemd\n"],
    ["openrc", "OpenRC of Debian", "init\n"],
    ["runit", "runit of Debian", "runit\n"],
    ["voidlike", "a stand-in for runit of Void, whose sshd makes its keys", "runit\n"],
    ["bare", "a stand-in for runit of Void, whose sshd does not", "runit\n"],
    ["like-archlike", "a stand-in for Arch, whose sshd wants sshdgenkeys.service", "systemd\n"],
    ["like-rpmlike", "a stand-in for Fedora, whose sshd wants sshd-keygen.target", "systemd\n"],
    [
      "like-centoslike",
      "a stand-in for CentOS 7 and XCP-ng, whose sshd wants sshd-keygen.service",
      "systemd\n",
    ],
  ])("is logged into over SSH, and is the same machine after a reboot: %s, %s", async (image, _, init) => {
    await project.good(image);
    const one = await started(image);
    await one.says(SSH_READY);
    const made = await one.ssh(
      "readlink /proc/1/exe; ls /usr/lib/imagemake/host-keys 2>/dev/null; ls /etc/ssh/*_key | wc -l",
    );
    expect(made).toContain(init);
    expect(made.includes("/host-keys")).toBe(!theirOwn.includes(image));
    expect(made).toMatch(/^3$/m);
    const systemd = init.startsWith("systemd");
    // The unit's own server is the one that answers.
    if (systemd)
      expect(
        words(
          await one.ssh("systemctl show -P MainPID sshd; cat /run/sshd.pid; systemctl --failed --no-legend"),
        ),
      ).toEqual([expect.stringMatching(/^[1-9]\d*$/)]);
    const [hostKey, mine] = [await one.hostKey(), await own(one)];
    expect(mine).toHaveLength(systemd ? 4 : 3);
    await reboot(one);
    expect(await one.hostKey()).toBe(hostKey);
    expect(await own(one)).toEqual(mine);
    if (!twice.includes(image)) return;

    const all = [...mine, ...(await seeds(one))];
    expect(all.length).toBeGreaterThan(mine.length);
    const other = await started(image, "bios", "-other");
    await other.says(SSH_READY);
    const theirs = await own(other);
    expect(theirs).toHaveLength(mine.length);
    expect([...theirs, ...(await seeds(other))].filter((one) => all.includes(one))).toEqual([]);
  });

  test.each(STAND_IN_NAMES)("has nothing that must differ from machine to machine: %s", async (name) => {
    await project.good(`like-unique-${name}`);
    const { stdout } = await project.run("log", `like-unique-${name}`);
    expect(stdout).toContain("unique: nothing is left");
  });
});

expensive("a disk image whose kernel is upgraded", () => {
  test.each(["bios", "uefi"] as const)("by its own update-grub starts it with %s", async (firmware) => {
    await project.good("menu");
    const one = await started("menu", firmware);
    await one.says(SSH_READY);
    await one.ssh(upgrade());
    const menu = await one.ssh("cat /boot/grub/grub.cfg");
    expect(menu).toContain("10_linux");
    expect(menu).toContain("menuentry 'Second'");
    await reboot(one);
    expect(await one.ssh("uname -r")).toBe(kernels.new);
    expect(await one.ssh("cat /proc/cmdline")).toContain("console=ttyS0,115200");
    await one.ssh(`DEBIAN_FRONTEND=noninteractive apt-get -q -y purge linux-image-${kernels.old}`);
    await reboot(one);
    expect(await one.ssh("uname -r")).toBe(kernels.new);
  });

  const early = ["Unpacking linux-image-6", "is now a symlink to", "update-initramfs: Generating"];
  test.each([
    ["links", early],
    ["menu", [...early.slice(-1), "Generating grub"]],
  ] as const)("starts one of the two when its power was cut: %s", async (image, moments) => {
    await project.good(image);
    for (const moment of moments) {
      rmSync(join(scratch, `${image}-bios.img`), { force: true });
      const one = await started(image);
      await one.says(SSH_READY);
      await heard(one.sshStart(upgrade()), moment);
      const again = await started(image);
      await again.says(SSH_READY);
      expect([moment, await again.ssh("uname -r")]).toEqual([
        moment,
        expect.stringMatching(`^(${kernels.old}|${kernels.new})$`),
      ]);
    }
    // And it is mended by the system's own tools.
    await machine?.ssh("dpkg --configure -a && DEBIAN_FRONTEND=noninteractive apt-get -q -y -f full-upgrade");
    expect(await machine?.ssh("ls /boot")).toContain(`initrd.img-${kernels.new}`);
  });
});

/** Waits until a command has said it. */
async function heard(child: ChildProcess, what: string): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (text: Buffer) => {
        said += text.toString();
        if (said.includes(what)) resolve();
      });
    child.once("exit", () => reject(new Error(`it ended without ${what}: ${said}`)));
  });
}
