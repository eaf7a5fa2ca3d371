// What must not compile.
import {
  apt,
  arg,
  dnf,
  each,
  env,
  files,
  keymap,
  layers,
  list,
  pacman,
  preset,
  rule,
  run,
  step,
  xbps,
} from "imagemake";
import { platformfs, rootfs } from "./debian";

const repo = apt({ url: "host", suite: "bookworm" });
// @ts-expect-error unknown architecture of a group
void rootfs.riscv64;
// @ts-expect-error unknown flavour of a nested group
void rootfs.amd64.standrad;
// @ts-expect-error another driver's name for the architecture
rule.rootfs({ repo, arch: "x86_64", packages: ["a"] });
const pacmans = { repo: pacman(files("p")), arch: "x86_64" } as const;
// @ts-expect-error pacman knows no alternatives
rule.rootfs({ ...pacmans, packages: [], steps: [step.alternatives({ a: "/b" })] });
rule.rootfs({ repo, arch: "amd64", packages: [], steps: [step.alternatives({ a: "/b" })] });
// @ts-expect-error unknown variant
rule.rootfs({ repo, arch: "amd64", packages: ["a"], variant: "huge" });
// @ts-expect-error misspelt option
rule.rootfs({ repo, arch: "amd64", packages: ["a"], step: [] });
// @ts-expect-error a tree without out has no file
run({ inputs: { A: rule.rootfs({ repo, arch: "amd64", packages: [] }).tree }, cmd: "", out: "x" });
// @ts-expect-error a plain file is no tree
rule.platformfs({ from: run({ inputs: {}, cmd: "", out: "x" }) });
// @ts-expect-error a check is no tree
rule.platformfs({ from: rule.check({ inputs: {}, cmd: "true" }) });
// @ts-expect-error lower-case input name
run({ inputs: { src: files("a") }, cmd: "", out: "x" });
// @ts-expect-error out and tree together
run({ inputs: {}, cmd: "", out: "x", tree: true });
// @ts-expect-error out and outs together
run({ inputs: {}, cmd: "", out: "x", outs: { A: "a" } });
// @ts-expect-error no output at all
run({ inputs: {}, cmd: "" });
// @ts-expect-error the output is called A
void run({ inputs: {}, cmd: "", outs: { A: "a" } }).B;
// @ts-expect-error a check has no output to read
run({ inputs: { A: rule.check({ inputs: {}, cmd: "true" }) }, cmd: "", out: "x" });
// @ts-expect-error and so no guards
rule.check({ inputs: {}, cmd: "true", guards: { minSize: 1 } });
// @ts-expect-error not a size
run({ inputs: {}, cmd: "", out: "x", guards: { minSize: "1MB" } });
// @ts-expect-error a step outside a list of steps
rule.platformfs({ from: platformfs.cloud, steps: step.remove(["a"]) });
// @ts-expect-error plain text instead of a list
rule.rootfs({ repo, arch: "amd64", packages: "vim" });
// @ts-expect-error files are no package list
rule.rootfs({ repo, arch: "amd64", packages: files("vim.list") });
// @ts-expect-error unknown way to pack
rule.rootfs({ repo, arch: "amd64", packages: [], out: "x", pack: "tar.lzma" });
// @ts-expect-error value not in the choice
arg("BUILD", "nativ", ["native", "scripts"]);
// @ts-expect-error a group member must be a target
each(["a"], (k) => k);
// @ts-expect-error a target is not made from a string
export const wrong: ReturnType<typeof run> = "x";
// @ts-expect-error a plain file is no tree to run within
run({ inputs: {}, cmd: "", out: "x", within: run({ inputs: {}, cmd: "", out: "y" }) });
// @ts-expect-error nor is the name of one
rule.check({ inputs: {}, cmd: "", within: "tools" });
// @ts-expect-error the expressions have to be named
rule.nix({ packages: ["hello"] });
// @ts-expect-error a store is a tree, which is not a file
run({ inputs: {}, cmd: "", out: "x", collect: rule.nix({ nixpkgs: ".", packages: ["hello"] }) });
const voidRepo = xbps("u");
// @ts-expect-error apt's name for an xbps repository
rule.rootfs({ repo: voidRepo, arch: "amd64", packages: ["a"] });
// @ts-expect-error variant is apt's
rule.rootfs({ repo: voidRepo, arch: "x86_64", packages: ["a"], variant: "apt" });
// @ts-expect-error xbps knows no recommended packages
rule.rootfs({ repo: voidRepo, arch: "x86_64", packages: ["a"], recommends: true });
// @ts-expect-error debconf is apt's
rule.rootfs({ repo: voidRepo, arch: "x86_64", packages: ["a"], debconf: ["a a/b string c"] });
// @ts-expect-error pins are apt's
xbps("./repo", { pins: [{ packages: "a", pin: "version 1", priority: 990 }] });
// @ts-expect-error a source without a suite
apt({ url: "host", suite: "bookworm", sources: [{ url: "host" }] });
// @ts-expect-error a password itself, not its hash
step.users({ user: { password: "secret" } });
// @ts-expect-error a hash that is none of the ways to give one
step.users({ user: { password: { hash: 5 } } });
// @ts-expect-error misspelt option of a user
step.users({ user: { group: ["sudo"] } });
// @ts-expect-error a user in no record
step.users("user");
// @ts-expect-error unknown way of sudo
step.users({ user: { sudo: "always" } });
// @ts-expect-error services are in an array
step.services("dbus");
// @ts-expect-error a file is no tree to graft
step.graft(run({ inputs: {}, cmd: "", out: "x" }), "nix");
// @ts-expect-error a graft has a place
step.graft(rootfs.amd64.mini);
// @ts-expect-error settings are in sections
step.dconf("local", { "color-scheme": "'prefer-dark'" });
// @ts-expect-error misspelt option
step.dconf("local", {}, { lock: ["/a/b"] });
// @ts-expect-error a hook's inputs are named in capitals
step.hook("hooks/a.sh", { inputs: { data: files("data") } });
// @ts-expect-error misspelt option
step.hook("hooks/a.sh", { net: true });
// @ts-expect-error the console's spelling where XKB's is wanted
export const xkb: "ch-fr_nodeadkeys" = keymap("ch-fr_nodeadkeys").xkb;
export const fine = [
  step.users({ user: { password: { hash: env("HASH") } } }),
  step.hook("hooks/a.sh", { packages: list("p"), inputs: { DATA: files("data") } }),
];
const arch = pacman(files("pacman.conf"));
// @ts-expect-error Debian's name for an architecture of Arch
rule.rootfs({ repo: arch, arch: "amd64", packages: ["base"] });
// @ts-expect-error variant is apt's
rule.rootfs({ repo: arch, arch: "x86_64", packages: ["base"], variant: "apt" });
// @ts-expect-error a configuration is files(…), not its name
pacman("pacman.conf");
// @ts-expect-error an unknown option
pacman(files("pacman.conf"), { mirror: "https://mirror.example.org" });
// @ts-expect-error keys are files(…), not a name
pacman(files("pacman.conf"), { keys: "keys/tiny.gpg" });
// @ts-expect-error native is true or false
rule.rootfs({ repo, arch: "amd64", packages: ["a"], native: "yes" });

const rpms = dnf(files("yum.conf"));
// @ts-expect-error another driver's name for the architecture
rule.rootfs({ repo: rpms, arch: "amd64", packages: ["a"] });
// @ts-expect-error a mirror is of repositories of RPM
rule.mirror({ repo, arch: "x86_64" });
const cfg = layers("configs", "8.3");
const installer = {
  layers: cfg,
  repo: rpms,
  installimg: platformfs.cloud,
  label: "X",
  overlay: "iso",
  out: "x.iso",
};
// @ts-expect-error there is nothing to sign in a netinstall image
rule.installerIso({ ...installer, kind: "netinstall", sign: files("sign.sh") });
// @ts-expect-error nor has it packages
rule.installerIso({ ...installer, kind: "netinstall", packages: ["a"] });
// @ts-expect-error a repository without an address
layers("configs", "8.3", { defineRepo: ["mine"] });
// @ts-expect-error an unknown release
preset.xcpNg({ version: "9.0", label: "X" });
// @ts-expect-error a tree is no disk image
rule.convert({ from: rootfs.amd64.mini.tree, out: "x.qcow2" });
// @ts-expect-error an unknown format
rule.convert({ from: platformfs.cloud, format: "qed", out: "x" });
// @ts-expect-error misspelt option
rule.convert({ from: platformfs.cloud, compres: true, out: "x.vmdk" });
