// RPM systems, by dnf: their architectures, and the recipes that make and change their trees.
import type { Json } from "../../engine/model.js";
import { dnfRequest, isDnfRepo } from "../dnf.js";
import { distribution, optionIn } from "../distribution.js";
import { toolOf } from "../drivers/tools.js";
import { INSIDE, recipe } from "../recipes.js";

const PARTS = [...INSIDE, "tell.sh", "rpm.sh"];

export const dnf = distribution({
  name: "dnf",
  cpus: { x86_64: "x86_64", aarch64: "aarch64" },
  is: isDnfRepo,
  request: dnfRequest,
  options: ({ docs }, { recommends = false }) => ({ docs, ...(recommends ? { recommends } : {}) }),
  bootstrap: (_, { arch, options }) => ({
    command: recipe("rootfs-rpm.sh", [...PARTS, "rootfs-rpm.sh"]),
    env: { ARCH: arch, DOCS: docsIn(options) },
    inputs: {},
    tools: [toolOf("rpm")],
    guards: { has: ["var/lib/rpm/rpmdb.sqlite"] },
  }),
  install: ({ arch, options }) => ({
    command: recipe("install-rpm.sh", [...PARTS, "install-rpm.sh"]),
    env: { ARCH: arch, DOCS: docsIn(options) },
    inputs: {},
    tools: [toolOf("rpm")],
  }),
});

const docsIn = (options: Json): string => (optionIn(options, "docs") === false ? "" : "yes");
