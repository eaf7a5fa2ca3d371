// Void, by xbps: its architectures, and the recipes that make and change its trees.
import { distribution } from "../distribution.js";
import { toolsOf } from "../drivers/tools.js";
import { staged } from "../patterns.js";
import { INSIDE, recipe } from "../recipes.js";
import { isXbpsRepo } from "../xbps.js";

const TOOLS = toolsOf("xbps-install", "xbps-reconfigure", "xbps-query", "xbps-uhelper");

export const xbps = distribution({
  name: "xbps",
  cpus: {
    i686: "i386",
    x86_64: "x86_64",
    "x86_64-musl": "x86_64",
    armv5tel: "arm",
    "armv5tel-musl": "arm",
    armv6l: "arm",
    "armv6l-musl": "arm",
    armv7l: "arm",
    "armv7l-musl": "arm",
    aarch64: "aarch64",
    "aarch64-musl": "aarch64",
    mipsel: "mipsel",
    "mipsel-musl": "mipsel",
    ppc: "ppc",
    "ppc-musl": "ppc",
    ppc64: "ppc64",
    "ppc64-musl": "ppc64",
    ppc64le: "ppc64le",
    "ppc64le-musl": "ppc64le",
    riscv64: "riscv64",
    "riscv64-musl": "riscv64",
  },
  is: isXbpsRepo,
  request: ({ urls, keys }) => ({ urls, keys }),
  options: () => ({}),
  bootstrap: ({ keys }, { arch }) => ({
    command: recipe("rootfs-xbps.sh", [...INSIDE, "xbps.sh", "rootfs-xbps.sh"]),
    env: { ARCH: arch },
    // The checkout may lie anywhere: that is no part of the key.
    inputs: keys === null ? {} : { KEYS: staged({ patterns: keys, links: "contents" }, "keys") },
    tools: TOOLS,
    guards: { has: ["var/db/xbps/pkgdb-0.38.plist"] },
  }),
  install: ({ arch }) => ({
    command: recipe("install-xbps.sh", [...INSIDE, "xbps.sh", "install-xbps.sh"]),
    env: { ARCH: arch },
    inputs: {},
    tools: TOOLS,
  }),
});
