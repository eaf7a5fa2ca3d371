// Arch, by pacman: its architectures, and the recipes that make and change its trees.
import { distribution, listIn } from "../distribution.js";
import { toolOf } from "../drivers/tools.js";
import { isPacmanRepo, pacmanRequest } from "../pacman.js";
import { INSIDE, recipe } from "../recipes.js";

const PARTS = [...INSIDE, "pacman.sh"];

export const pacman = distribution({
  name: "pacman",
  cpus: { x86_64: "x86_64", aarch64: "aarch64", armv7h: "arm", riscv64: "riscv64" },
  is: isPacmanRepo,
  request: pacmanRequest,
  options: ({ noExtract }) => ({ noExtract }),
  bootstrap: (repo, { arch, options }) => ({
    command: recipe("rootfs-pacman.sh", [...PARTS, "rootfs-pacman.sh"]),
    env: {
      ARCH: arch,
      NO_EXTRACT: listIn(options, "noExtract").join(" "),
      IN_IMAGE: repo.inImage ?? "",
    },
    inputs: {},
    tools: [toolOf("pacman")],
    guards: { has: ["var/lib/pacman/local/ALPM_DB_VERSION"] },
  }),
  install: ({ arch, options }) => ({
    command: recipe("install-pacman.sh", [...PARTS, "install-pacman.sh"]),
    env: { ARCH: arch, NO_EXTRACT: listIn(options, "noExtract").join(" ") },
    inputs: {},
    tools: [toolOf("pacman")],
  }),
});
