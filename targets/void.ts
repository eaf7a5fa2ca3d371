// Void Linux's whole release as one call: 107 artifacts, built by the scripts of a void-mklive checkout or by the
// typed rules.
import { z } from "zod";
import { wrongOption } from "../engine/declare.js";
import { each } from "../rules/each.js";
import { callable, declaration, type Checked, type Given } from "../rules/declaration.js";
import { option } from "../rules/options.js";
import { arrayOf } from "../rules/schema.js";
import { arg } from "../rules/sources.js";
import { passwordOf, passwordWords } from "../rules/steps/users.js";
import type { FileTarget, PackedTree } from "../rules/types.js";
import * as matrix from "./void/matrix.js";
import { moreOf, moreOptions, type Flavour, type ImageSuffix } from "./void/more.js";
import { readRelease } from "./void/release.js";
import { DOCUMENTED, makers, WAYS } from "./void/ways.js";

/** Stands for the password that Void documents. */
const VOIDLINUX = "voidlinux";

const declared = declaration(
  "preset.voidLinux",
  "The complete matrix, in the order of void-mklive's Makefile, narrowed by its variables.",
  {
    build: option(
      z.enum(WAYS),
      WAYS.join(" or "),
      "`scripts` runs the unmodified scripts of the checkout, `native` the typed rules.",
    ),
    mklive: option(
      z.string().min(1).optional(),
      "a directory",
      "Where the checkout of void-mklive is; the Imagefile's directory unless said. Not in a key; its files are.",
    ),
    repository: option(
      z
        .union([
          z
            .string()
            .min(1)
            .transform((one): readonly string[] => [one]),
          arrayOf(z.string().min(1), 1),
        ])
        .optional(),
      "a URL or a directory, or an array of them",
      "Where packages come from, with `musl` and `aarch64` beneath, unless REPOSITORY= or the environment says " +
        "otherwise; an array is taken as it is, and the first that has a package gives it (nonfree, or your own). What " +
        "the Makefile's XBPS_REPOSITORY has unless said.",
    ),
    rootPassword: option(
      passwordOf([VOIDLINUX]).optional(),
      passwordWords([VOIDLINUX]),
      "Root's password in root file systems, WSL and all that is made from them: `voidlinux` unless said, which Void " +
        "documents and everybody knows, as mkrootfs.sh has it; else as `step.users` takes it. mkrootfs.sh knows no other, " +
        "so with `scripts` it cannot be.",
    ),
    ...moreOptions,
  },
);

/** Options of `preset.voidLinux`. */
export type VoidOptions<
  B extends "native" | "scripts",
  P extends string = never,
  F extends string = never,
> = Omit<Given<typeof declared>, "platforms" | "flavours"> & {
  build: B;
  platforms?: readonly P[];
  flavours?: Readonly<Record<F, Flavour>>;
};

type By<B, K extends string> = { readonly [P in K]: B extends "native" ? PackedTree : FileTarget };
type FilesOf<K extends string> = { readonly [P in K]: FileTarget };

/** The groups of the release. Only the typed rules know what is inside a tarball of theirs. */
export interface VoidLinux<
  B extends "native" | "scripts",
  P extends string = never,
  F extends string = never,
> {
  readonly rootfs: By<B, matrix.VoidArch>;
  readonly platformfs: By<B, matrix.VoidPlatform | P>;
  readonly images: {
    readonly sbc: FilesOf<matrix.SbcPlatform>;
    readonly cloud: FilesOf<matrix.CloudPlatform>;
  };
  readonly pxe: FilesOf<matrix.PxeArch>;
  readonly wsl: FilesOf<matrix.WslArch>;
  readonly liveIso: { readonly [A in matrix.LiveArch]: FilesOf<matrix.Flavor | F> };
}

export const voidLinux = callable(
  declared,
  <const B extends "native" | "scripts", const P extends string = never, const F extends string = never>(
    given: VoidOptions<B, P, F>,
  ): VoidLinux<B, P, F> => {
    const o = declared.check(given);
    const { rootPassword: password = VOIDLINUX } = given;
    if (o.build === "scripts") refuseOfScripts(o, password);
    const mklive = o.mklive ?? ".";
    const more = moreOf(o);
    const flavours = Object.keys(more.flavours);
    const reads = o.reads ?? [];
    const told = {
      given: arg,
      platforms: o.platforms ?? [],
      flavors: flavours,
      repository: o.repository,
      reads,
    };
    const release = readRelease(mklive, told);
    for (const [name, { like = "" } = {}] of Object.entries(more.flavours)) {
      if (release.flavors.includes(name) || !release.flavors.includes(like))
        wrongOption(
          "preset.voidLinux",
          `flavours.${name}: expected a new name, and in like one of ${release.flavors.join(", ")}, found ${like}`,
        );
    }
    const make = makers(o.build, {
      ...{ mklive, reads, release, more },
      revision: arg("MKLIVE_REV", ""),
      rootPassword: password === VOIDLINUX ? DOCUMENTED : password,
    });
    const rootfs = each(release.rootfs, (arch) => make.rootfs(arch), { only: "ARCHS" });
    // What make builds on without its being in a group: of an architecture that ARCHS has not, of a board beside PLATFORMS.
    const loose = new Map<string, FileTarget>();
    const of = (
      group: Readonly<Record<string, FileTarget>>,
      key: string,
      build: () => FileTarget,
    ): FileTarget => {
      const found = group[key] ?? loose.get(key) ?? build();
      loose.set(key, found);
      return found;
    };
    const rootfsOf = (arch: string): FileTarget => of(rootfs, arch, () => make.rootfs(arch));
    const platform = (name: string): FileTarget =>
      make.platformfs(name, rootfsOf(release.platforms.get(name) ?? ""));
    const platformfs = each(release.platformfs, platform, { only: "PLATFORMS" });
    const image =
      (suffix: ImageSuffix) =>
      (name: string): FileTarget =>
        make.image(
          name,
          suffix,
          of(platformfs, name, () => platform(name)),
        );
    const matrixOf = {
      rootfs,
      platformfs,
      images: {
        sbc: each(release.sbc, image("img.xz"), { only: "SBC_IMGS" }),
        cloud: each(release.cloud, image("tar.gz"), { only: "CLOUD_IMGS" }),
      },
      pxe: each(release.pxe, (arch) => make.pxe(arch, rootfsOf(arch)), { only: "PXE_ARCHS" }),
      wsl: each(release.wsl, (arch) => make.wsl(arch), { only: "WSL_ARCHS" }),
      liveIso: each(
        [...release.live.keys()],
        (live) =>
          each([...release.flavors, ...flavours], (flavor) => make.iso(live, flavor), {
            only: "LIVE_FLAVORS",
          }),
        { only: "LIVE_ARCHS" },
      ),
    };
    // With `native` the makers return packed trees, which is what B says; which names there are is for the checkout to say.
    return matrixOf as unknown as VoidLinux<B, P, F>;
  },
);

/** What scripts that run unmodified have no option for. */
function refuseOfScripts(o: Checked<typeof declared>, password: unknown): void {
  const refuse = (option: string, expected: string, why: string): never =>
    wrongOption(
      "preset.voidLinux",
      `${option}: expected ${expected}, because ${why} (build: "native" gives another, or none)`,
    );
  if (password !== VOIDLINUX)
    refuse("rootPassword", `nothing or "${VOIDLINUX}"`, "mkrootfs.sh gives root that password itself");
  if (o.steps !== undefined) refuse("steps", "nothing", "the scripts run unmodified");
  const script = { rootfs: "mkrootfs.sh", wsl: "mkrootfs.sh", pxe: "mknet.sh" } as const;
  for (const kind of ["rootfs", "wsl", "pxe"] as const)
    if (o.packages?.[kind] !== undefined)
      refuse(`packages.${kind}`, "nothing", `${script[kind]} has no option for more packages`);
}
