// What must compile: the desktop line, as far as rules for it exist.
import { files, keymap, list, project, rule, run, step, xbps } from "imagemake";

const repo = xbps("https://mirror.example.org/current", { keys: files("keys/*.plist") });
const km = keymap("ch-fr_nodeadkeys");
export const xkb: "ch+fr_nodeadkeys" = km.xkb;
export const vconsole: "ch-fr_nodeadkeys" = km.vconsole;
export const us: "us" = keymap("us").xkb;

const store = run({ inputs: {}, cmd: 'mkdir "$OUT/store"', tree: true });

export const root = rule.rootfs({
  repo,
  arch: "x86_64",
  packages: list("desktop.list"),
  out: "void-desktop-ROOTFS-{date}.tar.xz",
  steps: [
    step.users(
      {
        root: { password: "locked" },
        live: { password: "blank", expire: true, sudo: "nopasswd", groups: ["audio", "nixbld"] },
      },
      { newGroups: ["nixbld"] },
    ),
    step.services(["dbus", "NetworkManager", "lightdm", "nix-daemon"]),
    step.graft(store, "/nix"),
    step.link("etc/skel/.nix-profile", "/nix/var/nix/profiles/default"),
    step.dconf(
      "local",
      {
        "org/gnome/desktop/input-sources": { sources: `[('xkb', '${km.xkb}')]` },
        "org/gnome/desktop/interface": { "color-scheme": "'prefer-dark'" },
      },
      { locks: ["/org/gnome/desktop/input-sources/sources"] },
    ),
    step.write("etc/vconsole.conf", `KEYMAP=${km.vconsole}\n`),
    step.overlay("overlay", { modes: { "etc/runit/2": "755", "etc/runit/live-setup.sh": "755" } }),
    step.hook("hooks/live.{arch}.sh", { env: { SITE: "example" } }),
  ],
  guards: {
    has: ["etc/lightdm/Xsession"],
    hasNot: ["usr/bin/lightdm-session"],
    links: { "etc/skel/.nix-profile": "/nix/var/nix/profiles/default" },
  },
});
export default project({ default: [root.tree] });
