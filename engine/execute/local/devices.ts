// Which nodes of the host's /dev a named resource means. The standard nodes are init.pl's.
import { readdirSync } from "node:fs";
import { join } from "node:path";

const NODES: Readonly<Record<string, RegExp>> = {
  kvm: /^kvm$/,
  loop: /^loop(-control|\d+(p\d+)?)$/,
  fuse: /^fuse$/,
};

/** Device nodes, as absolute paths, that go with an action's named resources, as far as the host has them. */
export function devicesOf(named: readonly string[]): readonly string[] {
  const patterns = named.flatMap((name) => NODES[name] ?? []);
  if (patterns.length === 0) return [];
  return readdirSync("/dev")
    .filter((node) => patterns.some((pattern) => pattern.test(node)))
    .map((node) => join("/dev", node));
}
