// What is in a tree, as a release keeps it when the tree itself is gone: the tree's manifest, compressed; of a tree on
// others only what differs from the lowest of them, which many trees of a release have in common.
import { gunzipSync, gzipSync } from "node:zlib";
import { type Line, lineIn, lineText, type Manifest, manifestDigest } from "../tree/manifest.js";

/** First line: the digest of the tree that the other lines are on, or a dash. */
const HEADER = "imagemake-listing 1 ";

/** A tree's listing; `base` is null for one that is on no other. */
export function listingOf(
  manifest: Manifest,
  base: { readonly digest: string; readonly manifest: Manifest } | null,
): Buffer {
  const lines = [`${HEADER}${base?.digest ?? "-"}`];
  const under = base?.manifest.lines;
  for (const [path, line] of manifest.lines) {
    const before = under?.get(path);
    if (before?.body !== line.body || before.group !== line.group) lines.push(`+${lineText(path, line)}`);
  }
  for (const [path, line] of under ?? [])
    if (!manifest.lines.has(path)) lines.push(`-${lineText(path, line)}`);
  return gzipSync(Buffer.from(`${lines.join("\n")}\n`, "latin1"));
}

/** The manifest with this digest out of listings; null where one is missing, or not what it is called. */
export function manifestOf(digest: string, read: (digest: string) => Buffer | null): Manifest | null {
  try {
    const manifest = unpacked(digest, read, 0);
    return manifest !== null && manifestDigest(manifest) === digest ? manifest : null;
  } catch {
    return null;
  }
}

/** Listings are never larger, unpacked, in bytes: they may be anybody's. */
const MOST = 1 << 30;

function unpacked(digest: string, read: (digest: string) => Buffer | null, depth: number): Manifest | null {
  const bytes = read(digest);
  if (bytes === null) return null;
  const text = gunzipSync(bytes, { maxOutputLength: MOST }).toString("latin1");
  const [first = ""] = text.split("\n", 1);
  if (!first.startsWith(HEADER)) return null;
  const base = first.slice(HEADER.length);
  const under = base === "-" ? null : depth > 0 ? null : unpacked(base, read, depth + 1);
  if (base !== "-" && under === null) return null;
  const lines = new Map<string, Line>(under?.lines);
  for (let at = first.length + 1; at < text.length;) {
    const end = text.indexOf("\n", at);
    const [path, line] = lineIn(text, at + 1, end);
    if (text.startsWith("-", at)) lines.delete(path);
    else lines.set(path, line);
    at = end + 1;
  }
  return under === null ? { lines } : { lines: new Map([...lines].sort(([a], [b]) => (a < b ? -1 : 1))) };
}
