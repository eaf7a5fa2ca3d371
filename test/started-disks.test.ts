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

// The machine of CI is quick; the long ones start a dozen times.
jest.setTimeout(process.env["IMAGEMAKE_EXPENSIVE"] === "1" ? 3_600_000 : 900_000);
const expensive = process.env["IMAGEMAKE_EXPENSIVE"] === "1" ? describe : describe.skip;

const IMAGEFILE = (publicKey: string): string => `
import { apt, files, rule, step } from "imagemake";
const repo = apt({ url: "host", suite: "bookworm" });
const packages = ["systemd-sysv", "udev", "dbus", "openssh-server", "initramfs-tools", "linux-base", "zstd"];
const root = rule.rootfs({ repo, arch: "amd64", packages });
const steps = [
  step.write("root/.ssh/authorized_keys", ${JSON.stringify(publicKey)}),
  step.write("etc/systemd/network/all.network", "[Match]\\nType=ether\\n[Network]\\nDHCP=ipv4\\n"),
  step.write("etc/systemd/system/ready.service", "[Unit]\\nAfter=ssh.service systemd-networkd.service\\n[Service]\\nType=oneshot\\n" +
    "ExecStart=/bin/sh -c 'until ip -4 route | grep -q default; do sleep 1; done; echo ${SSH_READY} >/dev/ttyS0'\\n[Install]\\nWantedBy=multi-user.target\\n"),
  step.services(["systemd-networkd", "ready"], { disable: ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "e2scrub_reap", "fstrim.timer", "getty@tty1", "remote-fs.target", "systemd-pstore", "systemd-networkd-wait-online"] }),
  // What makes it small makes it quick.
  step.write("etc/initramfs-tools/conf.d/small", "MODULES=list\\n"),
  step.write("etc/initramfs-tools/modules", "virtio_pci\\nvirtio_blk\\next4\\n"),
  step.hook("kernel.sh", { inputs: { DEBS: files("debs/*.deb") } }),
];
const tree = rule.platformfs({ from: root, packages: ["iproute2"], steps });
const options = { cmdline: "console=ttyS0,115200 net.ifnames=0 quiet systemd.show_status=0", size: "1GiB" } as const;
export const links = rule.disk({ from: tree, boot: "grub-bios", ...options, out: "links.img" });
export const other = rule.disk({ from: tree, boot: "grub-bios", ...options, wait: 1, out: "other.img" });
export const menu = rule.disk({ from: rule.platformfs({ from: tree, packages: ["grub2-common", "grub-pc-bin"] }),
  boot: "grub", ...options, menu: [{ title: "First" }, { title: "Second", cmdline: "second=1" }], wait: 0, out: "menu.img" });
export const unique = rule.unique({ from: tree });

const oldfashioned = rule.rootfs({ repo, arch: "amd64", packages: ["sysvinit-core", "openrc", "udev", "ifupdown", "iproute2",
  ...packages.slice(3)] });
export const openrc = rule.disk({ from: rule.platformfs({ from: oldfashioned, steps: [
  steps[0]!,
  step.write("etc/network/interfaces", "auto eth0\\niface eth0 inet static\\n address 10.0.2.15/24\\n"),
  step.hook("ready.sh"),
  ...steps.slice(-3),
] }), boot: "grub-bios", ...options, out: "openrc.img" });
`;

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
  project = makeProject({
    "Imagefile.ts": IMAGEFILE(readFileSync(`${key}.pub`, "utf8")),
    "kernel.sh":
      '. "$HOOKLIB"\nexport_env\nmount_proc\nfor deb in $DEBS; do cp "$deb" "$1/tmp/"; done\n' +
      'chroot "$1" sh -c "dpkg -i /tmp/*.deb"\ncleanup\n',
    "ready.sh": `echo "rd:2345:once:/bin/sh -c 'until [ -s /run/sshd.pid ]; do sleep 1; done; echo ${SSH_READY} >/dev/ttyS0'" >>"$1/etc/inittab"\n`,
  });
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

async function started(image: string, firmware: "bios" | "uefi" = "bios"): Promise<Machine> {
  await machine?.cutPower();
  const keep = join(scratch, `${image}-${firmware}.img`);
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

expensive("a disk image of Debian with OpenRC", () => {
  test("is logged into over SSH, with the same host keys after a reboot", async () => {
    await project.good("openrc");
    const one = await started("openrc");
    await one.says(SSH_READY);
    expect(await one.ssh("readlink /proc/1/exe; ls /run/openrc/started | grep imagemake")).toContain(
      "imagemake-host-keys",
    );
    const hostKey = await one.hostKey();
    await reboot(one);
    expect(await one.hostKey()).toBe(hostKey);
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
