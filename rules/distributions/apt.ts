// Debian, by apt: its architectures, and the recipes that make and change its trees.
import { besideRepo, inImageOf, isAptRepo, requestRepo } from "../apt.js";
import { distribution, listIn, textIn } from "../distribution.js";
import { recipe } from "../recipes.js";

const TOOLS = [{ name: "apt-get", package: "apt" }] as const;

export const apt = distribution({
  name: "apt",
  cpus: {
    amd64: "x86_64",
    arm64: "aarch64",
    armhf: "arm",
    i386: "i386",
    ppc64el: "ppc64le",
    riscv64: "riscv64",
    s390x: "s390x",
  },
  is: isAptRepo,
  request: requestRepo,
  options: ({ without }, { variant = "apt", recommends = false }) => ({
    variant,
    without,
    ...(recommends ? { recommends } : {}),
  }),
  beside: besideRepo,
  bootstrap: (repo, { arch, cpu, options }) => ({
    command: recipe("rootfs-apt.sh", [
      "lib.sh",
      "emulate.sh",
      "unique.sh",
      "tree.sh",
      "apt.sh",
      "rootfs-apt.sh",
    ]),
    env: {
      ARCH: arch,
      CPU: cpu,
      VARIANT: textIn(options, "variant"),
      WITHOUT: listIn(options, "without").join("\n"),
      ...inImageOf(repo, arch),
    },
    inputs: {},
    tools: [{ name: "mmdebstrap", package: "mmdebstrap" }, ...TOOLS],
    guards: { has: ["var/lib/dpkg/status"] },
  }),
  install: ({ arch, cpu, options }) => ({
    command: recipe("install-apt.sh", [
      "lib.sh",
      "emulate.sh",
      "unique.sh",
      "tree.sh",
      "inside.sh",
      "apt.sh",
      "install-apt.sh",
    ]),
    env: { ARCH: arch, CPU: cpu, WITHOUT: listIn(options, "without").join("\n") },
    inputs: {},
    tools: TOOLS,
  }),
});
