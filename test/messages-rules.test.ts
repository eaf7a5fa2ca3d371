// What is said of an Imagefile whose options contradict each other, a case each: test/messages.test.ts holds that no message is
// without a test that expects its words.
import { expect, test } from "@jest/globals";
import { evaluating } from "./support/evaluate-support.js";

const { puppet, yard } = evaluating();

/** Names that the cases have in common. */
const NAMES = `import * as im from "imagemake";
const { apt, dnf, each, env, files, keymap, layers, list, arg, pacman, project, rule, run, step, xbps } = im as any;
const debian = (arch = "amd64"): any =>
  rule.rootfs({ repo: apt({ url: "https://deb.example.org", suite: "bookworm" }), arch, packages: [] });
const voidTree = (arch = "x86_64"): any => rule.rootfs({ repo: xbps("./repo"), arch, packages: [] });
const bare: any = run({ inputs: {}, cmd: ":", tree: true });
const file = (out: string): any => run({ inputs: {}, cmd: ":", out });
`;
/** What the cases read. */
const FILES = {
  "a.txt": "a\n",
  "twice.repo": "[one]\nbaseurl=/r\n[one]\nbaseurl=/r\n",
  "unsaid.repo": "[one]\nbaseurl=https://r.example.org/$releasever/\n",
  "variable.repo": "[one]\nbaseurl=https://r.example.org/$stream/\n",
  "nowhere.repo": "[one]\nname=one\n",
  "signed.repo": "[one]\nbaseurl=/r\ngpgcheck=1\n",
  "signed-list.repo": "[one]\nbaseurl=/r\nrepo_gpgcheck=1\n",
  "pacman.conf": "[options]\n[core]\nInclude = /etc/pacman.d/mirrorlist\n",
  "twice.conf": "[options]\n[core]\nServer = /r\n[core]\nServer = /r\n",
  "L/top/INCLUDE": "missing\n",
  "L/one/x.repo.tmpl": "[one]\nbaseurl=@@SRCURL@@@@STREAM@@\n",
};

/** The line of the Imagefile, and what is said of it. */
const CASES: readonly (readonly [line: string, said: string])[] = [
  [
    `rule.boot({ image: file("x.img"), expect: "login:" })`,
    "expected image and as, or kernel, initrd and cmdline; missing: as",
  ],
  [
    `rule.convert({ from: file("x.img"), out: "y" })`,
    'out: expected a name that ends in .qcow2, .vmdk, .vhdx, .vhd, .vdi, or format; found "y"',
  ],
  [`rule.disk({ from: bare, out: "x", size: "1GiB" })`, "out: expected a name that ends in "],
  [
    `rule.disk({ from: bare, out: "x.img", size: "1GiB", cmdline: "quiet" })`,
    `cmdline: it is GRUB's; expected boot: "grub", "grub-bios" or "grub-efi"`,
  ],
  [
    `rule.disk({ from: bare, out: "x.img", size: "1GiB", bootSize: "64MiB" })`,
    "bootSize: only rpi and uboot have a partition for /boot",
  ],
  [`rule.disk({ from: bare, out: "x-\${date}.img" })`, "out: write {date}, without $"],
  [
    `rule.disk({ from: bare, out: "x.img", size: 100_000_001 })`,
    "size: partitions are whole MiB; did you mean 96MiB?",
  ],
  [
    `rule.disk({ from: bare, out: "x.img", boot: "rpi", bootSize: "1000KiB" })`,
    "bootSize: partitions are whole MiB; did you mean 1MiB?",
  ],
  [
    `rule.disk({ from: debian(), out: "x.img", size: "1GiB", boot: "grub", fs: "vfat" })`,
    "fs: GRUB's menu and a system's links need ext4 or btrfs",
  ],
  [
    `apt({ url: "host", suite: "stable", sources: [{ suite: "stable", components: ["other"] }] })`,
    "apt: sources: expected a name of its own for each, found two sources called stable; name says what one is called",
  ],
  [
    `rule.rootfs({ repo: xbps("./repo"), arch: "x86_64", packages: [], recommends: true })`,
    "rootfs: recommends: expected nothing, because only apt and dnf know recommended packages, found true",
  ],
  [
    `rule.rootfs({ repo: xbps("./repo"), arch: "x86_64", packages: [], debconf: ["a a/b string c"] })`,
    "rootfs: debconf: expected nothing, because only packages of apt ask debconf, found",
  ],
  [
    `rule.platformfs({ from: voidTree(), steps: [step.install([], { debconf: files("a.txt") })] })`,
    "debconf: expected nothing, because only packages of apt ask debconf, found files(…)",
  ],
  [`dnf(files("a.txt", "b.txt"))`, "dnf: expected the name of one file"],
  [`dnf(files("absent.repo"))`, "absent.repo cannot be read: ENOENT"],
  [`dnf(files("twice.repo"))`, "twice.repo: line 3: the repository [one] twice"],
  [`dnf(files("unsaid.repo"))`, "[one] has $releasever; dnf(…, { releasever }) says what that is"],
  [`dnf(files("variable.repo"))`, "[one] has $stream; dnf(…, { vars: { stream: … } }) says what that is"],
  [`dnf(files("nowhere.repo"))`, "[one] has no baseurl, mirrorlist or metalink"],
  [`dnf(files("signed.repo"))`, "demands signatures in [one] (gpgcheck), found nothing"],
  [`dnf(files("signed-list.repo"))`, "demands signatures in [one] (repo_gpgcheck), found nothing"],
  [`pacman(files("absent.conf"))`, "pacman: absent.conf cannot be read: ENOENT"],
  [
    `pacman(files("pacman.conf"))`,
    "[core] has no Server (line 3: Include is not followed); url says where packages come from",
  ],
  [`pacman(files("twice.conf"))`, "the repository [core] twice"],
  [`each(["a"], () => bare, { onyl: "X" })`, "each: unknown option onyl; known is only"],
  [`each(["a"], () => bare, { only: "a b" })`, 'each: only: expected a name for VAR=, found "a b"'],
  [`each(1, () => bare)`, "each: expected keys in an array, a table or a group, found 1"],
  [`each(["a b"], () => bare)`, 'each: expected a key of letters, digits and _ . + -, found "a b"'],
  [
    `rule.initramfs({ from: bare, with: "busybox", conf: files("a.txt") })`,
    "conf: busybox has none; leave it out",
  ],
  [
    `rule.initramfs({ from: bare, with: "mkinitcpio", modules: ["ext4"] })`,
    "modules: mkinitcpio has them in its configuration; give conf",
  ],
  [
    `rule.initramfs({ from: bare, with: "dracut", conf: files("a.txt", "b.txt") })`,
    'conf: expected files("a file"), one file',
  ],
  [
    `rule.kernel({ from: bare })`,
    "from: expected a tree that rootfs made with apt, found one without a repository",
  ],
  [`rule.kernel({ from: voidTree() })`, "from: expected a tree that rootfs made with apt, found one of xbps"],
  [
    `keymap("Swiss German")`,
    'keymap: expected a layout, or layout-variant such as "ch-fr_nodeadkeys", found "Swiss German"',
  ],
  [
    `rule.pxe({ from: bare, out: "x.tar.gz" })`,
    "from: the tree was not made by rootfs, so no repository is known for its kernel",
  ],
  [
    `rule.pxe({ from: voidTree(), out: "x.tar.gz", modules: ["a"] })`,
    "modules: dracut finds them in a tree of Void; leave it out",
  ],
  [
    `rule.pxe({ from: voidTree("aarch64"), out: "x.tar.gz" })`,
    "from: expected a tree of x86_64, x86_64-musl, i686, found one of aarch64",
  ],
  [
    `rule.pxe({ from: voidTree(), out: "x.tar.gz" })`,
    'menu: expected files("pxelinux.cfg/pxelinux.cfg.in") for a tree of Void, found nothing',
  ],
  [`run({ inputs: {}, cmd: ":" })`, "run: expected one of out, outs and tree: true, found none"],
  [
    `run({ inputs: { A: files("a.txt") }, cmd: ":", outs: { A: "x" } })`,
    "run: outs.A: an input has that name",
  ],
  [
    `run({ inputs: { A: files("a.txt") }, cmd: ":", out: "x", env: { A: "1" } })`,
    "run: env.A: an input has that name",
  ],
  [
    `run({ inputs: { SRC: files("a.txt") }, cmd: ["cp", "$HOME", "$OUT"], out: "x" })`,
    "$HOME is neither an input nor an output, and would be passed on as it stands; a string is run by a shell, which fills in others",
  ],
  [
    `run({ inputs: { SRC: files("a.txt") }, cmd: ["cp", "$SCR", "$OUT"], out: "x" })`,
    "$SCR is neither an input nor an output, and would be passed on as it stands; did you mean $SRC?",
  ],
  [`layers("L", "one", { srcurl: { onee: "/r" } })`, "srcurl: one has no layer onee; did you mean one?"],
  [`layers("L", "one", { srcurl: { zzzzzz: "/r" } })`, "srcurl: one has no layer zzzzzz; there are one"],
  [`layers("L", "absent")`, "there is no layer absent; looked for the directory L/absent"],
  [
    `layers("L", "top")`,
    "there is no layer missing, which L/top/INCLUDE names; looked for the directory L/missing",
  ],
  [
    `dnf(layers("L", "one", { srcurl: "/r" }).first("x.repo.tmpl"))`,
    "nothing fills @@STREAM@@; layers(…, { vars: { STREAM: … } }) fills it in",
  ],
  [`files()`, "files: expected globs, or arrays of globs, found nothing"],
  [`files("a.txt", { form: "x" })`, "files: form: there is no such option; it has from, optional and links"],
  [`files("a.txt", { from: 1 })`, "files: from: expected a directory, found 1"],
  [`files("a.txt", { links: "all" })`, 'files: links: expected "anywhere", found "all"'],
  [`list(1)`, "list: expected the name of one file, found 1"],
  [`env("a b")`, 'env: expected the name of a variable, found "a b"'],
  [`env("A", 1)`, "env: expected { optional, default }, found 1"],
  [`env("A", { defualt: "x" })`, "env: defualt: there is no such option; it has optional and default"],
  [`env("A", { default: 1 })`, "env: default: expected text, found 1"],
  [`arg("a b", "x")`, 'arg: expected a name for VAR=, found "a b"'],
  [`arg("A", "x", ["y"])`, 'arg: A: expected one of y, found "x"'],
  [
    `rule.platformfs({ from: debian(), steps: [step.hook("absent.sh")] })`,
    "step.hook: there is no script absent.sh (looked for ",
  ],
];

test.each(CASES)("%s", async (line, said) => {
  yard.write({ ...FILES, "Imagefile.ts": `${NAMES}export const a = ${line};\n` });
  expect(await puppet.problem(yard, { real: true })).toContain(said);
});

/** Whole Imagefiles, and what is said of them. */
const WHOLE: readonly (readonly [text: string, said: string])[] = [
  [
    `export const a = file("x");\nexport const b = file("x");`,
    "Imagefile.ts:7: a and b have the same output name, x",
  ],
  [`export const aB = file("x");\nexport const a = { b: file("y") };`, "two targets with the same id, a-b"],
  [`import { gone } from "./gone.js";\nexport const a = gone;`, 'cannot find module "./gone.js"'],
];

test.each(WHOLE)("%s", async (text, said) => {
  yard.write({ ...FILES, "Imagefile.ts": `${NAMES}${text}\n` });
  expect(await puppet.problem(yard, { real: true })).toContain(said);
});
