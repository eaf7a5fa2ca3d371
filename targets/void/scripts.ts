// Void's release by the unmodified scripts of a void-mklive checkout: one action a file, each reading what its script
// reads. Packages come from the pinned repo/; what a script takes from elsewhere is compared with it afterwards
// (rules/recipes/void-*.sh).
import {
  declareOne,
  isHandle,
  type ActionSpec,
  type Handle,
  type PackageSpec,
} from "../../engine/declare.js";
import type { Guards, Json, Source, Wanted } from "../../engine/model.js";
import { emulation } from "../../rules/distributions.js";
import { recipe } from "../../rules/recipes.js";
import { asFile, type FileTarget } from "../../rules/types.js";
import { checkoutFiles, revision, type Kind } from "./checkout.js";
import { hostArch, hostPackages, livePackages } from "./live.js";
import * as matrix from "./matrix.js";
import { GIT, IMAGE_TOOLS, ISO_TOOLS, NET_TOOLS, PLAN_TOOLS, TARBALL_TOOLS } from "./tools.js";

/** What every script is told. */
export interface ScriptsConfig {
  /** The checkout, relative to the Imagefile or absolute. */
  readonly mklive: string;
  readonly repo: Json;
  /** What the installer shows of the checkout's revision; empty: what git says. */
  readonly revision: string;
  /** Boards that a live image for aarch64 starts on. */
  readonly livePlatforms: readonly string[];
}

const XZ = "fd377a585a00";
const GZIP = "1f8b";
const MiB = 1024 ** 2;

/** What is in every such action; the rest is the kind's. */
type Part = Omit<ActionSpec, "rule" | "command" | "root" | "outputs"> & {
  readonly outputs?: ActionSpec["outputs"];
};

/** One function a kind of artifact. */
export class Scripts {
  #host: Handle | null = null;

  constructor(private readonly config: ScriptsConfig) {}

  rootfs(arch: matrix.VoidArch): FileTarget {
    const out = `void-${arch}-ROOTFS-{date}.tar.xz`;
    return asFile(this.#tarball("rootfs", arch, matrix.ROOTFS_PACKAGES, out));
  }

  wsl(arch: matrix.WslArch): FileTarget {
    return asFile(this.#tarball("wsl", arch, matrix.WSL_PACKAGES, `void-${arch}-{date}.wsl`));
  }

  platformfs(platform: matrix.VoidPlatform, rootfs: FileTarget): FileTarget {
    const arch = matrix.PLATFORMS[platform];
    return asFile(
      this.#run("platformfs", "void-platformfs.sh", `void-${platform}-PLATFORMFS-{date}.tar.xz`, {
        env: { PLATFORM: platform, ARCH: arch },
        inputs: { SCRIPTS: this.#files("platformfs", arch), ROOTFS: handleOf(rootfs) },
        packages: this.#packages(arch, platformWants(platform)),
        tools: [...TARBALL_TOOLS, ...emulation("xbps", arch)],
        arch,
        guards: { magic: XZ, minSize: 64 * 1024 },
        resources: { cpu: 2, memory: 1024 * MiB },
      }),
    );
  }

  pxe(arch: matrix.PxeArch, rootfs: FileTarget): FileTarget {
    const out = `void-${arch}-NETBOOT-{date}.tar.gz`;
    return asFile(
      this.#run("pxe", "void-pxe.sh", out, {
        env: { ARCH: arch },
        inputs: { SCRIPTS: this.#files("pxe", arch), ROOTFS: handleOf(rootfs) },
        packages: this.#packages(arch, [...matrix.ROOTFS_PACKAGES, ...matrix.NETBOOT_PACKAGES]),
        tools: [...NET_TOOLS, ...emulation("xbps", arch)],
        // It is named after the day on which it runs, whatever it is told.
        collect: out,
        arch,
        guards: { magic: GZIP, minSize: 64 * 1024 },
        resources: { memory: 512 * MiB },
      }),
    );
  }

  image(platform: matrix.SbcPlatform | matrix.CloudPlatform, platformfs: FileTarget): FileTarget {
    const arch = matrix.PLATFORMS[platform];
    const suffix = platform in matrix.CLOUDS ? "tar.gz" : "img.xz";
    return asFile(
      this.#run("image", "void-image.sh", `void-${platform}-{date}.${suffix}`, {
        env: { PLATFORM: platform, ARCH: arch, SUFFIX: suffix },
        inputs: { SCRIPTS: this.#files("image", arch), PLATFORMFS: handleOf(platformfs) },
        packages: this.#packages(arch, [...platformWants(platform), ...matrix.IMAGE_PACKAGES]),
        tools: [...IMAGE_TOOLS, ...emulation("xbps", arch)],
        arch,
        // The script takes repositories from the image, and has no option for others.
        network: true,
        guards: { magic: suffix === "img.xz" ? XZ : GZIP, minSize: 128 * 1024 },
        resources: { cpu: 2, memory: 1024 * MiB, named: ["loop", "vfat"] },
      }),
    );
  }

  iso(live: matrix.LiveArch, flavor: matrix.Flavor): FileTarget {
    const arch = matrix.LIVE[live];
    const boards = live.startsWith("aarch64") ? this.config.livePlatforms : [];
    const { mklive } = this.config;
    const plan = this.plan(live, flavor, boards);
    return asFile(
      this.#run("iso", "void-iso.sh", `void-live-${live}-{date}-${flavor}.iso`, {
        env: { ARCH: arch },
        inputs: {
          SCRIPTS: checkoutFiles(mklive, "iso", arch, boards),
          PLAN: plan,
          ...(arch === hostArch() ? {} : { HOST: this.#hostRepository() }),
        },
        packages: this.#packages(arch, [livePackages(mklive, live, flavor, boards)]),
        tools: [...ISO_TOOLS, ...emulation("xbps", arch)],
        arch,
        guards: { minSize: MiB },
        resources: { cpu: 2, memory: 1024 * MiB, named: ["loop", "vfat"] },
      }),
    );
  }

  /** What mkiso.sh would tell mklive.sh: `args`, and `include`. */
  plan(live: matrix.LiveArch, flavor: matrix.Flavor, boards: readonly string[]): Handle {
    const arch = matrix.LIVE[live];
    const { mklive } = this.config;
    const isAskingGit = matrix.isX86(arch) && this.config.revision === "";
    // mkiso.sh only says what mklive.sh shall do. Asked beforehand, an edit to one flavour makes that one again.
    return declareOne({
      rule: "void-plan",
      command: recipe("void-plan.sh"),
      env: { LIVE: live, FLAVOR: flavor, BOARDS: boards.join(" "), REVISION: this.config.revision },
      inputs: {
        SCRIPTS: this.#files("plan", arch),
        ...(isAskingGit ? { GIT: revision(mklive) } : {}),
      },
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      tools: isAskingGit ? [...PLAN_TOOLS, GIT] : PLAN_TOOLS,
      root: true,
      guards: { has: ["args"] },
    });
  }

  #tarball(kind: "rootfs" | "wsl", arch: matrix.VoidArch, want: readonly string[], out: string): Handle {
    const guards: Guards = { magic: XZ, minSize: 64 * 1024 };
    return this.#run(kind, "void-rootfs.sh", out, {
      env: { ARCH: arch, SYSTEM: want.join(" ") },
      inputs: { SCRIPTS: this.#files(kind, arch) },
      packages: this.#packages(arch, want),
      tools: [...TARBALL_TOOLS, ...emulation("xbps", arch)],
      arch,
      guards,
      resources: { cpu: 2, memory: 1024 * MiB },
    });
  }

  #run(kind: Kind, name: string, out: string, part: Part): Handle {
    return declareOne({
      rule: `void-${kind}`,
      command: recipe(name, ["emulate.sh", "void-lib.sh", name]),
      outputs: [{ name: "OUT", kind: "file", pattern: out }],
      root: true,
      ...part,
    });
  }

  /** Live images of another architecture are made with programs of this machine's, from packages too. */
  #hostRepository(): Handle {
    this.#host ??= declareOne({
      rule: "void-host",
      command: { kind: "shell", text: 'cp -R "$REPO"/. "$OUT"/' },
      inputs: {},
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      packages: this.#packages(hostArch(), [hostPackages(this.config.mklive)]),
      root: true,
      arch: hostArch(),
    });
    return this.#host;
  }

  /**
   * The whole closure, from nothing: a script installs on a tarball, and asks its repository for all that it
   * names, also for what is there already.
   */
  #packages(arch: string, want: readonly Wanted[]): PackageSpec {
    return { driver: "xbps", repo: this.config.repo, arch, want, options: {}, on: null };
  }

  #files(kind: Kind, arch: string): Source {
    return checkoutFiles(this.config.mklive, kind, arch);
  }
}

const platformWants = (platform: matrix.VoidPlatform): readonly string[] => [
  ...matrix.ROOTFS_PACKAGES,
  ...matrix.platformPackages(platform),
];

/** As the engine has it. */
function handleOf(target: FileTarget): Handle {
  if (!isHandle(target)) throw new Error("a target that is no handle");
  return target;
}
