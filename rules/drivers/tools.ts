// Programs of package managers, as tools of the host.
import type { Tool } from "../../engine/model.js";

/** Part of apt, outside PATH. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";
/** A library that dnf's resolver does without, but not its fetching. */
const LIBREPO = "/usr/lib/python3/dist-packages/librepo/__init__.py";

/** The Debian package that has a program, where it has another name. */
const PACKAGES: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "apt-cache": "apt",
  "apt-config": "apt",
  [APT_HELPER]: "apt",
  "apt-ftparchive": "apt-utils",
  pacman: "pacman-package-manager",
  bsdtar: "libarchive-tools",
  unshare: "util-linux",
  rpmkeys: "rpm",
  "/usr/bin/python3": "python3",
  [LIBREPO]: "python3-librepo",
};

/** A program by its name, or a file by its path. */
export const toolOf = (name: string): Tool =>
  name.startsWith("xbps-")
    ? // Debian does not package it.
      { name, package: "xbps", sources: "https://github.com/void-linux/xbps" }
    : { name, package: PACKAGES[name] ?? name };

/** Several of them. */
export const toolsOf = (...names: readonly string[]): readonly Tool[] => names.map(toolOf);

/** What resolving and fetching take. */
export const TOOLS = {
  apt: toolsOf("apt-get", "apt-cache", "apt-config", APT_HELPER, "apt-ftparchive"),
  // pacman calls gpg where it verifies signatures.
  pacman: toolsOf("pacman", "bsdtar", "gpg"),
  dnf: toolsOf("dnf", LIBREPO, "rpm"),
  xbps: toolsOf("xbps-install", "xbps-rindex", "xbps-fetch", "tar", "zstd"),
} as const;
