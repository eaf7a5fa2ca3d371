// installerIso: the ISO of an installer of RPM systems, as XCP-ng has it: Xen, a kernel and an installer's RAM file system,
// started by isolinux and GRUB; a full one has a repository. What it is made of is data in installer/.
import { z } from "zod";
import { declareOne, wrongOption, type Handle } from "../engine/declare.js";
import type { Tool, Wanted } from "../engine/model.js";
import { dnfRequest, isDnfRepo, type DnfRepo } from "./dnf.js";
import { toolsOf } from "./drivers/tools.js";
import { holding } from "./formats.js";
import { bootFilesOption, GRUB_BUILT, GRUB_MODULES, XCPNG_FILES, type BootFile } from "./installer/files.js";
import { signed, signOption } from "./installer/signing.js";
import { layered } from "./layers.js";
import { CREATEREPO } from "./mirror.js";
import { checkLabel, labelOption } from "./iso.js";
import { callable, declaration, type Given } from "./declaration.js";
import { option } from "./options.js";
import { recipe } from "./recipes.js";
import {
  common,
  fileTarget,
  filesSource,
  guardsOf,
  limits,
  losslessOf,
  out,
  packageNames,
  takes,
} from "./schema.js";
import { SearchPath, type Layers } from "./search-path.js";
import { overlay as overlayStep } from "./steps/overlay.js";
import { asFile, type FileTarget, type Repo } from "./types.js";

const declared = declaration(
  "rule.installerIso",
  "An installer's ISO, for CD and USB stick, BIOS and UEFI.",
  {
    kind: option(
      z.enum(["full", "netinstall"]),
      "full or netinstall",
      "`full` has a repository, `netinstall` tells the installer to ask for one on the network.",
    ),
    layers: option(
      takes<Layers>()(z.instanceof(SearchPath)),
      "layers(…)",
      "Configuration: the `installer-bootargs.lst` of all layers are arguments of the installer's kernel; " +
        "`grub-efiboot-cfg.patch` of the first that has it is applied to GRUB's menu in the EFI image.",
    ),
    repo: option(
      takes<Repo<"dnf">>()(z.custom<DnfRepo>(isDnfRepo)),
      "dnf(…)",
      "Where packages come from: those it boots with, and those in its repository.",
    ),
    installimg: option(
      fileTarget,
      "a file target",
      'The installer\'s root, `install.img` in the image: a RAM file system (`pack: "cpio.bz2"`).',
    ),
    label: labelOption,
    overlay: option(
      z.union([z.string().min(1), filesSource]),
      "a directory, or files(…)",
      "What else is in the image: menus (`boot/isolinux/isolinux.cfg`, `EFI/xenserver/grub.cfg`) and, for `full`, `.treeinfo`.",
    ),
    packages: option(
      packageNames.optional(),
      `package names in an array, or list("file")`,
      "What the repository has, with all that they need; `xcp-ng-deps` and `kernel-alt` unless said. Only for `full`.",
    ),
    files: bootFilesOption,
    efi: option(
      z.enum(["rpm", "mkimage"]).optional(),
      "rpm or mkimage",
      "Where GRUB for UEFI comes from: as `grub-efi` has it built (unless said), or made of its modules here.",
    ),
    sign: signOption,
    out,
    ...common,
  },
);

/** A full image has packages and can be signed; a netinstall has nothing to sign. */
export type InstallerIsoOptions = Given<typeof declared> &
  ({ kind: "full" } | { kind: "netinstall"; packages?: never; sign?: never });

const ARCH = "x86_64";
/** What the installer puts on a machine. */
const PACKAGES = ["xcp-ng-deps", "kernel-alt"];
/** Arguments that the installer of a version does not know. */
const UNKNOWN: Readonly<Record<string, readonly string[]>> = { "8.2": ["no-gpgcheck"] };

export const installerIso = callable(declared, (given: InstallerIsoOptions): FileTarget => {
  const o = declared.check(given);
  checkLabel("installerIso", o.label);
  if (o.kind === "netinstall") {
    const odd = (["sign", "packages"] as const).find((name) => o[name] !== undefined);
    if (odd !== undefined) {
      wrongOption("installerIso", `${odd}: expected nothing, because a netinstall image has no repository`);
    }
  }
  const made = o.efi === "mkimage";
  const files = [...(o.files ?? XCPNG_FILES), ...(made ? GRUB_MODULES : GRUB_BUILT)];
  // Lowest is what changes least: an edit of a menu indexes no package.
  const packages = o.kind === "full" ? repository(o.repo, o.packages ?? PACKAGES) : null;
  const boot = bootTree(o.repo, files, packages);
  const overlay = [overlayStep(given.overlay)];
  const plain = layered("installerIso", boot, undefined, overlay, { guards: losslessOf(o.guards) });
  const contents = declareOne({
    rule: "installer-contents",
    command: recipe("installer-contents.sh", ["lib.sh", "installer-contents.sh"]),
    env: {
      KIND: o.kind,
      SIGNED: o.sign === undefined ? "" : "yes",
      BOOT_ARGUMENTS: bootArguments(o.layers),
      GRUB: made ? "mkimage" : "",
    },
    inputs: { BASE: plain, INSTALLIMG: o.installimg, ...patchIn(o.layers) },
    outputs: [{ name: "OUT", kind: "tree", base: "BASE" }],
    tools: [...CONTENTS, ...(made ? [MKIMAGE] : [])],
    root: true,
    arch: ARCH,
  });
  return asFile(
    declareOne({
      rule: "installerIso",
      command: recipe("installer-iso.sh", ["lib.sh", "space.sh", "installer-iso.sh"]),
      env: { LABEL: o.label },
      inputs: { TREE: o.sign === undefined ? contents : signed(contents, o.sign) },
      outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
      tools: [{ name: "xorriso", package: "xorriso" }],
      root: true,
      arch: ARCH,
      holds: holding("iso", "TREE", { without: [".installer"] }),
      // A kernel alone is larger.
      guards: guardsOf(o.guards, { minSize: 1024 ** 2 }),
      ...limits(o),
    }),
  );
});

const CONTENTS: readonly Tool[] = [
  { name: "mkfs.vfat", package: "dosfstools" },
  { name: "mcopy", package: "mtools" },
  { name: "perl", package: "perl-base" },
  { name: "patch", package: "patch" },
];
const MKIMAGE: Tool = { name: "grub-mkimage", package: "grub-common" };

/** The repository of a full image. */
const repository = (repo: DnfRepo, want: readonly Wanted[]): Handle =>
  declareOne({
    rule: "installer-repository",
    command: recipe("installer-repository.sh", ["repository.sh", "installer-repository.sh"]),
    inputs: {},
    outputs: [{ name: "OUT", kind: "tree", base: null }],
    packages: { driver: "dnf", repo: dnfRequest(repo), arch: ARCH, want, options: {}, on: null },
    tools: [CREATEREPO],
    root: true,
    arch: ARCH,
  });

/** What the image has out of packages, each without what it depends on. */
function bootTree(repo: DnfRepo, files: readonly BootFile[], beneath: Handle | null): Handle {
  const lines = files.map(({ package: name, take, but = "", as, optional = false }) =>
    [name, take, but, as, optional ? "optional" : ""].join("|"),
  );
  return declareOne({
    rule: "installer-boot",
    command: recipe("installer-boot.sh", ["lib.sh", "installer-boot.sh"]),
    env: { FILES: lines.join("\n") },
    inputs: beneath === null ? {} : { BASE: beneath },
    outputs: [{ name: "OUT", kind: "tree", base: beneath === null ? null : "BASE" }],
    packages: {
      driver: "dnf",
      repo: dnfRequest(repo),
      arch: ARCH,
      want: [...new Set(files.map((one) => one.package))],
      options: { alone: true },
      on: null,
    },
    tools: toolsOf("rpm", "rpm2cpio", "cpio"),
    root: true,
    arch: ARCH,
  });
}

/** Arguments of all layers, in one line. */
function bootArguments(layers: SearchPath): string {
  const found = layers.texts("installer-bootargs.lst", {}).map(({ path, text }) => {
    const words = text.split(/\s+/).filter((word) => word !== "");
    const odd = words.find((word) => UNKNOWN[layers.version]?.includes(word) === true);
    if (odd !== undefined) {
      wrongOption("installerIso", `${path}: the installer of ${layers.version} does not know ${odd}`);
    }
    return words.join(" ");
  });
  return found.filter((line) => line !== "").join(" ");
}

/** The patch for GRUB's menu in the EFI image, where a layer has one. */
function patchIn(layers: SearchPath) {
  const [found] = layers.texts("grub-efiboot-cfg.patch", {});
  if (found === undefined) return {};
  return { MENU_PATCH: { kind: "text", file: "menu.patch", text: found.text } as const };
}
