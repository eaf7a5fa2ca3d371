// XCP-ng's installer as one call: a mirror, the installer's root, the full and the netinstall image, and their boots.
// It takes a checkout of create-install-image as it is; what its scripts do beside that is at the end, as data by
// release.
import { z } from "zod";
import { boot } from "../rules/boot.js";
import { type GivenTo, rule } from "../rules/declaration.js";
import { dnf } from "../rules/dnf.js";
import { each } from "../rules/each.js";
import { installerIso } from "../rules/installer-iso.js";
import { signOption } from "../rules/installer/signing.js";
import { mirror } from "../rules/mirror.js";
import { option, typed } from "../rules/options.js";
import { recipe } from "../rules/recipes.js";
import { rootfs } from "../rules/rootfs.js";
import { arrayOf, filePattern, filesSource, packageNames } from "../rules/schema.js";
import { defineRepoOption, layers, srcurlOption, varsOption } from "../rules/search-path.js";
import { list } from "../rules/sources.js";
import * as step from "../rules/steps.js";
import { makeStep, stepList } from "../rules/steps/step.js";
import type { CheckTarget, FileTarget, ListSource, Packages, PackedTree, Step } from "../rules/types.js";

const VERSIONS = ["8.2", "8.3"] as const;
export type XcpNgVersion = (typeof VERSIONS)[number];

/** The images, what they are made of, and their boots by image, firmware and medium. */
export interface XcpNg {
  readonly mirror: ReturnType<typeof mirror>;
  readonly installimg: PackedTree;
  readonly iso: { readonly full: FileTarget; readonly netinstall: FileTarget };
  readonly boots: {
    readonly [I in "full" | "netinstall"]: {
      readonly [F in "bios" | "uefi"]: { readonly [M in "cd" | "usb"]: CheckTarget };
    };
  };
}

/** Large, and needed by nothing that is installed. */
const WITHOUT = ["ocaml*", "xs-opam-repo*", "golang*", "java*"];

const isArray = (given: Packages): given is Exclude<Packages, ListSource> => Array.isArray(given);
const namesIn = (given: Packages): readonly (string | ListSource)[] => (isArray(given) ? given : [given]);

export const xcpNg = rule(
  "preset.xcpNg",
  "XCP-ng's installer, of one release.",
  {
    version: option(
      z.enum(VERSIONS),
      VERSIONS.join(" or "),
      "The release: the first layer, and the directory of its files.",
    ),
    repos: option(
      z
        .string()
        .regex(/^[^:\n]+(?::[^:\n]+)*$/)
        .optional(),
      "layers with : between them",
      "The layers after it: `updates`, `testing`, one of yours. Without any there is the release alone.",
    ),
    checkout: option(
      z.string().min(1).optional(),
      "a directory",
      "Where `configs` and `templates` are; beside the Imagefile unless said.",
    ),
    srcurl: srcurlOption,
    defineRepo: defineRepoOption,
    vars: varsOption,
    keys: option(filesSource.optional(), "files(…)", "Keys that may sign packages, as `dnf` takes them."),
    without: option(
      arrayOf(z.string()).optional(),
      "names in an array",
      "What the mirror leaves out; OCaml, Go and Java unless said.",
    ),
    packages: option(
      packageNames.optional(),
      `package names in an array, or list("file")`,
      "What is in the image's repository beside `xcp-ng-deps` and `kernel-alt`, with all that it needs.",
    ),
    label: option(z.string().min(1), "letters, digits and _ . -", "The volume's label: `XCP-NG_830_TEST`."),
    pack: option(
      z.enum(["cpio.bz2", "cpio.xz", "cpio.zst", "cpio.gz"]).optional(),
      "cpio.bz2, cpio.xz, cpio.zst or cpio.gz",
      "How the installer's root is compressed; cpio.bz2 unless said.",
    ),
    efi: option(z.enum(["rpm", "mkimage"]).optional(), "rpm or mkimage", "As `rule.installerIso` has it."),
    sign: signOption,
    steps: option(
      stepList.optional(),
      "an array of steps",
      "More changes to the installer's root, after those of the release.",
    ),
    expect: option(
      typed(z.union([z.string().min(1), z.instanceof(RegExp)]), "text or a regular expression").optional(),
      "text or a regular expression",
      "What the installer says on the serial console when it is up; `Welcome to XCP-ng` unless said.",
    ),
    out: option(
      filePattern.optional(),
      "a file name",
      "Name of the full image; `xcp-ng-VERSION.REPOS.iso` unless said. The netinstall one has `-netinstall` before `.iso`.",
    ),
  },
  (o, given): XcpNg => {
    const at = (dir: string): string => (given.checkout === undefined ? dir : `${given.checkout}/${dir}`);
    const path = [o.version, ...(given.repos === undefined ? [] : [given.repos])].join(":");
    const cfg = layers(at("configs"), path, {
      srcurl: given.srcurl ?? `https://updates.xcp-ng.org/${o.version.replace(/\..*/, "")}/${o.version}`,
      ...(given.defineRepo === undefined ? {} : { defineRepo: given.defineRepo }),
      ...(given.vars === undefined ? {} : { vars: given.vars }),
    });
    const repo = dnf(cfg, given.keys === undefined ? {} : { keys: given.keys });
    const name = path.replaceAll(":", ".").replaceAll("/", "-");
    const installimg = rootfs({
      repo,
      arch: "x86_64",
      packages: list(cfg.first("packages.lst")),
      steps: [...installerSteps(o.version, at(`templates/installimg/${o.version}`)), ...(given.steps ?? [])],
      pack: o.pack ?? "cpio.bz2",
      out: `install-${name}.img`,
    });
    const common = {
      layers: cfg,
      repo,
      installimg,
      label: o.label,
      overlay: at(`templates/iso/${o.version}`),
      ...(o.efi === undefined ? {} : { efi: o.efi }),
    };
    const out = o.out ?? `xcp-ng-${name}.iso`;
    const extra = given.packages === undefined ? [] : namesIn(given.packages);
    const iso = {
      full: installerIso({
        ...common,
        kind: "full",
        packages: ["xcp-ng-deps", "kernel-alt", ...extra],
        ...(given.sign === undefined ? {} : { sign: given.sign }),
        out,
      }),
      netinstall: installerIso({
        ...common,
        kind: "netinstall",
        out: out.replace(/(\.[^.]*)?$/, "-netinstall$1"),
      }),
    };
    const expect = given.expect ?? "Welcome to XCP-ng";
    const boots = each(["full", "netinstall"], (kind) =>
      each(["bios", "uefi"], (firmware) =>
        each(["cd", "usb"], (as) =>
          boot({ image: iso[kind], as, firmware, memory: "2GiB", net: false, expect }),
        ),
      ),
    );
    return {
      mirror: mirror({ repo, arch: "x86_64", without: given.without ?? WITHOUT }),
      installimg,
      iso,
      boots,
    };
  },
);

/** Options of `preset.xcpNg`. */
export type XcpNgOptions = GivenTo<typeof xcpNg>;

// What makes a root of the installer's packages the installer: what is taken out, its own files, links and services, as
// data by release. After create-installimg.sh; it knows no repository.

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
const installerSteps = (version: keyof typeof GETTY, overlay: string): readonly Step[] => [
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

// The index of kernel modules, of every kernel in a tree, made by this machine's depmod. No step of the module
// "imagemake": presets have it after they put their configuration of depmod in.

/** Makes modules.dep and the like again. */
const depmod = (): Step =>
  makeStep(() => ({
    rule: "step.depmod",
    command: recipe("depmod.sh", ["lib.sh", "depmod.sh"]),
    inputs: {},
    tools: [{ name: "depmod", package: "kmod" }],
  }));
