// User and group ids an ordinary user may use beyond his own, and the wrapper that makes him root of a user namespace
// with them.
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { findTool } from "../../tools.js";

/** All the ids of /etc/subuid, or root alone. */
export type Ids = "all" | "one";

/** Runs a program as root of a new user namespace. */
export const inUserNamespace = (ids: Ids): readonly string[] => [
  "unshare",
  "--user",
  "--map-root-user",
  ...(ids === "all" ? ["--map-auto"] : []),
  "--",
];

/** What gives the present user more ids. */
export const moreIds = (): string =>
  `apt-get install uidmap, and a range for ${userName()} in /etc/subuid and /etc/subgid; or sudo`;

/** The present user's name; his id where he has none. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.());
  }
}

/** Which ids the present user has: those of subuid(5) need newuidmap and newgidmap, package uidmap. */
export function ownIds(): Ids {
  const tools = findTool("newuidmap") !== null && findTool("newgidmap") !== null;
  return tools && hasRange("/etc/subuid") && hasRange("/etc/subgid") ? "all" : "one";
}

function hasRange(file: string): boolean {
  try {
    const { username, uid } = userInfo();
    const names = [username, String(uid)];
    return readFileSync(file, "utf8")
      .split("\n")
      .some((line) => names.includes(line.split(":")[0] ?? ""));
  } catch {
    return false;
  }
}
