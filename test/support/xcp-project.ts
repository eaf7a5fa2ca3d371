// Projects of a small XCP-ng: configuration and templates laid out as create-install-image has them, with its masked
// units and its key that leads nowhere; a signed repository of Debian's Xen and kernel in RPMs, with advisories; and an
// Imagefile with the preset. The packages are made once in a process.
import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dirname, join } from "node:path";
import { makeProject, type TestProject } from "./cli.js";
import { list, PRESTODELTA, UPDATEINFO } from "./rpm-index.js";
import { newDir } from "./rpm-project.js";
import { makeRpmKey, makeRpmRepo, type RpmRepo } from "./rpm-repo.js";
import { tinyXcp, XCP_ROOT } from "./tiny-xcp.js";

/** A project; `repo` is the base repository, `updates` another. */
export interface XcpProject extends TestProject {
  readonly base: RpmRepo;
  readonly updates: RpmRepo;
}

/** The key that signs packages; the user brings it. */
const KEY = "RPM-GPG-KEY-xcpng";
const XEN = "com1=115200,8n1 console=com1 dom0_mem=max:768M";
const DOM0 = "console=hvc0 console=tty0";

const TREEINFO = `[platform]
name = @@PLATFORM_NAME@@
version = @@PLATFORM_VERSION@@

[keys]
key1 = RPM-GPG-KEY-product

[general]
name = @@PRODUCT_BRAND@@-@@PRODUCT_VERSION@@
timestamp = @@TIMESTAMP@@
`;

const repoConf = (id: string): string => `[${id}]
name=Small XCP-ng - ${id}
baseurl=@@SRCURL@@/${id}/@@RPMARCH@@/
gpgkey=https://mirror.example.invalid/${KEY}
failovermethod=priority
skip_if_unavailable=False
`;

/** The layers after a release, each with what it includes. */
const LAYERS: Readonly<Record<string, string | null>> = {
  updates: "base",
  candidates: "updates",
  testing: "candidates",
  ci: "testing",
  incoming: "ci",
  linstor: null,
};
/** Their names, beside `base`, which comes last by itself. */
export const XCP_LAYERS: readonly string[] = Object.keys(LAYERS);

/** The units that the templates mask, and the key that leads somewhere only in a finished root. */
const MASKED =
  "ldconfig.service proc-fs-nfsd.mount serial-getty@hvc0.service systemd-journal-flush.service xenstored.service".split(
    " ",
  );
export const DANGLING_KEY = `opt/xensource/installer/${KEY}`;
const LINKS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(MASKED.map((unit) => [`etc/systemd/system/${unit}`, "/dev/null"])),
  [DANGLING_KEY]: `../../../etc/pki/rpm-gpg/${KEY}`,
};
const GETTY =
  "[Unit]\nDescription=Getty\n[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n";
const INSTALLER =
  "[Unit]\nDescription=Installer\n[Service]\nExecStart=/opt/xensource/installer/preinit\n[Install]\nWantedBy=multi-user.target\n";
const YUM_CONF = "[main]\nreposdir=@@YUMREPOSD@@\nobsoletes=1\ngpgcheck=1\nbest=1\ntsflags=nodocs\n";

/** What an image has beside packages. */
const MENUS: Readonly<Record<string, string>> = {
  ".treeinfo": TREEINFO,
  "boot/isolinux/isolinux.cfg": `SERIAL 0 115200
DEFAULT install
PROMPT 0
LABEL install
  KERNEL mboot.c32
  APPEND /boot/xen.gz ${XEN} --- /boot/vmlinuz ${DOM0} --- /install.img
LABEL alt
  KERNEL mboot.c32
  APPEND /boot/xen.gz ${XEN} --- /boot/alt/vmlinuz ${DOM0} --- /install.img
`,
  "EFI/xenserver/grub.cfg": `serial --unit=0 --speed=115200
terminal_output serial console
set default=0
set timeout=0
menuentry "install" {
    multiboot2 /boot/xen.gz ${XEN}
    module2 /boot/vmlinuz ${DOM0}
    module2 /install.img
}
`,
};

/** What a checkout has, for both releases. */
export const CHECKOUT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["8.2", "8.3"].flatMap((version): (readonly [string, string])[] => [
      [`configs/${version}/packages.lst`, XCP_ROOT.map((name) => `${name}\n`).join("")],
      [`configs/${version}/yum.conf.tmpl`, YUM_CONF],
      [`templates/installimg/${version}/etc/systemd/system/installer.service`, INSTALLER],
    ]),
  ),
  "templates/installimg/8.2/etc/systemd/system/getty@tty2.service": GETTY,
  "templates/installimg/8.3/etc/systemd/system/installer-getty@.service": GETTY,
  "configs/base/yum-repos.conf.tmpl": repoConf("base"),
  "configs/base/CUSTOMREPO.tmpl": "[@@REPOID@@]\nname=custom\nbaseurl=@@REPOURL@@/@@RPMARCH@@/\ngpgcheck=0\n",
  ...Object.fromEntries(
    Object.entries(LAYERS).flatMap(([layer, include]): (readonly [string, string])[] => [
      [`configs/${layer}/yum-repos.conf.tmpl`, repoConf(layer)],
      ...(include === null ? [] : [[`configs/${layer}/INCLUDE`, `${include}\n`] as const]),
    ]),
  ),
  "configs/mine/installer-bootargs.lst": "mine=1\n",
  ...Object.fromEntries(
    ["8.2", "8.3"].flatMap((version) =>
      Object.entries(MENUS).map(([path, text]) => [`templates/iso/${version}/${path}`, text]),
    ),
  ),
};

/** The preset, with more options; `keys` is the user's. */
export const xcpImagefile = (options = ""): string => `
import { arg, files, preset, project } from "imagemake";
export const { mirror, installimg, iso, boots } = preset.xcpNg({
  version: "8.3", repos: arg("REPOS", "updates"), label: "XCP-NG_830_TEST", srcurl: arg("SRCURL", ""), pack: "cpio.gz",
  keys: files("${KEY}"),
  expect: "the installer would start here", ${options}
});
export default project({ default: [iso] });
`;

/** The sample of a signing script, and its key for tests. */
const SIGN = fileURLToPath(new URL("../../../fixtures/sign/", import.meta.url));

let model: { readonly top: string; readonly gpgHome: string; readonly key: string } | undefined;

/** Signed repositories with advisories and deltas, as the real ones are. */
function makeModel(): NonNullable<typeof model> {
  const [top, gpgHome] = [join(newDir(), "8.3"), join(newDir(), "gnupg")];
  const key = makeRpmKey(gpgHome);
  for (const [name, packages] of [
    ["base", tinyXcp()],
    ["updates", []],
  ] as const) {
    const { dir } = makeRpmRepo(join(top, name, "x86_64"), packages, { gpgHome });
    list(dir, "updateinfo", "updateinfo.xml", UPDATEINFO);
    list(dir, "prestodelta", "prestodelta.xml", PRESTODELTA);
  }
  return { top, gpgHome, key };
}

/** A project over repositories of its own. */
export function xcpProject(
  imagefile = xcpImagefile(),
  more: Readonly<Record<string, string>> = {},
): XcpProject {
  const { top: from, gpgHome, key } = (model ??= makeModel());
  const top = join(newDir(), "8.3");
  cpSync(from, top, { recursive: true, preserveTimestamps: true });
  const project = makeProject(
    { "Imagefile.ts": imagefile, ...CHECKOUT, ...more },
    { dir: newDir(), under: [] },
  );
  for (const version of ["8.2", "8.3"]) {
    for (const [path, target] of Object.entries(LINKS)) {
      const link = project.path("templates/installimg", version, path);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(target, link);
    }
  }
  cpSync(key, project.path(KEY));
  mkdirSync(project.path("sign"));
  cpSync(SIGN, project.path("sign"), { recursive: true });
  const at = (name: string): RpmRepo => {
    const dir = join(top, name, "x86_64");
    return { dir, url: `file://${dir}`, signing: { gpgHome, keyId: "tiny@example.invalid" } };
  };
  const srcurl = `SRCURL=${top}`;
  return {
    ...project,
    base: at("base"),
    updates: at("updates"),
    run: (...args) => project.run(...args, srcurl),
    good: (...args) => project.good(...args, srcurl),
    events: (options, ...args) => project.events(options, ...args, srcurl),
  };
}

/** A variant of the sample signing script: each text replaced. It fails where one is not there. */
export function signScript(
  project: XcpProject,
  name: string,
  changes: Readonly<Record<string, string>>,
): void {
  let text = readFileSync(join(SIGN, "sample-sign.sh"), "utf8");
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`the sample script has no ${from}`);
    text = text.replaceAll(from, to);
  }
  project.write(`sign/${name}`, text);
  chmodSync(project.path("sign", name), 0o755);
}
