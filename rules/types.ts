// The types an Imagefile sees: opaque handles, sources and repositories. At run time they are the handles of
// engine/declare.ts; the brands exist only for the compiler.
import type { Handle, SourceHandle } from "../engine/declare.js";

declare const kind: unique symbol;
interface Is<K extends string> {
  readonly [kind]: K;
}

/** One output file. */
export type FileTarget = Is<"file">;
/** A root filesystem, any directory. */
export type TreeTarget = Is<"tree">;
/** The file named by `out`, and the tree inside. */
export type PackedTree = FileTarget & { readonly tree: TreeTarget };
/** A verdict. */
export type CheckTarget = Is<"check">;
export type Target = FileTarget | TreeTarget | CheckTarget;
/** What a named export may be. */
export type Group = Target | { readonly [key: string]: Group };
/** As an input to a rule that wants a tree, a packed tree means its tree. */
export type AnyTree = TreeTarget | PackedTree;
/** With `out` there is a file. */
export type Built<O> = [O] extends [string] ? PackedTree : TreeTarget;
export type Outs<K extends string> = { readonly [P in K]: FileTarget };

/** An input from outside the graph. */
export type Source = Is<"source">;
/** A package list: comments, order and blank lines do not count. */
export type ListSource = Source & { readonly list: true };
/** What a rule may read. */
export type Input = FileTarget | TreeTarget | PackedTree | Source;
declare const lacking: unique symbol;
/** One change to a tree; one action and one layer each. */
export type Step = Is<"step">;
/** One that a package manager has nothing for. */
export type StepBut<D extends string> = Step & { readonly [lacking]: D };
/** Steps for a tree of that package manager; `All` are all of them. */
export type StepsFor<D extends string, All extends string> = readonly (Step & {
  readonly [lacking]?: Exclude<All, D>;
})[];
/** What `project(…)` returns. */
export type Project = Is<"project">;

/** Each architecture with glibc and with musl, as Void names them. */
export type Musl<A extends string> = A | `${A}-musl`;
/** A package repository. The driver fixes the architecture names. */
export interface Repo<D extends string> extends Is<"repo"> {
  readonly driver: D;
}
/** Environment variables and the like. */
export type Vars = Readonly<Record<string, string>>;
/** Bytes. */
export type Size = number | `${number}${"KiB" | "MiB" | "GiB"}`;
/** Package names, list files, or both. */
export type Packages = ListSource | readonly (string | ListSource)[];
/** Whether there is an `out`, which `Built` follows. */
export interface Out<O> {
  out?: O;
}

// One place where the engine's handles become what the compiler knows them as. The brand has no value, so
// a cast is the only way; that the kind fits is the caller's word.

export const asFile = (handle: Handle): FileTarget => handle as unknown as FileTarget;
export const asTree = (handle: Handle): TreeTarget => handle as unknown as TreeTarget;
export const asPacked = (handle: Handle): PackedTree => handle as unknown as PackedTree;
export const asCheck = (handle: Handle): CheckTarget => handle as unknown as CheckTarget;
export const asSource = (handle: SourceHandle): Source => handle as unknown as Source;
export const asList = (handle: SourceHandle): ListSource => handle as unknown as ListSource;

/** A repository's data, as an Imagefile knows it. */
export const asRepo = <D extends string>(repo: { readonly driver: D }): Repo<D> =>
  Object.freeze(repo) as unknown as Repo<D>;

/** Whether a value is the data of a repository of that driver. */
export const isRepoOf =
  <R extends { readonly driver: string }>(driver: R["driver"]) =>
  (value: unknown): value is R =>
    typeof value === "object" && value !== null && "driver" in value && value.driver === driver;
