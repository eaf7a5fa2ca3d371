// Listens to what makes every evaluation another one: the clock, random numbers, the network, other processes, what the
// machine and the caller are. What is typed is one of them. And to the working directory, the time zone and the language,
// which are reads like any other.
import childProcess from "node:child_process";
import crypto from "node:crypto";
import dgram from "node:dgram";
import dns from "node:dns";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import { performance } from "node:perf_hooks";
import tty from "node:tty";
import workers from "node:worker_threads";
import { calledByNode } from "./frames.js";
import { listen, listenToProperty, replace, type Undo } from "./patch.js";
import { recorder } from "./record.js";
import { INPUT, MACHINE } from "./track-files.js";

/** Functions whose use means that an evaluation cannot be reused. */
interface Uses {
  readonly kind: string;
  readonly on: object;
  readonly names: readonly string[];
  /** What comes before the name in the message. */
  readonly prefix?: string;
}

const CLOCK = "the clock";
const RANDOM = "random numbers";
const NETWORK = "the network";
const CHILD = "a child process";
const CALLER = "the caller";

const CRYPTO = [
  ...["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID", "getRandomValues"],
  ...[
    "generateKey",
    "generateKeySync",
    "generateKeyPair",
    "generateKeyPairSync",
    "generatePrime",
    "generatePrimeSync",
  ],
];
const OF_MACHINE =
  "hostname networkInterfaces cpus availableParallelism loadavg totalmem freemem release version machine".split(
    " ",
  );
const OF_CALLER = "getuid geteuid getgid getegid getgroups umask".split(" ");
const OF_PROCESS = "memoryUsage resourceUsage cpuUsage availableMemory constrainedMemory".split(" ");

const SPAWN = ["spawn", "spawnSync", "exec", "execSync", "execFile", "execFileSync", "fork"];

/** Every way of asking a name server. */
const questions = (on: object): string[] =>
  Object.keys(on).filter((name) => /^(?:lookup|resolve|reverse)/.test(name));

const table = (): readonly Uses[] => [
  { kind: CLOCK, on: Date, names: ["now"], prefix: "Date." },
  { kind: CLOCK, on: performance, names: ["now"], prefix: "performance." },
  { kind: CLOCK, on: process.hrtime, names: ["bigint"], prefix: "process.hrtime." },
  { kind: CLOCK, on: process, names: ["hrtime", "uptime"], prefix: "process." },
  { kind: CLOCK, on: os, names: ["uptime"], prefix: "os." },
  { kind: MACHINE, on: os, names: OF_MACHINE, prefix: "os." },
  { kind: MACHINE, on: fs, names: ["statfs", "statfsSync"], prefix: "fs." },
  { kind: MACHINE, on: fs.promises, names: ["statfs"], prefix: "fs." },
  { kind: MACHINE, on: process, names: OF_PROCESS, prefix: "process." },
  { kind: CALLER, on: os, names: ["userInfo"], prefix: "os." },
  { kind: CALLER, on: process, names: OF_CALLER, prefix: "process." },
  { kind: CALLER, on: tty, names: ["isatty"], prefix: "tty." },
  { kind: RANDOM, on: Math, names: ["random"], prefix: "Math." },
  { kind: RANDOM, on: crypto, names: CRYPTO, prefix: "crypto." },
  { kind: RANDOM, on: crypto.webcrypto, names: ["getRandomValues", "randomUUID"], prefix: "crypto." },
  // Everything over TCP and local sockets ends here, http among it.
  { kind: NETWORK, on: net.Socket.prototype, names: ["connect"], prefix: "net." },
  { kind: NETWORK, on: net.Server.prototype, names: ["listen"], prefix: "net." },
  { kind: NETWORK, on: dgram, names: ["createSocket"], prefix: "dgram." },
  { kind: NETWORK, on: dns, names: questions(dns), prefix: "dns." },
  { kind: NETWORK, on: dns.promises, names: questions(dns.promises), prefix: "dns." },
  { kind: NETWORK, on: globalThis, names: ["fetch", "WebSocket"] },
  { kind: CHILD, on: childProcess, names: SPAWN },
  { kind: "a worker thread", on: workers, names: ["Worker"] },
  // Walks directories out of sight. `files` is the way.
  { kind: "a glob", on: fs, names: ["glob", "globSync"], prefix: "fs." },
  { kind: "a glob", on: fs.promises, names: ["glob"], prefix: "fs." },
];

/** Records uses by kind, name and place. */
export function watchCircumstance(undos: Undo[]): void {
  for (const { kind, on, names, prefix = "" } of table()) {
    for (const name of names) {
      undos.push(listen(on, name, () => recorder()?.uses(kind, prefix + name)));
    }
  }
  watchDate(undos);
  watchInput(undos);
  watchCall(undos);
  undos.push(listen(process, "cwd", () => recorder()?.workingDirectory()));
  // It looks there itself, not through process.env.
  undos.push(listen(os, "homedir", () => noteVariables("HOME")));
  undos.push(listen(os, "tmpdir", () => noteVariables("TMPDIR", "TMP", "TEMP")));
  for (const [on, names] of SPOKEN()) {
    for (const name of names)
      undos.push(listen(on, name, () => noteVariables("TZ", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")));
  }
}

function noteVariables(...names: readonly string[]): void {
  for (const name of names) recorder()?.variable(name, process.env[name]);
}

/** What speaks the caller's language, or has its order of letters; dates in words are in its time zone. */
const SPOKEN = (): readonly (readonly [on: object, names: readonly string[]])[] => [
  [String.prototype, ["localeCompare", "toLocaleUpperCase", "toLocaleLowerCase"]],
  ...[Number, BigInt, Array].map(({ prototype }) => [prototype, ["toLocaleString"]] as const),
  [Date.prototype, ["toLocaleString", "toLocaleDateString", "toLocaleTimeString"]],
  [Intl, Object.getOwnPropertyNames(Intl).filter((name) => /^[A-Z]/.test(name) && name !== "Locale")],
];

/** `new Date()` and `Date()` read the clock; `new Date(0)` does not. */
function watchDate(undos: Undo[]): void {
  undos.push(
    listen(globalThis, "Date", (args, isNew) => {
      noteVariables("TZ");
      if (!isNew) recorder()?.uses(CLOCK, "Date()");
      else if (args.length === 0) recorder()?.uses(CLOCK, "new Date()");
    }),
  );
  // So that `date.constructor === Date` still holds.
  undos.push(replace(Date.prototype, "constructor", Date));
}

/** The stream, and what reads by number; what reads by name is listened to already. */
function watchInput(undos: Undo[]): void {
  for (const name of ["read", "readSync", "readv", "readvSync"])
    undos.push(listen(fs, name, ([from]) => from === 0 && recorder()?.uses(INPUT, `fs.${name}`)));
  undos.push(listenToProperty(process, "stdin", () => recorder()?.uses(INPUT, "process.stdin")));
}

/** The words that imagemake was called with, and the terminal. Node's own look at both for itself. */
function watchCall(undos: Undo[]): void {
  const properties = [
    [process, "process", ["argv", "argv0", "execArgv"]],
    [process.stdout, "process.stdout", TERMINAL],
    [process.stderr, "process.stderr", TERMINAL],
  ] as const;
  for (const [on, called, names] of properties)
    for (const name of names)
      undos.push(
        listenToProperty(on, name, () => {
          if (!calledByNode()) recorder()?.uses(CALLER, `${called}.${name}`);
        }),
      );
}

const TERMINAL = ["isTTY", "columns", "rows", "getWindowSize", "getColorDepth", "hasColors"];
