// The one stream of events that leaves the engine. Terminal, plain log, JSON lines and trace are renderers
// of it; nothing else prints. Times are milliseconds since 1970, durations milliseconds.
import type { Problem } from "./problem.js";
import type { Decision, Failure } from "./reason.js";

/** What the engine says while it works. `target` is an action's id. */
export type BuildEvent =
  | {
      readonly type: "release";
      readonly datecode: string;
      readonly opened: number;
      readonly joined: boolean;
      readonly explicit: boolean;
      readonly at: number;
    }
  | {
      readonly type: "plan";
      readonly decisions: readonly {
        readonly target: string;
        /** Actions of one rule are alike, as far as time goes. */
        readonly rule: string;
        readonly decision: Decision;
        readonly expected: number | null;
      }[];
      readonly at: number;
    }
  | {
      readonly type: "phase";
      readonly phase: "snapshot" | "resolve" | "fetch";
      readonly detail: string;
      readonly at: number;
    }
  | {
      readonly type: "started";
      readonly target: string;
      readonly rule: string;
      readonly build: string;
      readonly reason: Decision;
      readonly expected: number | null;
      /** The file that what it says goes to. */
      readonly log: string;
      readonly at: number;
    }
  | { readonly type: "up-to-date"; readonly target: string; readonly at: number }
  | {
      readonly type: "restored";
      readonly target: string;
      readonly outputs: readonly string[];
      /** Of each of them, in bytes. */
      readonly sizes: readonly number[];
      readonly reason: Decision;
      readonly at: number;
    }
  | {
      readonly type: "built";
      readonly target: string;
      readonly build: string;
      readonly outputs: readonly string[];
      /** Of each of them, in bytes. */
      readonly sizes: readonly number[];
      readonly digests: readonly string[];
      readonly duration: number;
      readonly at: number;
    }
  | {
      readonly type: "failed";
      readonly target: string;
      readonly build: string | null;
      readonly failure: Failure;
      readonly log: string | null;
      readonly tail: readonly string[];
      readonly command: string | null;
      readonly duration: number;
      readonly at: number;
    }
  | { readonly type: "skipped"; readonly target: string; readonly because: string; readonly at: number }
  | {
      readonly type: "notice";
      readonly level: "info" | "warning";
      readonly message: string;
      /** The same with every name, where the message leaves some out. */
      readonly all?: string;
      readonly at: number;
    }
  | { readonly type: "waiting"; readonly holder: string; readonly at: number }
  /** `watch`: these inputs changed, and what runs on one of them is stopped and begun anew. */
  | {
      readonly type: "changed";
      readonly paths: readonly string[];
      readonly stopped: readonly string[];
      readonly at: number;
    }
  /** `watch`: what a change came to, after `done`. */
  | {
      readonly type: "rebuilt";
      readonly paths: readonly string[];
      readonly built: readonly string[];
      readonly restored: readonly string[];
      readonly failed: readonly string[];
      /** Since the change was noticed. */
      readonly duration: number;
      readonly at: number;
    }
  /** `watch`: nothing can be built until something changes. */
  | { readonly type: "blocked"; readonly problem: Problem; readonly at: number }
  /** `watch`: all is said, and nothing happens until one of so many inputs changes. */
  | { readonly type: "watching"; readonly inputs: number; readonly at: number }
  /** `watch --boot`: the guest. `status` is that of a guest that ended by itself. */
  | {
      readonly type: "guest";
      readonly target: string;
      readonly state: "started" | "stopped" | "ended";
      readonly status: number | null;
      readonly at: number;
    }
  | {
      readonly type: "done";
      readonly built: number;
      readonly restored: number;
      /** Of those restored, how many came from a shared cache; not there without one. */
      readonly taken?: number;
      readonly upToDate: number;
      readonly failed: number;
      readonly skipped: number;
      /** False with --no-isolation. */
      readonly isolated: boolean;
      readonly duration: number;
      readonly at: number;
    };

/** Takes events; must not throw. */
export type Emit = (event: BuildEvent) => void;
