// Projects of a small XCP-ng: configuration and templates laid out as create-install-image has them, a repository of
// Debian's Xen and kernel in RPMs, and an Imagefile with the preset. The packages are made once in a process.
import { chmodSync, cpSync, mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { makeProject, type TestProject } from "./cli.js";
import { newDir } from "./rpm-project.js";
import { makeRpmRepo, type RpmRepo } from "./rpm-repo.js";
import { tinyXcp, XCP_ROOT } from "./tiny-xcp.js";

/** A project; `repo` is the base repository, `updates` another. */
export interface XcpProject extends TestProject {
  readonly base: RpmRepo;
  readonly updates: RpmRepo;
}

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
gpgcheck=0
`;

/** What a checkout has, for one release. */
export const CHECKOUT: Readonly<Record<string, string>> = {
  "configs/8.3/packages.lst": XCP_ROOT.map((name) => `${name}\n`).join(""),
  "configs/8.3/yum.conf.tmpl": "[main]\nreposdir=@@YUMREPOSD@@\ngpgcheck=1\ntsflags=nodocs\n",
  "configs/base/yum-repos.conf.tmpl": repoConf("base"),
  "configs/base/CUSTOMREPO.tmpl": "[@@REPOID@@]\nname=custom\nbaseurl=@@REPOURL@@/@@RPMARCH@@/\ngpgcheck=0\n",
  "configs/updates/INCLUDE": "base\n",
  "configs/updates/yum-repos.conf.tmpl": repoConf("updates"),
  "configs/mine/installer-bootargs.lst": "mine=1\n",
  "templates/installimg/8.3/etc/systemd/system/installer.service":
    "[Unit]\nDescription=Installer\n[Service]\nExecStart=/opt/xensource/installer/preinit\n[Install]\nWantedBy=multi-user.target\n",
  "templates/installimg/8.3/etc/systemd/system/installer-getty@.service":
    "[Unit]\nDescription=Getty\n[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n",
  "templates/iso/8.3/.treeinfo": TREEINFO,
  "templates/iso/8.3/boot/isolinux/isolinux.cfg": `SERIAL 0 115200
DEFAULT install
PROMPT 0
LABEL install
  KERNEL mboot.c32
  APPEND /boot/xen.gz ${XEN} --- /boot/vmlinuz ${DOM0} --- /install.img
LABEL alt
  KERNEL mboot.c32
  APPEND /boot/xen.gz ${XEN} --- /boot/alt/vmlinuz ${DOM0} --- /install.img
`,
  "templates/iso/8.3/EFI/xenserver/grub.cfg": `serial --unit=0 --speed=115200
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

/** The preset, with more options. */
export const xcpImagefile = (options = ""): string => `
import { arg, files, preset, project } from "imagemake";
export const { mirror, installimg, iso, boots } = preset.xcpNg({
  version: "8.3", repos: arg("REPOS", "updates"), label: "XCP-NG_830_TEST", srcurl: arg("SRCURL", ""), pack: "cpio.gz",
  expect: "the installer would start here", ${options}
});
export default project({ default: [iso] });
`;

/** The sample of a signing script, and its key for tests. */
const SIGN = fileURLToPath(new URL("../../../fixtures/sign/", import.meta.url));

let model: string | undefined;

/** A project over repositories of its own. */
export function xcpProject(
  imagefile = xcpImagefile(),
  more: Readonly<Record<string, string>> = {},
): XcpProject {
  if (model === undefined) {
    model = join(newDir(), "8.3");
    makeRpmRepo(join(model, "base/x86_64"), tinyXcp());
    makeRpmRepo(join(model, "updates/x86_64"), []);
  }
  const top = join(newDir(), "8.3");
  cpSync(model, top, { recursive: true, preserveTimestamps: true });
  const project = makeProject(
    { "Imagefile.ts": imagefile, ...CHECKOUT, ...more },
    { dir: newDir(), under: [] },
  );
  mkdirSync(project.path("sign"));
  cpSync(SIGN, project.path("sign"), { recursive: true });
  const at = (name: string): RpmRepo => {
    const dir = join(top, name, "x86_64");
    return { dir, url: `file://${dir}`, signing: null };
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
