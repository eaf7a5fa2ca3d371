// Everything a decision rested on, collected while deciding: while none of it has changed, a later run need not decide
// again (quick.ts, known.ts). It holds data only.
import type { Stamp } from "../../cache/index.js";

/** What was looked at for one source. `null` is a thing that was not there. */
export class Grounds {
  readonly files = new Map<string, Stamp | null>();
  /** Symlinks, looked at as they are. */
  readonly links = new Map<string, Stamp>();
  /** No later look can confirm it: something was too fresh to be believed, or a command said it. */
  doubtful = false;
  /** There is something to say of it in each run. */
  told = false;

  file(path: string, stamp: Stamp | null): void {
    this.files.set(path, stamp);
  }
}

/** The same for a whole run: what is no single source's, and what was found out beside files. */
export class Facts extends Grounds {
  readonly env = new Map<string, string | null>();
}
