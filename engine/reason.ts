// Every reason for which a target is built, restored or left alone: one union, enumerated here.
// Renderers turn it into words (cli/render/reason.ts); nothing else decides on it.

/** A component of the key that differs from the last build's. `before`/`after` are null where it was absent. */
export interface Change {
  /** `input SRC src/a.txt`, `env LANG`, `command`, `package vim`, … */
  readonly component: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** Packages gained, lost and changed in version between two closures. */
export interface PackageChange {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** Why an action has to run. */
export type BuildReason =
  | { readonly kind: "never-built" }
  | {
      readonly kind: "changed";
      readonly changes: readonly Change[];
      readonly packages: readonly PackageChange[];
    }
  | { readonly kind: "input-pending"; readonly targets: readonly string[] }
  | { readonly kind: "not-resolved" }
  | { readonly kind: "failed-before" }
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
  | { readonly kind: "key-known"; readonly from: string; readonly changes: readonly Change[] };

/** What is to be done for one action. */
export type Decision =
  | { readonly kind: "up-to-date" }
  | { readonly kind: "restore"; readonly reason: RestoreReason }
  | { readonly kind: "build"; readonly reason: BuildReason };
