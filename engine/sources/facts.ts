// Everything a decision rested on, collected while deciding: if none of it has changed, a later run need
// not decide again (quick.ts). It holds data only.
import type { Stamp } from "../../cache/index.js";

/** What was looked at. `null` is a thing that was not there. */
export class Facts {
  readonly files = new Map<string, Stamp | null>();
  /** Symlinks, looked at as they are. */
  readonly links = new Map<string, Stamp>();
  readonly env = new Map<string, string | null>();
  /** Commands whose output is an input, with the digest of that output. */
  readonly probes: { readonly argv: readonly string[]; readonly digest: string }[] = [];
  /** Something was too fresh to be believed next time: the next run decides again. */
  racy = false;

  file(path: string, stamp: Stamp | null): void {
    this.files.set(path, stamp);
  }
}
