// Brings a finished layer into the form in which it is kept: no device nodes under /dev, no sockets, no times
// after the epoch. It changes the directory it is given, and reads no contents.
import { closeSync, lutimesSync, openSync, renameSync, rmSync, unlinkSync } from "node:fs";
import { runProgram } from "../../cache/program.js";
import { bytePath, toByteString } from "../../cache/hash.js";
import { noticeOf, type Notice } from "../notice.js";
import { BILLION, dirOf, escapeBytes, timeWord } from "./entry.js";
import type { Manifest } from "./manifest.js";
import { isWhiteoutNode, pathIn, type Node } from "./scan.js";

/** What is left of the nodes, and what a person should know. */
export interface Settled {
  readonly nodes: readonly Node[];
  readonly notices: readonly Notice[];
}

/**
 * Deletes device nodes under `dev/` and sockets from the layer at `root`; where the parent has something at that
 * path, a whiteout takes the place, so that it does not come back: unless a directory above it hides the parent's
 * anyway (`isOpaque`), where overlayfs does not look for whiteouts and would list their names. A whiteout over
 * nothing goes too when there is no parent. `epoch` in seconds. Throws system errors.
 */
export function dropUnwanted(
  root: string,
  nodes: readonly Node[],
  parent: Manifest | null,
  isOpaque: (dir: string) => boolean,
  epoch: number,
): Settled {
  const unwanted = new Set(nodes.filter((node) => isUnwanted(node, parent !== null)));
  if (unwanted.size === 0) return { nodes, notices: [] };
  const touched = new Set<string>();
  const whiteouts: Node[] = [];
  for (const node of unwanted) {
    unlinkSync(bytePath(pathIn(root, node.path)));
    touched.add(dirOf(node.path));
    if (parent?.lines.has(node.path) === true && !dirsAbove(node.path).some(isOpaque)) {
      makeWhiteout(root, node.path);
      touched.add("");
      whiteouts.push({ ...node, type: "char", major: 0, minor: 0 });
    }
  }
  // Dropping a node must not show in the time of its directory; one after the epoch is clamped anyway.
  for (const node of nodes) {
    if (touched.has(node.path) && node.mtime <= BigInt(epoch) * BILLION) setTime(root, node);
  }
  return {
    nodes: [...nodes.filter((node) => !unwanted.has(node)), ...whiteouts],
    notices: Object.entries(LOST).flatMap(([words, isLost]) => {
      const names = [...unwanted].filter(isLost).map((node) => escapeBytes(node.path));
      return names.length === 0
        ? []
        : [noticeOf((some) => `a tree does not hold ${words} (${some(names.sort())})`)];
    }),
  };
}

/** What is said of what is dropped; that a tree has no devices under /dev is known. */
const LOST: Readonly<Record<string, (node: Node) => boolean>> = {
  sockets: (node) => node.type === "socket",
  "devices of the number 0:0, by which overlays mark what is deleted": (node) =>
    isWhiteoutNode(node) && !isInDev(node),
};

const isInDev = (node: Node): boolean => node.path.startsWith("dev/");

/** The directories a path lies in, the nearest first, down to the root (the empty path). */
function dirsAbove(path: string): string[] {
  const dirs: string[] = [];
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    dirs.push(path.slice(0, end));
  }
  return [...dirs, ""];
}

function isUnwanted(node: Node, hasParent: boolean): boolean {
  if (node.type === "socket") return true;
  if (isWhiteoutNode(node)) return !hasParent;
  return (node.type === "char" || node.type === "block") && isInDev(node);
}

/** Node has no mknod(2), and no program takes names that are not text: made under a plain name, then renamed. */
function makeWhiteout(root: string, path: string): void {
  const plain = `${root}/.imagemake-whiteout`;
  rmSync(plain, { force: true });
  run("mknod", [plain, "c", "0", "0"], null);
  renameSync(plain, bytePath(pathIn(root, path)));
}

/**
 * Puts a directory's time back. Node's times are doubles, which cannot hold nanoseconds. The directory is given as an open
 * file, for its name's sake.
 */
export function setTime(root: string, dir: Node): void {
  const fd = openSync(bytePath(pathIn(root, dir.path)), "r");
  try {
    run("touch", ["-m", "-d", `@${timeWord(dir.mtime)}`, "/proc/self/fd/3"], fd);
  } finally {
    closeSync(fd);
  }
}

function run(program: string, argv: readonly string[], fd: number | null): void {
  const { status, said, error } = runProgram(program, argv, { fd });
  if (error !== null) throw error;
  if (status !== 0) throw new Error(`${program} failed: ${said}`);
}

/** Puts every time after the epoch (seconds) back to it, symlinks and the root included. Throws system errors. */
export function clampTimes(root: string, nodes: readonly Node[], epoch: number): void {
  const limit = BigInt(epoch) * BILLION;
  const base = toByteString(root);
  for (const node of nodes) {
    if (node.mtime <= limit || isWhiteoutNode(node)) continue;
    lutimesSync(bytePath(node.path === "" ? base : `${base}/${node.path}`), epoch, epoch);
  }
}

/** Gives the time that a node has after clamping, in nanoseconds; `epoch` in seconds. */
export function clampedBy(epoch: number | null): (mtime: bigint) => bigint {
  if (epoch === null) return (mtime) => mtime;
  const limit = BigInt(epoch) * BILLION;
  return (mtime) => (mtime > limit ? limit : mtime);
}
