// RPM's programs as tools of the host.
import type { Tool } from "../../../engine/model.js";

export const DNF: Tool = { name: "dnf", package: "dnf" };
/** A library that dnf's resolver does without, but not its fetching. */
export const LIBREPO: Tool = {
  name: "/usr/lib/python3/dist-packages/librepo/__init__.py",
  package: "python3-librepo",
};
export const RPM: Tool = { name: "rpm", package: "rpm" };
