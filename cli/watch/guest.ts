// The guest of `watch --boot`: started with what was built, and started again when that has changed. It is `imagemake boot`
// in a process of its own, without the keyboard.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../../cache/installed.js";
import type { Session } from "../../engine/build/session.js";
import type { Emit } from "../../engine/events.js";
import type { TargetId } from "../../engine/model.js";
import { ok, type Result } from "../../engine/problem.js";
import type { Call } from "../call.js";
import type { Opened } from "../open.js";
import { select } from "../select.js";

const MAIN = fileURLToPath(new URL("dist/run/imagemake.js", PACKAGE));

/** One guest at a time. */
export class Guest {
  #inputs: readonly TargetId[] = [];
  #shown: string | null = null;
  #child: ChildProcess | null = null;

  constructor(
    private readonly call: Call<"watch">,
    private readonly target: string,
    private readonly emit: Emit,
  ) {}

  /** What it is started from, which has to be built. */
  async inputs({ graph }: Opened): Promise<Result<readonly TargetId[]>> {
    const rules = await import("../../rules/guest.js");
    const selection = select(graph, [this.target]);
    if (!selection.ok) return selection;
    const guest = rules.guestOf(graph, selection.value.targets[0] ?? this.target);
    if (!guest.ok) return guest;
    this.#inputs = Object.values(guest.value.inputs);
    return ok(this.#inputs);
  }

  /** Starts it, unless what it was started from is what there is now. */
  async show({ decider }: Session): Promise<void> {
    const now = JSON.stringify(this.#inputs.map((id) => decider.artifactOf(id)));
    if (now === this.#shown) return;
    this.#shown = now;
    await this.end();
    const { options, args } = this.call;
    const words = [
      ...["-C", options.directory ?? ".", "-f", options.file ?? "Imagefile.ts"],
      // What was built is of this release, and counts for who does not isolate alone.
      ...(options.release === undefined ? [] : ["--release", options.release]),
      ...(options.isolation ? [] : ["--no-isolation"]),
      ...["boot", this.target, ...Object.entries(args).map(([name, value]) => `${name}=${value}`)],
    ];
    const stdout = options.progress === "json" ? 2 : 1;
    // Its own group: Ctrl-C is ours to pass on.
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ["ignore", stdout, 2], detached: true });
    this.#child = child;
    this.#tell("started", null);
    child.once("close", (status) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.#tell("ended", status);
    });
  }

  /** Ends it. */
  async end(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const closed = once(child, "close");
    child.kill("SIGTERM");
    await closed;
    this.#tell("stopped", null);
  }

  #tell(state: "started" | "stopped" | "ended", status: number | null): void {
    this.emit({ type: "guest", target: this.target, state, status, at: Date.now() });
  }
}
