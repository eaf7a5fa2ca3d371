// What must compile, and keep its keys (golden.test.ts): rules and steps with their options, as far as the lines of other
// systems beside it do not have them. Nothing of it is ever built.
import { apt, dnf, each, env, files, keymap, list, probe, project, rule, run, step, xbps } from "imagemake";

const debian = apt({ url: "https://mirror.example.org/debian", suite: "bookworm" });
const xbpsRepo = xbps("https://mirror.example.org/current", { keys: files("keys/*.plist") });
const rpm = dnf({ url: "https://mirror.example.org/rpm" }, { keys: files("keys/*.gpg") });

export const commands = {
  text: run({
    inputs: { SRC: files("src/*.txt"), NAMES: list("names.list"), WHO: env("WHO", { default: "me" }) },
    cmd: 'cat $SRC "$NAMES" > "$OUT"; echo "$WHO" >> "$OUT"',
    env: { LANG: "C", STAMP: "{date}" },
    out: "text-{date}.txt",
    timeout: 600,
    guards: { minSize: 1, lossless: true },
  }),
  words: run({ inputs: { SRC: files("src/one.txt") }, cmd: ["cp", "$SRC", "$OUT"], out: "words.txt" }),
  probed: run({ inputs: { V: probe("git describe") }, cmd: 'cp "$V" "$OUT"', out: "probed.txt" }),
  collected: run({ inputs: {}, cmd: "./make-it", collect: "it-{date}.img", out: "collected-{date}.img" }),
  dated: run({ inputs: {}, cmd: 'date > "$OUT"', date: true, network: true, root: true, out: "dated.txt" }),
  asks: run({ inputs: {}, cmd: "read x", interactive: true, out: "asks.txt" }),
  several: run({ inputs: {}, cmd: "x", outs: { KERNEL: "k-{date}", INITRD: "i-{date}" } }).KERNEL,
};

const base = rule.rootfs({ repo: debian, arch: "amd64", packages: ["linux-image-amd64", list("base.list")] });
const voidBase = rule.rootfs({ repo: xbpsRepo, arch: "x86_64", packages: ["base-container"] });
const rpmBase = rule.rootfs({
  repo: rpm,
  arch: "x86_64",
  packages: ["filesystem"],
  pack: "cpio.zst",
  out: "rpm.img",
});
const other = run({ inputs: {}, cmd: 'mkdir "$OUT/x"', tree: true });

export const packs = each(["tar.gz", "tar.xz", "tar.zst", "cpio.gz", "cpio.xz"], (pack) =>
  rule.platformfs({ from: base, pack, out: `packed-{date}.${pack}` }),
);

export const stepped = rule.platformfs({
  from: base,
  steps: [
    step.install(["ssh"], { recommends: true }),
    step.remove(["usr/share/doc/*"]),
    step.overlay("overlay", { to: "opt", owner: "1:1", modes: { "opt/secret": "600" } }),
    step.overlay(files("etc/**", { from: "/srv/overlay" })),
    step.write("etc/issue", "{date}\n", { mode: 0o600 }),
    step.link("etc/localtime", "/usr/share/zoneinfo/UTC"),
    step.graft(other, "opt/x"),
    step.users({
      me: { password: "blank", groups: ["sudo"], sudo: "nopasswd" },
      root: { password: "locked" },
    }),
    step.services(["ssh"], { disable: ["cron"] }),
    step.dconf("local", { "org/example": { key: "'value'" } }),
    step.write("etc/vconsole.conf", `KEYMAP=${keymap("us").vconsole}\n`),
    step.hook("hooks/site.sh", { env: { SITE: "x" } }),
  ],
  guards: {
    has: ["etc/issue"],
    hasNot: ["etc/shadow-"],
    links: { "etc/localtime": "/usr/share/zoneinfo/UTC" },
  },
});

const kernel = rule.kernel({ from: stepped });
const initrd = rule.initramfs({ from: stepped, kernel, with: "busybox", modules: ["loop"] });
export const boot = {
  tools: rule.initramfs({ from: stepped, with: "initramfs-tools", out: "tools.img" }),
  dracut: rule.initramfs({ from: voidBase, with: "dracut", modules: ["dmsquash-live"] }),
  ...rule.extract(kernel, { kernel: "vmlinuz" }),
};

export const images = {
  squashfs: rule.squashfs({ from: stepped, level: 3, without: ["boot/*"], out: "root.squashfs" }),
  iso: rule.iso({
    ...rule.extract(kernel, { kernel: "vmlinuz" }),
    initrd,
    contents: { "live/filesystem.squashfs": rule.squashfs({ from: stepped }) },
    label: "EVERY_{date}",
    cmdline: "quiet",
    menu: [{ title: "One" }, { title: "Two", cmdline: "toram" }],
    out: "every-{date}.iso",
  }),
  menus: rule.iso({
    kernels: { old: { ...rule.extract(kernel, { kernel: "vmlinuz" }), initrd } },
    contents: {},
    label: "MENUS",
    menu: [{ title: "Old", kernel: "old" }],
    menus: { grub: files("grub/*.cfg"), fill: { "@ENTRIES@": "{menu}", "@UUID@": "{uuid}" } },
    splash: files("splash.png"),
    publisher: "every",
    application: "EVERY",
    sums: "sha256",
    efi: ["x64", "ia32"],
    out: "menus.iso",
  }),
  disk: rule.disk({ from: stepped, boot: "grub-bios", size: "2GiB", out: "every-{date}.img.xz" }),
  efi: rule.disk({ from: stepped, boot: "grub-efi", size: "3GiB", fs: "btrfs", out: "every-efi-{date}.img" }),
  converted: rule.convert({
    from: rule.disk({ from: stepped, boot: "grub", out: "every.img" }),
    compress: false,
    out: "every-{date}.qcow2",
  }),
  pxe: rule.pxe({ from: stepped, cmdline: "quiet", out: "every-NETBOOT-{date}.tar.gz" }),
};

export const unpacked = rule.platformfs({
  from: rule.unpack(packs["tar.xz"]),
  out: "vendor.tar",
});
export const mirror = rule.mirror({ repo: rpm, arch: "x86_64", without: ["java*"] });
export const rpms = rpmBase;
export const xbpsTree = rule.platformfs({
  from: voidBase,
  packages: ["vim"],
  steps: [step.services(["sshd"])],
});

export const checks = {
  tree: rule.check({ inputs: { ROOT: stepped }, cmd: ["test", "-d", "$ROOT/etc"] }),
  within: rule.check({ inputs: {}, within: base, cmd: "true" }),
  unique: rule.unique({ from: images.disk, allow: ["etc/x"] }),
  boots: each(["bios", "uefi"], (firmware) =>
    rule.boot({
      image: images.iso,
      as: "cd",
      firmware,
      memory: "1GiB",
      cpus: 2,
      expect: "login:",
      timeout: 300,
    }),
  ),
};

export default project({
  default: [images.iso],
  epoch: "2026-11-21",
  release: { of: [images], gate: [checks] },
});
