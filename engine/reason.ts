// Every reason for which a target is built, restored or left alone, or fails: unions, enumerated here.
// Renderers turn it into words (cli/render/reason.ts); nothing else decides on it.
import type { Obstacle } from "./obstacles.js";
import type { Problem } from "./problem.js";

/** A component of the key that differs from what is published. `before`/`after` are null where it was absent. */
export interface Change {
  /** `input SRC src/a.txt`, `env LANG`, `command`, `package vim`, … */
  readonly component: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** A package gained, lost, in another version, or built again in the same one (`before` and `after` are equal). */
export interface PackageChange {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** What differs between two builds. */
export interface Differences {
  readonly changes: readonly Change[];
  readonly packages: readonly PackageChange[];
}

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

/** Why an action has to run. */
export type BuildReason =
  | { readonly kind: "never-built" }
  | ({ readonly kind: "changed" } & Differences)
  /** A step that was put in: what had its name is `now` another. */
  | { readonly kind: "inserted"; readonly rule: string; readonly now: string }
  | { readonly kind: "input-pending"; readonly targets: readonly string[] }
  | { readonly kind: "not-resolved" }
  /** Its packages were not verified as their repository's configuration asks for now. */
  | { readonly kind: "unchecked" }
  /** What it asks for cannot be had, or its repository cannot be reached. */
  | { readonly kind: "unresolvable"; readonly problem: Obstacle }
  /** Nothing has changed since it failed. `since`: what differs from what is published, null where nothing is. */
  | {
      readonly kind: "failed-before";
      readonly failure: Failure | null;
      readonly at: string;
      readonly log: string | null;
      readonly since: Differences | null;
    }
  | { readonly kind: "artifact-lost"; readonly target: string }
  /** A person's failing verdict on what the key stands for. */
  | { readonly kind: "rejected"; readonly target: string; readonly because: string }
  /** What a person brought for it was brought for other sources, or under other rules for keys. */
  | { readonly kind: "adopted-otherwise"; readonly target: string; readonly because: string }
  | { readonly kind: "forced" };

/** Why a link has to be made although nothing has to run. */
export type RestoreReason =
  | { readonly kind: "missing"; readonly path: string }
  | { readonly kind: "edited"; readonly path: string }
  | { readonly kind: "new-name"; readonly path: string }
  /** Another machine made it: `cache` is where it is taken from, `at` when it was made (ISO). */
  | { readonly kind: "shared"; readonly cache: string; readonly machine: string; readonly at: string }
  | { readonly kind: "key-known"; readonly from: string; readonly changes: readonly Change[] };

/** What is to be done for one action. */
export type Decision =
  | { readonly kind: "up-to-date" }
  | { readonly kind: "restore"; readonly reason: RestoreReason }
  | { readonly kind: "build"; readonly reason: BuildReason };
