// Which node this needs. Old ones have to be able to read this file as well as main.ts, to say so: nothing in it is newer
// than node 12.

/** The oldest node that this works with; package.json says the same. */
export const NODE_LEAST: readonly [number, number] = [20, 19];

/** What is wrong with a version of node, in one sentence; null where it is new enough. */
export function tooOld(version: string): string | null {
  const parts = version.split(".").map(Number);
  const major = parts[0] || 0;
  const minor = parts[1] || 0;
  if (major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1])) return null;
  return `this is node ${version}, and imagemake needs node ${NODE_LEAST.join(".")} or newer`;
}
