// Void Linux's whole release as one call: 107 artifacts, built by the scripts of a void-mklive checkout or by the
// typed rules.
import { z } from "zod";
import { wrongOption } from "../engine/declare.js";
import { each } from "../rules/each.js";
import { callable, declaration, type Given } from "../rules/declaration.js";
import { option } from "../rules/options.js";
import { arg } from "../rules/sources.js";
import { passwordOf, passwordWords } from "../rules/steps/users.js";
import type { FileTarget, PackedTree } from "../rules/types.js";
import * as matrix from "./void/matrix.js";
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
      z.string().min(1).optional(),
      "a URL or a directory",
      "Where packages come from, with `musl` and `aarch64` beneath, unless REPOSITORY= or the environment says " +
        "otherwise. Void's default repository unless said.",
    ),
    rootPassword: option(
      passwordOf([VOIDLINUX]).optional(),
      passwordWords([VOIDLINUX]),
      "Root's password in root file systems, WSL and all that is made from them: `voidlinux` unless said, which Void " +
        "documents and everybody knows, as mkrootfs.sh has it; else as `step.users` takes it. mkrootfs.sh knows no other, " +
        "so with `scripts` it cannot be.",
    ),
  },
);

/** Options of `preset.voidLinux`. */
export type VoidOptions<B extends "native" | "scripts"> = Given<typeof declared> & { build: B };

type By<B, K extends string> = { readonly [P in K]: B extends "native" ? PackedTree : FileTarget };
type FilesOf<K extends string> = { readonly [P in K]: FileTarget };

/** The groups of the release. Only the typed rules know what is inside a tarball of theirs. */
export interface VoidLinux<B extends "native" | "scripts"> {
  readonly rootfs: By<B, matrix.VoidArch>;
  readonly platformfs: By<B, matrix.VoidPlatform>;
  readonly images: {
    readonly sbc: FilesOf<matrix.SbcPlatform>;
    readonly cloud: FilesOf<matrix.CloudPlatform>;
  };
  readonly pxe: FilesOf<matrix.PxeArch>;
  readonly wsl: FilesOf<matrix.WslArch>;
  readonly liveIso: { readonly [A in matrix.LiveArch]: FilesOf<matrix.Flavor> };
}

/** Words of a variable that are names of files in the checkout's platforms/. */
const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== "");

export const voidLinux = callable(
  declared,
  <const B extends "native" | "scripts">(given: VoidOptions<B>): VoidLinux<B> => {
    const o = declared.check(given);
    const { rootPassword: password = VOIDLINUX } = given;
    if (password !== VOIDLINUX && o.build === "scripts") {
      wrongOption(
        "preset.voidLinux",
        `rootPassword: expected nothing or "${VOIDLINUX}", because mkrootfs.sh gives root that password itself ` +
          `(build: "native" gives another, or none)`,
      );
    }
    const make = makers(o.build, {
      mklive: o.mklive ?? ".",
      repository: arg("REPOSITORY", o.repository ?? matrix.REPOSITORY),
      revision: arg("MKLIVE_REV", ""),
      livePlatforms: words(arg("LIVE_PLATFORMS", "pinebookpro x13s")),
      rootPassword: password === VOIDLINUX ? DOCUMENTED : password,
    });
    const { ARCHS, PLATFORMS, SBCS, CLOUDS, PXE_ARCHS, WSL_ARCHS, LIVE, FLAVORS } = matrix;
    const rootfs = each(ARCHS, (arch) => make.rootfs(arch), { only: "ARCHS" });
    const platformfs = each(PLATFORMS, (platform, arch) => make.platformfs(platform, rootfs[arch]), {
      only: "PLATFORMS",
    });
    const image = (platform: matrix.SbcPlatform | matrix.CloudPlatform): FileTarget =>
      make.image(platform, platformfs[platform]);
    const matrixOf: VoidLinux<"scripts"> = {
      rootfs,
      platformfs,
      images: {
        sbc: each(SBCS, image, { only: "SBC_IMGS" }),
        cloud: each(CLOUDS, image, { only: "CLOUD_IMGS" }),
      },
      pxe: each(PXE_ARCHS, (arch) => make.pxe(arch, rootfs[arch]), { only: "PXE_ARCHS" }),
      wsl: each(WSL_ARCHS, (arch) => make.wsl(arch), { only: "WSL_ARCHS" }),
      liveIso: each(
        LIVE,
        (live) => each(FLAVORS, (flavor) => make.iso(live, flavor), { only: "LIVE_FLAVORS" }),
        { only: "LIVE_ARCHS" },
      ),
    };
    // With `native` the makers return packed trees, which is what B says.
    return matrixOf as VoidLinux<B>;
  },
);
