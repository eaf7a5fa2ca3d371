// xbps's programs as tools of the host.
import type { Tool } from "../../../engine/model.js";

/** Debian does not package it. */
export const xbpsTool = (name: string): Tool => ({
  name,
  package: "xbps",
  sources: "https://github.com/void-linux/xbps",
});

/** Several of them. */
export const xbpsTools = (...names: readonly string[]): readonly Tool[] => names.map(xbpsTool);
