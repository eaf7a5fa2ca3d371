// What a refusal of the system means in words, and what helps: a full file system, one without inodes, a limit of the
// process. It asks the system how much is left; it changes nothing.
import { readFileSync, statfsSync, type StatsFs } from "node:fs";
import { dirname } from "node:path";

/** Less than this, and a file system counts as full: what did not fit was larger than what is left. Bytes. */
const FULL = 1 << 20;
/** The same in inodes. */
const FEW_INODES = 16;

const GC = "`imagemake cache gc` drops what nothing needs";

/** Codes that mean that a file system is full. */
export const isFullCode = (code: string): boolean => code === "ENOSPC" || code === "EDQUOT";

/** What the file system of `path` lacks, and what helps; null where it has enough, and where that cannot be asked. */
export function lackAt(path: string): { readonly why: string; readonly hint: string } | null {
  const stats = statfsAbove(path);
  if (stats === null) return null;
  // Some file systems make inodes as they need them, and count none.
  if (stats.files > 0 && stats.ffree < FEW_INODES)
    return {
      why: "no inode is left on its file system, so that no file can be made there",
      hint: `delete files there, or make the file system anew with more inodes (df -i); ${GC}`,
    };
  return stats.bavail * stats.bsize < FULL
    ? { why: "no space is left on the device", hint: `free some space; ${GC}` }
    : null;
}

/** Of `path`, or of what it would lie in. */
function statfsAbove(path: string): StatsFs | null {
  for (let at = path; ; at = dirname(at)) {
    try {
      return statfsSync(at);
    } catch {
      if (at === dirname(at)) return null;
    }
  }
}

/** What helps against an error of the system; nothing where only the caller can know. `path`: where it was met. */
export function adviceFor(code: string, path: string | null): string | undefined {
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return (path === null ? null : lackAt(path))?.hint ?? `free some space; ${GC}`;
    case "EROFS":
      return "mount it writable (mount -o remount,rw); dmesg says whether errors made it read-only";
    case "EIO":
      return "dmesg says what the device reported";
    case "EMFILE":
      return `raise the limit of open files, which is ${limitOf("open files")} (ulimit -n)`;
    case "ENFILE":
      return "raise the machine's limit of open files (sysctl fs.file-max)";
    case "EAGAIN":
    case "ERR_WORKER_INIT_FAILED":
      return `raise the limit of processes, which is ${limitOf("processes")} (ulimit -u; pids.max of a container), or give fewer jobs (-j)`;
    case "EFBIG": {
      const limit = limitOf("file size");
      return limit === "unlimited"
        ? undefined
        : `raise the limit of a file's size, which is ${limit} bytes (ulimit -f)`;
    }
    default:
      return undefined;
  }
}

/** Soft limit of this process, as /proc/self/limits has it. */
export function limitOf(what: "open files" | "processes" | "file size"): string {
  try {
    return (
      new RegExp(`^Max ${what} +(\\S+)`, "m").exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ??
      "unknown"
    );
  } catch {
    // That takes a descriptor, too.
    return "too low";
  }
}

/** How programs complain that something ran out (strerror(3) in English), and the codes for that. */
const SAID: readonly (readonly [RegExp, string])[] = [
  [/No space left on device/, "ENOSPC"],
  [/Disk quota exceeded/, "EDQUOT"],
  [/Read-only file system/, "EROFS"],
  [/Input\/output error/, "EIO"],
  [/Too many open files|\bEMFILE\b|too many files are open/, "EMFILE"],
  // Locks and sockets have the same words.
  [
    /[Ff]ork\b.*Resource temporarily unavailable|[Cc]annot fork|pthread_create|no more processes can|\bspawn \S+ EAGAIN/,
    "EAGAIN",
  ],
  [/File too large/, "EFBIG"],
];

/** The code of what a program complained of when it ran out of something; null where it complained of anything else. */
export const codeSaid = (text: string): string | null =>
  SAID.find(([words]) => words.test(text))?.[1] ?? null;

/** What a program could not do and what it said of that, with what helps where something ran out. For `fail`. */
export function complaint(what: string, said: string, path: string): [message: string, hint?: string] {
  const code = codeSaid(said);
  const hint = code === null ? undefined : adviceFor(code, path);
  return hint === undefined ? [`${what}: ${said}`] : [`${what}: ${said}`, hint];
}
