// A live desktop of Void as one call: packages, services, lightdm, a nix store that is baked in, settings, the
// keyboard in both spellings, and what the live system does when it starts.
import { z } from "zod";
import { isHandle } from "../engine/declare.js";
import { keymap } from "../rules/keymap.js";
import { nix, nixPackages } from "../rules/nix.js";
import { stepList } from "../rules/steps/step.js";
import { option } from "../rules/options.js";
import { rule, type CheckedBy, type GivenTo } from "../rules/declaration.js";
import { rootfs } from "../rules/rootfs.js";
import { arrayOf, filePattern, packageNames, size } from "../rules/schema.js";
import { files } from "../rules/sources.js";
import * as step from "../rules/steps.js";
import type { FileTarget, ListSource, Packages, Step, TreeTarget } from "../rules/types.js";
import { xbps } from "../rules/xbps.js";
import { packagesOf } from "./void/live.js";
import { liveCmdline, liveImage } from "./void/live-image.js";
import { REPOSITORY } from "./void/matrix.js";
import { DATE } from "./void/release.js";
import { environment, LIGHTDM, liveSetup, NIX_PROFILE, STAGE_2, type Desktop } from "./void-live/files.js";

const word = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/);
const words = arrayOf(word).optional();

/** The desktop's tree, and the image that starts it. */
export interface VoidLive {
  readonly root: TreeTarget;
  readonly iso: FileTarget;
}

const PACKAGES = ["base-system", "linux", "lightdm", "lightdm-gtk-greeter", "dbus", "NetworkManager"];
/** What the setup and dracut's hooks call. */
const HELPERS = ["jq", "dialog", "sudo", "pciutils"];
const SERVICES = ["dbus", "NetworkManager", "lightdm"];
const GROUPS = ["plugdev", "input", "network"];
const SOURCES = "org/gnome/desktop/input-sources";

export const voidLive = rule(
  "preset.voidLive",
  "A live image for x86_64 that starts a desktop session of a user without a password.",
  {
    mklive: option(
      z.string().min(1),
      "a directory",
      "A checkout of void-mklive, for its keys and dracut's modules. Not in a key; its files are.",
    ),
    repository: option(
      z.string().min(1).optional(),
      "a URL or a directory",
      "Where packages come from; Void's default repository unless said.",
    ),
    packages: option(
      packageNames,
      `package names in an array, or list("file")`,
      "The desktop's packages, beside base-system, linux, lightdm and what the setup calls.",
    ),
    services: option(
      words,
      "an array of names",
      "Services beside dbus, NetworkManager and lightdm (and nix-daemon, with `nix`).",
    ),
    session: option(word, "the name of a session", "What lightdm starts: `cinnamon`."),
    user: option(word.optional(), "a name", "The live user, whom the initrd makes; `live` unless said."),
    groups: option(words, "an array of groups", "Groups of that user; plugdev, input, network unless said."),
    keymap: option(
      z.string(),
      "a keyboard as the console spells it",
      "`ch-fr_nodeadkeys`; XKB's spelling (`ch+fr_nodeadkeys`) is made of it, and locked.",
    ),
    nix: option(
      z.strictObject(nixPackages).optional(),
      "{ nixpkgs, packages, unfree }",
      "What is installed by nix, as `rule.nix` takes it. The store is in the image, so nothing fills the live system's memory.",
    ),
    dconf: option(
      z.record(z.string(), z.record(z.string(), z.string())).optional(),
      "{ path: { key: value } }",
      "Settings of the desktop beside the keyboard, as `step.dconf` takes them.",
    ),
    overlay: option(z.string().min(1).optional(), "a directory", "Files of yours, put on last."),
    steps: option(stepList.optional(), "an array of steps", "More changes, before the overlay."),
    cmdline: option(
      z
        .string()
        .regex(/^[^\n']*$/)
        .optional(),
      "text of one line, without '",
      "What the kernel is told beside what the live system needs.",
    ),
    label: option(
      z
        .string()
        .regex(/^[A-Z0-9_]{1,32}$/)
        .optional(),
      "capitals, digits and _",
      "The volume's label; VOID_LIVE unless said.",
    ),
    minSize: option(
      size.optional(),
      `a size such as "1MiB"`,
      "Smallest squashfs that is believed; 1 MiB unless said.",
    ),
    out: option(filePattern, "a file name", "Name of the image; `{date}` becomes the datecode."),
  },
  (o, given): VoidLive => {
    const km = keymap(o.keymap);
    const desktop: Desktop = {
      user: o.user ?? "live",
      groups: o.groups ?? GROUPS,
      session: o.session,
      nix: o.nix !== undefined,
    };
    const root = rootfs({
      repo: xbps(o.repository ?? REPOSITORY, { keys: files("keys/*.plist", { from: o.mklive }) }),
      arch: "x86_64",
      packages: [...PACKAGES, ...HELPERS, ...(o.nix === undefined ? [] : ["nix"]), ...flat(given.packages)],
      steps: [
        ...(given.nix === undefined ? [] : nixSteps(given.nix, desktop)),
        step.services([...SERVICES, ...(o.nix === undefined ? [] : ["nix-daemon"]), ...(o.services ?? [])]),
        step.dconf(
          "local",
          { ...o.dconf, [SOURCES]: { ...o.dconf?.[SOURCES], sources: `[('xkb', '${km.xkb}')]` } },
          { locks: [`/${SOURCES}/sources`] },
        ),
        step.write("etc/vconsole.conf", `KEYMAP=${km.vconsole}\n`),
        step.write("etc/lightdm/lightdm.conf", LIGHTDM),
        step.write("etc/lightdm/.session", `${desktop.session}\n`),
        step.write("etc/runit/2", STAGE_2, { mode: 0o755 }),
        step.write("etc/runit/live-setup.sh", liveSetup(desktop), { mode: 0o755 }),
        ...(o.steps ?? []),
        ...(o.overlay === undefined ? [] : [step.overlay(o.overlay)]),
      ],
      guards: {
        has: ["etc/lightdm/Xsession", "etc/dconf/db/local", "etc/dconf/profile/user"],
        hasNot: ["usr/bin/lightdm-session"],
        links: {
          "etc/runit/runsvdir/default/lightdm": "/etc/sv/lightdm",
          ...(o.nix === undefined ? {} : { "etc/skel/.nix-profile": PROFILE }),
        },
      },
    });
    return { root, iso: image(root, o, desktop, km.vconsole) };
  },
);

/** A nix profile's place in every image. */
const PROFILE = "/nix/var/nix/profiles/default";

/** Options of `preset.voidLive`. */
export type VoidLiveOptions = GivenTo<typeof voidLive>;

const nixSteps = (given: NonNullable<VoidLiveOptions["nix"]>, desktop: Desktop): readonly Step[] => [
  // Empty directories of the package's own.
  step.remove(["nix"]),
  step.graft(nix(given), "/nix"),
  // Copied into the user's home when the initrd makes the user.
  step.link("etc/skel/.nix-profile", PROFILE),
  step.write("etc/environment", environment(desktop)),
  step.write("etc/profile.d/nix-prebaked.sh", NIX_PROFILE),
];

function image(
  root: TreeTarget,
  o: CheckedBy<typeof voidLive>,
  { user }: Desktop,
  console: string,
): FileTarget {
  if (!isHandle(root) || root.lineage === undefined) throw new Error("a tree without a repository");
  const label = o.label ?? "VOID_LIVE";
  const more = `live.user=${user} ${o.cmdline ?? "console=tty0 console=ttyS0,115200"}`;
  return liveImage(root, root.lineage, o.mklive, {
    label,
    cmdline: `${liveCmdline(label, console)} ${more}`,
    menu: [{ title: "Void Linux" }, { title: "Void Linux (graphics disabled)", cmdline: "nomodeset" }],
    wait: 5,
    minSize: o.minSize ?? "1MiB",
    initramfs: packagesOf(
      {
        mklive: o.mklive,
        kind: "live",
        of: "x86_64 base",
        arch: "x86_64",
        reads: [],
        call: { words: ["./mkiso.sh", "-t", `x86_64-${DATE}-base`] },
      },
      "initramfs",
    ),
    out: o.out,
  });
}

/** One list or several, as `packages` takes them together. */
const flat = (packages: Packages): readonly (string | ListSource)[] =>
  isSeveral(packages) ? packages : [packages];
const isSeveral = (packages: Packages): packages is readonly (string | ListSource)[] =>
  Array.isArray(packages);
