// A project whose images start, each with another init: systemd, OpenRC and runit of Debian, and those that stand in for Void,
// for Arch and for systems of RPM; and one whose initrd is dracut's.
import { SSH_FAILED, SSH_READY } from "./machine.js";
import { STAND_IN_NAMES, STAND_INS } from "./stand-ins.js";

/** Its files; `publicKey` may log in as root. There have to be kernels in debs/. */
export const startedFiles = (publicKey: string): Readonly<Record<string, string>> => ({
  "Imagefile.ts": IMAGEFILE,
  "kernel.sh":
    '. "$HOOKLIB"\nexport_env\nmount_proc\nfor deb in $DEBS; do cp "$deb" "$1/tmp/"; done\n' +
    'chroot "$1" sh -c "dpkg -i /tmp/*.deb"\ncleanup\n',
  "ready.sh": `echo "rd:2345:once:/bin/sh ${TELL}" >>"$1/etc/inittab"\n`,
  // What every image has: who may log in, and what tells of the server.
  "everywhere/root/.ssh/authorized_keys": publicKey,
  [`everywhere${TELL}`]: TELLS,
  ...Object.fromEntries(Object.entries(VOID).map(([path, text]) => [`void/${path}`, text])),
  "void.sh": VOID_HOOK,
  ...STAND_INS,
});

/** What says on the console that the SSH server listens, or what there is to see of it when it does not. */
const TELL = "/usr/local/sbin/tell-ready";
const TELLS = `#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
tries=0 most=300
# It is run after the server's own service there.
[ ! -d /run/systemd/system ] || most=60
until [ -s /run/sshd.pid ] && ip -4 address show scope global | grep -q inet; do
    tries=$((tries + 1))
    [ $tries -lt $most ] && sleep 1 && continue
    {
        if [ -d /run/systemd/system ]; then
            journalctl --no-pager -b -n 60 -u ssh -u sshd -u 'sshd-keygen*' -u sshdgenkeys -u imagemake-host-keys
            systemctl --no-pager list-units --all 'ssh*' imagemake-host-keys.service
        fi
        ls -la /etc/ssh /run/sshd
        sshd -t
        ip -4 address
        echo ${SSH_FAILED}
    } >/dev/ttyS0 2>&1
    exit 1
done
echo ${SSH_READY} >/dev/ttyS0
`;
/** A service of runit, which stays. */
const READY = `#!/bin/sh\nsh ${TELL}\nexec sleep infinity\n`;

/** Stages with the layout of Void's, as short as can be. Debian's runit looks for its switches in /run. */
const VOID: Readonly<Record<string, string>> = {
  "etc/runit/1":
    "#!/bin/sh\nPATH=/usr/bin:/usr/sbin\nfor f in /etc/runit/core-services/*.sh; do [ -r $f ] && . $f; done\n",
  "etc/runit/core-services/00-pseudofs.sh": `for each in proc sys run; do mountpoint -q /$each && continue
    case $each in proc) mount -t proc proc /proc ;; sys) mount -t sysfs sys /sys ;; run) mount -t tmpfs run /run ;; esac
done
mkdir -p /dev/pts; mountpoint -q /dev/pts || mount -t devpts devpts /dev/pts
`,
  "etc/runit/core-services/03-filesystems.sh": "mount -o remount,rw /\n",
  "etc/runit/core-services/05-misc.sh":
    "modprobe virtio_net; ip link set lo up; ip link set eth0 up; ip address add 10.0.2.15/24 dev eth0\n",
  "etc/runit/core-services/10-runit-control.sh":
    "install -m000 /dev/null /run/runit.stopit; install -m000 /dev/null /run/runit.reboot\n",
  "etc/runit/2":
    "#!/bin/sh\nPATH=/usr/bin:/usr/sbin\nrunsvchdir default >/dev/null\nexec env - PATH=$PATH runsvdir -P /etc/runit/runsvdir/current\n",
  "etc/runit/3":
    "#!/bin/sh\nPATH=/usr/bin:/usr/sbin\nsv -w 20 force-stop /etc/runit/runsvdir/current/*\nsync; mount -o remount,ro /\n",
  "usr/sbin/reboot": "#!/bin/sh\nexec /lib/runit/runit-init 6\n",
  "etc/sv/sshd/run":
    "#!/bin/sh\nssh-keygen -A >/dev/null 2>&1\n[ -r conf ] && . ./conf\nmkdir -p /run/sshd\nexec /usr/sbin/sshd -D $OPTS\n",
  "etc/sv/ready/run": READY,
};
/** Takes Debian's own away, and turns the services on. */
const VOID_HOOK = `cd "$1"
rm -rf etc/runit/runsvdir/default etc/sv/ssh
mkdir etc/runit/runsvdir/default
for one in sshd ready; do ln -s /etc/sv/$one etc/runit/runsvdir/default/$one; done
ln -sf /lib/runit/runit-init usr/sbin/init
find etc/sv etc/runit usr/sbin/reboot -type f ! -name '*.sh' -exec chmod 755 {} +
`;

const IMAGEFILE = `
import { apt, each, files, rule, step } from "imagemake";
const repo = apt({ url: "host", suite: "bookworm" });
const packages = ["systemd-sysv", "udev", "dbus", "openssh-server", "initramfs-tools", "linux-base", "zstd"];
const root = rule.rootfs({ repo, arch: "amd64", packages });
const steps = [
  step.overlay("everywhere"),
  step.write("etc/systemd/network/all.network", "[Match]\\nType=ether\\n[Network]\\nDHCP=ipv4\\n"),
  step.write("etc/systemd/system/ready.service", "[Unit]\\nAfter=ssh.service sshd.service systemd-networkd.service\\n[Service]\\nType=oneshot\\n" +
    "ExecStart=/bin/sh ${TELL}\\n[Install]\\nWantedBy=multi-user.target\\n"),
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

const withDracut = rule.rootfs({ repo, arch: "amd64", packages: ["dracut", "iproute2", ...packages.filter((name) => name !== "initramfs-tools")] });
export const dracut = rule.disk({ from: rule.platformfs({ from: withDracut, steps: [...steps.slice(0, 4), ...steps.slice(-1)] }),
  boot: "grub-bios", ...options, out: "dracut.img" });

// What follows has no systemd.
const oldfashioned = rule.rootfs({ repo, arch: "amd64", packages: ["sysvinit-core", "openrc", "udev", "ifupdown", "iproute2",
  ...packages.slice(3)] });
export const openrc = rule.disk({ from: rule.platformfs({ from: oldfashioned, steps: [
  steps[0]!,
  step.write("etc/network/interfaces", "auto eth0\\niface eth0 inet static\\n address 10.0.2.15/24\\n"),
  step.hook("ready.sh"),
  ...steps.slice(-3),
] }), boot: "grub-bios", ...options, out: "openrc.img" });

const withRunit = rule.rootfs({ repo, arch: "amd64", packages: ["runit-init", "udev", "ifupdown", "iproute2", ...packages.slice(3)] });
export const runit = rule.disk({ from: rule.platformfs({ from: withRunit, steps: [
  steps[0]!,
  step.write("etc/network/interfaces", "auto eth0\\niface eth0 inet static\\n address 10.0.2.15/24\\n"),
  step.write("etc/sv/ready/run", ${JSON.stringify(READY)}, { mode: 0o755 }),
  step.link("etc/runit/runsvdir/default/ready", "/etc/sv/ready"),
  ...steps.slice(-3),
] }), boot: "grub-bios", ...options, out: "runit.img" });

const supervised = rule.rootfs({ repo, arch: "amd64", packages: ["runit", "kmod", "udev", "mount", "iproute2", ...packages.slice(4)] });
const voidLike = (name: string, more: ReturnType<typeof step.write>[]) => rule.disk({ from: rule.platformfs({ from: supervised, steps: [
  steps[0]!, step.overlay("void"), ...more, step.install(["openssh-server"]), step.hook("void.sh"), ...steps.slice(-3),
] }), boot: "grub-bios", ...options, out: name + ".img" });
export const voidlike = voidLike("voidlike", []);
export const bare = voidLike("bare", [step.write("etc/sv/sshd/run", "#!/bin/sh\\nmkdir -p /run/sshd\\nexec /usr/sbin/sshd -D\\n")]);

// The stand-ins are there before the server is, as a package's units are before its machine starts.
const serverless = rule.rootfs({ repo, arch: "amd64", packages: ["iproute2", ...packages.filter((name) => name !== "openssh-server")] });
const standIn = (name: string) => rule.platformfs({ from: serverless, steps: [
  ...steps, step.overlay(name), step.install(["openssh-server"]), step.hook(name + ".sh"), step.services(["sshd"]),
] });
const standIns = ${JSON.stringify(STAND_IN_NAMES)};
const likeTrees = Object.fromEntries(standIns.map((name) => [name, standIn(name)]));
export const like = each(standIns, (name) => rule.disk({ from: likeTrees[name]!, boot: "grub-bios", ...options, out: "like-" + name + ".img" }));
export const likeUnique = each(standIns, (name) => rule.unique({ from: likeTrees[name]! }));
`;
