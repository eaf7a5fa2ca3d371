// What a layer looks like from outside: one digest over the stamps of all that is in it. It reads no contents.
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, type Stats } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { bytePath, toByteString } from "../../cache/hash.js";

/** So many entries are looked at before others have their turn: signals must not wait for a large tree. */
const TURN = 4000;

/** How a layer looks. */
export interface LayerStamp {
  readonly digest: string;
  /** The newest change time in it, in milliseconds since 1970. */
  readonly changed: number;
  /** Of a name that is listed there is nothing to see: what marks deleted files is hidden where an overlay shows the layer. */
  readonly hidden: boolean;
}

/**
 * A digest over name, size, mode, times and inode of every entry. The change time tells of owners and attributes too.
 * Throws system errors.
 */
export async function layerStamp(root: string): Promise<LayerStamp> {
  const hash = createHash("sha256");
  const base = toByteString(root);
  const pending = [base];
  const top = lineOf("", lstatSync(bytePath(base)));
  let [lines, entries, changed, hidden] = [top.line, 0, top.ctime, false];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    lines += `${dir.slice(base.length)}\0\n`;
    for (const name of readdirSync(bytePath(dir), { encoding: "latin1" }).sort()) {
      const path = `${dir}/${name}`;
      const stats = lstatSync(bytePath(path), { throwIfNoEntry: false });
      hidden ||= stats === undefined;
      if (stats === undefined) continue;
      const { line, isDirectory, ctime } = lineOf(name, stats);
      lines += line;
      if (ctime > changed) changed = ctime;
      if (isDirectory) pending.push(path);
      entries += 1;
    }
    if (entries < TURN) continue;
    hash.update(lines, "latin1");
    [lines, entries] = ["", 0];
    await setImmediate();
  }
  return { digest: hash.update(lines, "latin1").digest("hex"), changed, hidden };
}

function lineOf(
  name: string,
  { size, mode, mtimeMs, ctimeMs, ino }: Stats,
): { readonly line: string; readonly isDirectory: boolean; readonly ctime: number } {
  const isDirectory = (mode & 0o170000) === 0o040000;
  // The size of a directory is the file system's own affair.
  const line = `${name}\0${isDirectory ? 0 : size} ${mode} ${mtimeMs} ${ctimeMs} ${ino}\n`;
  return { line, isDirectory, ctime: ctimeMs };
}
