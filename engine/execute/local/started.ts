// A started action, however it was started: a way to send it signals, and how it ended.

/** How the process that keeps an action ended; `error` when there never was one. */
export interface StartedEnd {
  readonly error: Error | null;
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What init.pl said of the command, line by line; null where it was started without it. */
  readonly report: string | null;
}

/** Extended attributes that an output had which is a file, by the path that the action was told. */
export interface Stripped {
  readonly path: string;
  readonly names: readonly string[];
}

/** A started action. `ended` never rejects. */
export interface Started {
  readonly ended: Promise<StartedEnd>;
  kill(signal: NodeJS.Signals): void;
}
