// What makes a root of the installer's packages the installer: what is taken out, its own files, links and services, as
// data by release. After create-installimg.sh; it knows no repository.
import { depmod } from "../../rules/steps/depmod.js";
import * as step from "../../rules/steps.js";
import type { Step } from "../../rules/types.js";

/** Packages that come along though the installer needs nothing of them. */
const PACKAGES = ["binutils", "dracut", "gpg-pubkey", "pkgconfig", "xen-hypervisor"];

const under = (dir: string, names: string): readonly string[] =>
  names.split(" ").map((name) => `${dir}/${name}`);

/** Files that only make the image larger. */
const PATHS = [
  ...under(
    "usr/bin",
    "systemd-analyze systemd-nspawn journalctl machinectl dgawk loginctl ssh-keyscan pgawk busctl systemd-run ssh-agent " +
      "timedatectl systemd-cgls localectl hostnamectl systemd-inhibit info oldfind coredumpctl",
  ),
  ...under(
    "usr/sbin",
    "pdata_tools oxenstored ldconfig build-locale-archive glibc_post_upgrade.x86_64 sln install-info",
  ),
  ...under("usr/share", "locale i18n/locales bash-completion cracklib"),
  ...under("usr/lib", "locale udev/hwdb.d"),
  "usr/libexec/xen/boot",
  "boot",
  "usr/**/*.pyc",
  "usr/**/*.pyo",
];

/** What package managers leave. */
const LEFT = ["var/lib/yum/yumdb", "var/lib/yum/history", "var/cache/yum"];

const DISABLED = "getty@tty1 fcoe lldpad xen-init-dom0 xenconsoled xenstored chronyd chrony-wait".split(" ");

/** The installer's terminal. */
const GETTY = { "8.2": "getty@tty2", "8.3": "installer-getty@tty2" } as const;

/** The steps of a release; `overlay` is the directory with its files. */
export const installerSteps = (version: keyof typeof GETTY, overlay: string): readonly Step[] => [
  step.remove(PATHS, { packages: PACKAGES }),
  step.link("init", "/sbin/init"),
  step.overlay(overlay),
  depmod(),
  step.write("etc/yum/yum.conf", ""),
  step.link("opt/xensource/installer/EULA", "../../../EULA"),
  step.link("opt/xensource/installer/version.py", "../../../usr/lib/python2.7/site-packages/xcp/branding.py"),
  step.services(["installer", GETTY[version]], { disable: DISABLED }),
  step.remove(LEFT),
];
