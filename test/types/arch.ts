// What must compile: the Arch line, as far as rules for it exist.
import { each, files, list, pacman, project, rule, run, step } from "imagemake";

const repo = pacman(files("pacman.conf"), { url: "https://mirror.example.org/$repo/os/$arch" });
const own = pacman(files("pacman.conf", { from: "conf" }), {
  url: "./repo/$repo",
  keys: files("keys/*.gpg"),
  inImage: "https://mirror.example.org/$repo/os/$arch",
});
export const rootfs = each(["x86_64", "aarch64", "armv7h", "riscv64"], (arch) =>
  rule.rootfs({
    repo,
    arch,
    packages: ["base", list("packages.x86_64")],
    steps: [step.write("etc/hostname", "arch\n"), step.install(["openssh"])],
    out: `arch-${arch}-ROOTFS-{date}.tar.zst`,
    guards: { has: ["usr/bin/sshd"] },
  }),
);
export const platformfs = rule.platformfs({ from: rootfs.x86_64, packages: list("platform.list") });
export const tree = rule.rootfs({ repo: own, arch: "x86_64", packages: ["base"] });
export const listing = run({
  inputs: { ROOT: platformfs, TREE: tree },
  cmd: `ls "$ROOT" > "$OUT"`,
  out: "listing.txt",
});
export default project({ default: [rootfs.x86_64] });
