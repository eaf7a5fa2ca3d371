// What a source comes to: data alone, for those who find it, stage it and put it into keys.
import type { Notice } from "../notice.js";

/** One file of a source. `text` is what is staged where the content is not the file's own bytes. */
export type SourceFile =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly stage: string;
      readonly digest: string;
      readonly executable: boolean;
    }
  /** An empty one. */
  | { readonly kind: "directory"; readonly path: string; readonly stage: string }
  | { readonly kind: "link"; readonly path: string; readonly stage: string; readonly to: string }
  | { readonly kind: "text"; readonly stage: string; readonly text: string; readonly digest: string };

/** A resolved source: files, or the value of an environment variable (null: not set). */
export type ResolvedSource =
  | {
      readonly kind: "files";
      readonly files: readonly SourceFile[];
      /** What links among the files lead to, staged with them; the input's variable does not name it. */
      readonly along: readonly SourceFile[];
      /** What of them does not come along into a tree. */
      readonly dropped: readonly Notice[];
    }
  | { readonly kind: "value"; readonly value: string | null };
