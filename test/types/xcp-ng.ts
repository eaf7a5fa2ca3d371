// What must compile: XCP-ng's line by the preset, and by the rules it is made of.
import { arg, dnf, each, files, layers, list, preset, project, rule, step } from "imagemake";

export const { mirror, installimg, iso, boots } = preset.xcpNg({
  version: "8.3",
  repos: "testing:mine",
  label: "XCP-NG_830_TEST",
  srcurl: { mine: "/my/repo", "*": arg("XCPTEST_REPOROOT", "https://updates.xcp-ng.org/8") },
  defineRepo: ["extra!https://repo.example.org/xcp"],
  keys: files("keys/*"),
  sign: { script: files("scripts/sign.sh"), interactive: true, network: true },
});

const cfg = layers("configs", "8.2:updates", { srcurl: "https://updates.xcp-ng.org/8/8.2" });
const repo = dnf(cfg, { keys: files("keys/*") });
export const all = rule.mirror({
  repo: dnf({ url: "https://updates.xcp-ng.org/8/8.2" }),
  arch: "x86_64",
  without: ["java*"],
});
export const root = rule.rootfs({
  repo,
  arch: "x86_64",
  packages: list(cfg.first("packages.lst")),
  pack: "cpio.bz2",
  out: "install-8.2.updates.img",
  steps: [
    step.overlay("templates/installimg/8.2"),
    step.remove(list("removals.lst"), { packages: ["dracut"] }),
    step.services(["installer"], { disable: ["chronyd"] }),
  ],
});
const common = {
  layers: cfg,
  repo,
  installimg: root,
  label: "XCP-NG_82",
  overlay: files("templates/iso/8.2/**"),
};
export const images = {
  full: rule.installerIso({
    ...common,
    kind: "full",
    sign: files("scripts/sign.sh"),
    packages: ["xcp-ng-deps"],
    out: "xcp-ng-8.2.iso",
  }),
  netinstall: rule.installerIso({
    ...common,
    kind: "netinstall",
    efi: "mkimage",
    out: "xcp-ng-8.2-netinstall.iso",
  }),
};
export const checks = each(images, (_, image) =>
  each(["bios", "uefi"], (firmware) =>
    rule.boot({ image, as: "usb", firmware, expect: "Welcome to XCP-ng" }),
  ),
);
export default project({ default: [images], release: { of: [images], gate: [checks] } });
