// Void's release by the unmodified scripts of a void-mklive checkout: one action a file, each reading what its script
// reads. Packages come from the pinned repo/; what a script takes from elsewhere is compared with it afterwards
// (rules/recipes/void-*.sh).
import {
  declareOne,
  isHandle,
  wrongOption,
  type ActionSpec,
  type Handle,
  type PackageSpec,
} from "../../engine/declare.js";
import type { Guards, Json, Source, Wanted } from "../../engine/model.js";
import { emulation } from "../../rules/distributions.js";
import { recipe } from "../../rules/recipes.js";
import { asFile, type FileTarget } from "../../rules/types.js";
import { checkoutFiles, revision, type Kind } from "./checkout.js";
import { hostArch, packagesOf, type Question } from "./live.js";
import * as matrix from "./matrix.js";
import type { ImageSuffix, More } from "./more.js";
import { DATE, type Call, type Release } from "./release.js";
import { GIT, IMAGE_TOOLS, ISO_TOOLS, NET_TOOLS, PLAN_TOOLS, TARBALL_TOOLS } from "./tools.js";

/** What every script is told. */
export interface ScriptsConfig {
  /** The checkout, relative to the Imagefile or absolute. */
  readonly mklive: string;
  /** More of its files that scripts read. */
  readonly reads: readonly string[];
  readonly release: Release;
  readonly repo: Json;
  /** What the installer shows of the checkout's revision; empty: what git says. */
  readonly revision: string;
  readonly more: More;
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

  rootfs(arch: string): FileTarget {
    return asFile(this.#tarball("rootfs", arch, `${arch}-ROOTFS`, "tar.xz", matrix.ROOTFS_PACKAGES));
  }

  wsl(arch: string): FileTarget {
    return asFile(this.#tarball("wsl", arch, arch, "wsl", matrix.WSL_PACKAGES));
  }

  platformfs(platform: string, rootfs: FileTarget): FileTarget {
    const { more, release } = this.config;
    const arch = archOf(release, platform);
    const base = `void-${arch}-ROOTFS-${DATE}.tar.xz`;
    const named = namesIn("platformfs", more.packages.platformfs);
    const said = named.length === 0 ? [] : ["-p", named.join(" ")];
    const call = withOptions(on(this.call(`${platform}-PLATFORMFS`, "tar.xz"), base), said);
    return asFile(
      this.#run(
        "platformfs",
        "void-platformfs.sh",
        `${more.name}-${platform}-PLATFORMFS-{date}.tar.xz`,
        call,
        {
          env: { ARCH: arch, BASE: base },
          inputs: { SCRIPTS: this.#files("platformfs", arch), ROOTFS: handleOf(rootfs) },
          packages: this.#packages(arch, [
            ...this.wants("rootfs", arch, this.call(`${arch}-ROOTFS`, "tar.xz"), matrix.ROOTFS_PACKAGES),
            ...this.wants("platformfs", platform, call, matrix.platformPackages(platform)),
          ]),
          tools: [...TARBALL_TOOLS, ...emulation("xbps", arch)],
          arch,
          guards: { magic: XZ, minSize: 64 * 1024 },
          resources: { cpu: 2, memory: 1024 * MiB },
        },
      ),
    );
  }

  pxe(arch: string, rootfs: FileTarget): FileTarget {
    const { kernel, keyboard, name } = this.config.more;
    const base = `void-${arch}-ROOTFS-${DATE}.tar.xz`;
    const said = [...(kernel === null ? [] : ["-K", kernel]), ...(keyboard === null ? [] : ["-k", keyboard])];
    const call = withOptions(on(this.call(`${arch}-NETBOOT`, "tar.gz"), base), said);
    return asFile(
      this.#run("pxe", "void-pxe.sh", `${name}-${arch}-NETBOOT-{date}.tar.gz`, call, {
        env: { ARCH: arch, BASE: base },
        inputs: { SCRIPTS: this.#files("pxe", arch), ROOTFS: handleOf(rootfs) },
        packages: this.#packages(arch, [
          ...this.wants("rootfs", arch, this.call(`${arch}-ROOTFS`, "tar.xz"), matrix.ROOTFS_PACKAGES),
          ...this.wants("pxe", arch, call, matrix.NETBOOT_PACKAGES),
        ]),
        tools: [...NET_TOOLS, ...emulation("xbps", arch)],
        // It is named after the day on which it runs, whatever it is told.
        collect: `void-${arch}-NETBOOT-{date}.tar.gz`,
        arch,
        guards: { magic: GZIP, minSize: 64 * 1024 },
        resources: { memory: 512 * MiB },
      }),
    );
  }

  image(platform: string, suffix: ImageSuffix, platformfs: FileTarget): FileTarget {
    const { more, release } = this.config;
    const arch = archOf(release, platform);
    const base = `void-${platform}-PLATFORMFS-${DATE}.tar.xz`;
    const call = on(this.call(platform, suffix), base);
    return asFile(
      this.#run("image", "void-image.sh", `${more.name}-${platform}-{date}.${suffix}`, call, {
        env: { ARCH: arch, BASE: base, SUFFIX: suffix },
        inputs: { SCRIPTS: this.#files("image", arch), PLATFORMFS: handleOf(platformfs) },
        packages: this.#packages(arch, [
          ...this.wants("rootfs", arch, this.call(`${arch}-ROOTFS`, "tar.xz"), matrix.ROOTFS_PACKAGES),
          ...this.wants(
            "platformfs",
            platform,
            this.call(`${platform}-PLATFORMFS`, "tar.xz"),
            matrix.platformPackages(platform),
          ),
          ...(more.packages.platformfs ?? []),
          ...this.wants("image", platform, call, matrix.IMAGE_PACKAGES),
        ]),
        tools: [...IMAGE_TOOLS, ...emulation("xbps", arch)],
        arch,
        // The script takes repositories from the image, and has no option for others.
        network: true,
        guards: { magic: suffix === "img.xz" ? XZ : GZIP, minSize: 128 * 1024 },
        resources: { cpu: 2, memory: 1024 * MiB, named: ["loop", "vfat"] },
      }),
    );
  }

  iso(live: string, flavor: string): FileTarget {
    const { mklive, more, reads } = this.config;
    const said = this.live(live, flavor);
    const { arch, boards } = said;
    return asFile(
      this.#run("iso", "void-iso.sh", `${more.name}-live-${live}-{date}-${flavor}.iso`, null, {
        env: { ARCH: arch },
        inputs: {
          SCRIPTS: checkoutFiles(mklive, "iso", arch, boards, reads),
          PLAN: this.plan(said),
          ...(arch === hostArch() ? {} : { HOST: this.#hostRepository(said) }),
        },
        packages: this.#packages(arch, [packagesOf(said)]),
        tools: [...ISO_TOOLS, ...emulation("xbps", arch)],
        arch,
        guards: { minSize: MiB },
        resources: { cpu: 2, memory: 1024 * MiB, named: ["loop", "vfat"] },
      }),
    );
  }

  /** What make would run for a live image, as `take` has it, with what the Imagefile says beside it. */
  live(
    live: string,
    flavor: string,
    packages: readonly Wanted[] = this.config.more.packages.live ?? [],
    take: (call: Call) => Call = (call) => call,
  ): Live {
    const { mklive, more, reads, release } = this.config;
    const own = more.flavours[flavor];
    const kernel = own?.kernel ?? more.kernel;
    const keyboard = own?.keyboard ?? more.keyboard;
    const names = [...namesIn("live", packages), ...(own?.packages ?? [])];
    const services = own?.services ?? [];
    const call = withEnd(take(this.call(`live-${live}`, "iso", own?.like ?? flavor)), [
      ...(names.length === 0 ? [] : ["-p", names.join(" ")]),
      ...(services.length === 0 ? [] : ["-S", services.join(" ")]),
      ...(kernel === null ? [] : ["-v", kernel]),
      ...(keyboard === null ? [] : ["-k", keyboard]),
    ]);
    const arch = release.live.get(live) ?? "";
    return {
      mklive,
      kind: "live",
      of: `${live} ${flavor}`,
      arch,
      boards: boardsOf(call),
      reads,
      call,
      keyboard,
    };
  }

  /** What mkiso.sh would tell mklive.sh: `args`, and `include`. */
  plan(said: Live): Handle {
    // mkiso.sh only says what mklive.sh shall do. Asked beforehand, an edit to one flavour makes that one again.
    return this.#asked(said, "plan", ["void-words.sh", "void-plan.sh"], { has: ["args"] });
  }

  /** What mklive.sh itself puts into the tree of the image, beside packages. */
  files(said: Live): Handle {
    return this.#asked(said, "live", ["void-words.sh", "void-record.sh", "void-live-files.sh"], {});
  }

  #asked(
    { mklive, arch, boards, call, reads }: Live,
    kind: Kind,
    parts: readonly string[],
    guards: Guards,
  ): Handle {
    const isAskingGit = matrix.isX86(arch) && this.config.revision === "";
    return declareOne({
      rule: "void-plan",
      command: recipe(parts.at(-1) ?? "", parts),
      env: { WORDS: wordsOf(call), REVISION: this.config.revision },
      inputs: {
        SCRIPTS: checkoutFiles(mklive, kind, arch, boards, reads),
        ...(isAskingGit ? { GIT: revision(mklive) } : {}),
      },
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      tools: isAskingGit ? [...PLAN_TOOLS, GIT] : PLAN_TOOLS,
      root: true,
      guards,
    });
  }

  /** What make would run for an artifact; nothing where there is no checkout. */
  call(of: string, suffix: string, flavor?: string): Call {
    const file = `void-${of}-${DATE}${flavor === undefined ? "" : `-${flavor}`}.${suffix}`;
    return this.config.release.asked?.call(file) ?? { words: [] };
  }

  /** Packages that the checkout's script asks for, or where there is no checkout, `usual`. */
  wants(kind: Kind, of: string, call: Call, usual: readonly string[]): readonly Wanted[] {
    const { mklive, reads, release } = this.config;
    const arch = release.platforms.get(of) ?? of;
    return release.asked === null ? usual : [packagesOf({ mklive, kind, of, arch, reads, call })];
  }

  /** Packages of a network boot tarball beside the root file system, as mknet.sh has them; `rule.pxe` has others. */
  pxeWants(arch: string): readonly Wanted[] {
    const { kernel } = this.config.more;
    const said = kernel === null ? [] : ["-K", kernel];
    const call = followed("pxe", this.call(`${arch}-NETBOOT`, "tar.gz"));
    return this.wants("pxe", arch, withOptions(call, said), []);
  }

  /** Packages of a disk image beside the platform file system. */
  imageWants(platform: string, suffix: ImageSuffix): readonly Wanted[] {
    return this.wants(
      "image",
      platform,
      followed("image", this.call(platform, suffix)),
      matrix.IMAGE_PACKAGES,
    );
  }

  #tarball(
    kind: "rootfs" | "wsl",
    arch: string,
    of: string,
    suffix: string,
    usual: readonly string[],
  ): Handle {
    const call = this.call(of, suffix);
    const out = `${this.config.more.name}-${of}-{date}.${suffix}`;
    return this.#run(kind, "void-rootfs.sh", out, call, {
      env: { ARCH: arch },
      inputs: { SCRIPTS: this.#files(kind, arch) },
      packages: this.#packages(arch, this.wants(kind, arch, call, usual)),
      tools: [...TARBALL_TOOLS, ...emulation("xbps", arch)],
      arch,
      guards: { magic: XZ, minSize: 64 * 1024 },
      resources: { cpu: 2, memory: 1024 * MiB },
    });
  }

  #run(kind: Kind, name: string, out: string, call: Call | null, part: Part): Handle {
    return declareOne({
      rule: `void-${kind}`,
      command: recipe(name, ["emulate.sh", "void-lib.sh", "void-words.sh", name]),
      outputs: [{ name: "OUT", kind: "file", pattern: out }],
      root: true,
      ...part,
      env: { ...part.env, ...(call === null ? {} : { WORDS: wordsOf(call) }) },
    });
  }

  /** Live images of another architecture are made with programs of this machine's, from packages too. */
  #hostRepository(said: Live): Handle {
    this.#host ??= declareOne({
      rule: "void-host",
      command: { kind: "shell", text: 'cp -R "$REPO"/. "$OUT"/' },
      inputs: {},
      outputs: [{ name: "OUT", kind: "tree", base: null }],
      packages: this.#packages(hostArch(), [packagesOf(said, "host")]),
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
    return checkoutFiles(this.config.mklive, kind, arch, [], this.config.reads);
  }
}

/** A live image as its scripts are asked about it. */
export interface Live extends Question {
  readonly keyboard: string | null;
}

/** The architecture of a platform that is in the table. */
const archOf = ({ platforms }: Release, platform: string): string => platforms.get(platform) ?? "";

/** As a recipe reads them, one a line. */
const wordsOf = (call: Call): string => ("words" in call ? call.words.join("\n") : "");

/**
 * Options that the typed rules follow, or that change nothing in what is built, by what a script makes: they name packages,
 * services, repositories, threads and files. Those behind `--` are mklive.sh's.
 */
const FOLLOWED: Readonly<Record<Exclude<Kind, "plan" | "iso">, string>> = {
  rootfs: "bcorx",
  wsl: "bcorx",
  platformfs: "bcoprx",
  pxe: "cor",
  image: "ox",
  live: "abdrtPpSv",
};

/** A call as the typed rules take it: with another option it makes something that they would not. */
export function followed(kind: keyof typeof FOLLOWED, call: Call): Call {
  if ("lost" in call) return call;
  const odd = call.words.find(
    (word, at) => at > 0 && /^-[^-]/.test(word) && !FOLLOWED[kind].includes(word.charAt(1)),
  );
  if (odd === undefined) return call;
  const [script = ""] = call.words;
  return {
    lost: `the Makefile gives ${script} ${odd}, which build: "native" does not follow; "scripts" does`,
  };
}

/** Options before a script's own words. */
const withOptions = (call: Call, said: readonly string[]): Call =>
  "lost" in call || said.length === 0
    ? call
    : { words: [...call.words.slice(0, 1), ...said, ...call.words.slice(1)] };

/** Words that mkiso.sh hands on to mklive.sh. */
const withEnd = (call: Call, said: readonly string[]): Call =>
  "lost" in call || said.length === 0
    ? call
    : { words: [...call.words, ...(call.words.includes("--") ? [] : ["--"]), ...said] };

/** What make would run, where that is on the file that is meant. */
const on = (call: Call, base: string): Call =>
  "lost" in call || call.words.length === 0 || call.words.includes(base)
    ? call
    : { lost: `the Makefile runs ${JSON.stringify(call.words.join(" "))}, which is not on ${base}` };

/** Boards that mklive.sh is told of. */
function boardsOf(call: Call): readonly string[] {
  if ("lost" in call) return [];
  const end = call.words.slice(call.words.indexOf("--") + 1);
  return call.words.includes("--")
    ? end.flatMap((word, i) => (end[i - 1] === "-P" ? word.split(/\s+/).filter(Boolean) : []))
    : [];
}

/** Names for an option of a script, which takes no list files. */
function namesIn(kind: string, wanted: readonly Wanted[] = []): readonly string[] {
  return wanted.map((one) =>
    typeof one === "string"
      ? one
      : wrongOption("preset.voidLinux", `packages.${kind}: the scripts take names, and no list()`),
  );
}

/** As the engine has it. */
function handleOf(target: FileTarget): Handle {
  if (!isHandle(target)) throw new Error("a target that is no handle");
  return target;
}
