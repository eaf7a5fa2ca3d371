// pacman's programs as tools of the host.
import type { Tool } from "../../../engine/model.js";

export const PACMAN: Tool = { name: "pacman", package: "pacman-package-manager" };
export const BSDTAR: Tool = { name: "bsdtar", package: "libarchive-tools" };
/** Verifies signatures: pacman calls it. */
export const GPG: Tool = { name: "gpg", package: "gpg" };
