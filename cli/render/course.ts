// What becomes of a plan, gathered from events: what its last line counts, and what later lines say of earlier ones.
import type { BuildEvent } from "../../engine/events.js";
import { counted, formatBytes, formatDuration } from "./numbers.js";
import { pad, widthOf } from "./columns.js";
import { fromHere } from "./failed.js";
import { summaryLine } from "./summary.js";
import { visible } from "./visible.js";

/** So many files are named at the end; of more the others are counted. */
const NAMED = 8;

/** So many of the slowest actions are named. */
const SLOWEST = 3;

/** A file that this run linked into out/. Size in bytes; milliseconds, null for one that was not made now. */
interface Linked {
  readonly path: string;
  readonly size: number;
  readonly took: number | null;
}

/** The course of one run. */
export class Course {
  readonly #planned = new Set<string>();
  /** Planned, and not over. */
  readonly #left = new Set<string>();
  readonly #failed: string[] = [];
  /** Failed because the user interrupted. */
  #stopped = 0;
  readonly #linked: Linked[] = [];
  readonly #took: { readonly target: string; readonly took: number }[] = [];
  /** What actions were expected to take that are restored. */
  readonly #expected = new Map<string, number>();
  #saved = 0;
  /** What failed or was skipped, and which of the two. */
  readonly #ended = new Map<string, string>();

  /** Takes the next event. */
  note(event: BuildEvent): void {
    switch (event.type) {
      case "plan":
        for (const planned of event.decisions) {
          const { target, decision } = planned;
          if (decision.kind === "up-to-date") continue;
          if (decision.kind === "restore" && planned.expected !== null)
            this.#expected.set(target, planned.expected);
          this.#planned.add(target);
          this.#left.add(target);
        }
        break;
      case "up-to-date":
        this.#left.delete(event.target);
        break;
      case "restored":
        this.#left.delete(event.target);
        this.#saved += this.#expected.get(event.target) ?? 0;
        this.#link(event, null);
        break;
      case "built":
        this.#left.delete(event.target);
        this.#took.push({ target: event.target, took: event.duration });
        this.#link(event, event.duration);
        break;
      case "failed":
        this.#left.delete(event.target);
        this.#ended.set(event.target, "failed");
        if (event.failure.kind === "interrupted") this.#stopped += 1;
        else this.#failed.push(visible(event.target));
        break;
      case "skipped":
        this.#left.delete(event.target);
        this.#ended.set(event.target, "was skipped");
        break;
    }
  }

  /** Whether anything is to be done. */
  get isPlanned(): boolean {
    return this.#planned.size > 0;
  }

  /** Whether this was to be made: up to date it is news then. */
  hasPlanned(target: string): boolean {
    return this.#planned.has(target);
  }

  /** Why an action was not tried: where `because` is the id of a failed or skipped one, that is said. */
  skippedBecause(because: string): string {
    const how = this.#ended.get(because);
    return how === undefined ? visible(because) : `${visible(because)} ${how}`;
  }

  /** The last lines: what came of it, and where that is. */
  ending(done: Extract<BuildEvent, { type: "done" }>, cwd: string, verbose: boolean): string[] {
    const lines = [summaryLine(done, this.#failed, this.#stopped, this.#left.size), ...this.#files(cwd)];
    if (this.#saved >= 1000) lines.push(`  ${formatDuration(this.#saved)} of work was not done again`);
    if (verbose && this.#took.length > 1) {
      const slowest = this.#took.toSorted((a, b) => b.took - a.took).slice(0, SLOWEST);
      lines.push(
        `  slowest: ${slowest.map(({ target, took }) => `${visible(target)} ${formatDuration(took)}`).join(", ")}`,
      );
    }
    return lines;
  }

  #link(
    { outputs, sizes }: Pick<Extract<BuildEvent, { type: "built" }>, "outputs" | "sizes">,
    took: number | null,
  ): void {
    for (const [at, path] of outputs.entries()) this.#linked.push({ path, size: sizes[at] ?? 0, took });
  }

  /** The files, aligned. */
  #files(cwd: string): string[] {
    const shown = this.#linked.length > NAMED ? this.#linked.slice(0, NAMED - 1) : this.#linked;
    const rest = this.#linked.slice(shown.length);
    const rows = shown.map(({ path, size, took }) => [
      visible(fromHere(path, cwd)),
      formatBytes(size),
      took === null ? "" : formatDuration(took),
    ]);
    const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => widthOf(row[column] ?? ""))));
    const lines = rows.map(([path = "", size = "", took = ""]) =>
      `  ${pad(path, widths[0] ?? 0)}  ${pad(size, widths[1] ?? 0, "right")}  ${took}`.trimEnd(),
    );
    if (rest.length > 0)
      lines.push(
        `  and ${counted(rest.length, "file")} more, ${formatBytes(rest.reduce((sum, { size }) => sum + size, 0))}`,
      );
    return lines;
  }
}
