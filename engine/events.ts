// The one stream of events that leaves the engine. Terminal, plain log, JSON lines and trace are renderers
// of it; nothing else prints. Times are milliseconds since 1970, durations milliseconds.
import type { Problem } from "./problem.js";
import type { Decision } from "./reason.js";

/** Why an action did not succeed. */
export type Failure =
  | { readonly kind: "exit"; readonly status: number }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "timeout"; readonly seconds: number }
  | { readonly kind: "interrupted" }
  | { readonly kind: "output-missing"; readonly output: string; readonly expected: string }
  | { readonly kind: "wrong-date"; readonly expected: string; readonly found: string }
  | { readonly kind: "guard"; readonly output: string; readonly message: string }
  | { readonly kind: "problem"; readonly problem: Problem };

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
      readonly build: string;
      readonly reason: Decision;
      readonly expected: number | null;
      readonly at: number;
    }
  | { readonly type: "up-to-date"; readonly target: string; readonly at: number }
  | {
      readonly type: "restored";
      readonly target: string;
      readonly outputs: readonly string[];
      readonly reason: Decision;
      readonly at: number;
    }
  | {
      readonly type: "built";
      readonly target: string;
      readonly build: string;
      readonly outputs: readonly string[];
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
      readonly at: number;
    }
  | { readonly type: "waiting"; readonly holder: string; readonly at: number }
  | {
      readonly type: "done";
      readonly built: number;
      readonly restored: number;
      readonly upToDate: number;
      readonly failed: number;
      readonly skipped: number;
      readonly duration: number;
      readonly at: number;
    };

/** Takes events; must not throw. */
export type Emit = (event: BuildEvent) => void;
