// Which actions start next: the longest remaining chain first, by recorded durations, as far as the
// machine's resources go. Pure bookkeeping: it starts nothing, and time is only ever a number given to it.
import type { Resources } from "./model.js";

/** One piece of work. `expected` is its duration in any unit, 0 where unknown. */
export interface Job {
  readonly id: string;
  readonly deps: readonly string[];
  readonly expected: number;
  readonly resources: Resources;
}

/** What the machine has. `slots` are actions at a time, `cpu` cores, `memory` bytes. */
export interface Limits {
  readonly slots: number;
  readonly cpu: number;
  readonly memory: number;
}

interface Entry {
  readonly job: Job;
  readonly dependents: Entry[];
  waiting: number;
  /** Its own duration and that of the longest chain that waits for it. */
  chain: number;
}

/** Takes jobs in an order in which each comes after what it needs. */
export class Scheduler {
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Map<string, Entry>();
  readonly #used = { cpu: 0, memory: 0, named: new Set<string>() };
  readonly #refused = new Set<string>();
  /** The next one is the last: taking the first of very many moves all others. */
  readonly #ready: Entry[];

  constructor(
    jobs: readonly Job[],
    private readonly limits: Limits,
  ) {
    for (const job of jobs) {
      const entry: Entry = { job, dependents: [], waiting: 0, chain: job.expected };
      for (const dep of job.deps) {
        const before = this.#entries.get(dep);
        if (before === undefined) continue;
        before.dependents.push(entry);
        entry.waiting += 1;
      }
      this.#entries.set(job.id, entry);
    }
    for (const entry of [...this.#entries.values()].reverse()) {
      entry.chain =
        entry.job.expected + entry.dependents.reduce((longest, next) => Math.max(longest, next.chain), 0);
    }
    this.#ready = [...this.#entries.values()]
      .filter(({ waiting }) => waiting === 0)
      .reverse()
      .sort((a, b) => a.chain - b.chain);
  }

  /** The jobs to start now; they count as running. */
  next(): string[] {
    const started: string[] = [];
    const passed: Entry[] = [];
    while (this.#running.size < this.limits.slots) {
      // With all cores taken nothing fits; looking through thousands of ready jobs would only cost time.
      if (this.#running.size > 0 && this.#used.cpu >= this.limits.cpu) break;
      const entry = this.#ready.pop();
      if (entry === undefined) break;
      if (this.#fits(entry.job.resources)) {
        this.#use(entry.job.resources);
        this.#running.set(entry.job.id, entry);
        started.push(entry.job.id);
      } else {
        passed.push(entry);
      }
    }
    for (const entry of passed.reverse()) this.#ready.push(entry);
    return started;
  }

  /** A running job succeeded: what waited for it alone becomes ready. */
  finished(id: string): void {
    const entry = this.#stop(id);
    for (const next of entry.dependents) {
      next.waiting -= 1;
      if (next.waiting === 0) this.#insert(next);
    }
  }

  /** A running job failed: it and all that needs it are dropped. Returns those others. */
  failed(id: string): string[] {
    return this.#drop(this.#stop(id));
  }

  /** A job is not to be tried: the same, before it has started. */
  refused(id: string): string[] {
    const entry = this.#entries.get(id);
    if (entry === undefined) return [];
    this.#refused.add(id);
    const at = this.#ready.indexOf(entry);
    if (at >= 0) this.#ready.splice(at, 1);
    return this.#drop(entry);
  }

  /** All that needs a job which will not succeed. */
  #drop(from: Entry): string[] {
    const dropped = new Set<string>();
    const drop = (entry: Entry): void => {
      for (const next of entry.dependents) {
        if (dropped.has(next.job.id)) continue;
        dropped.add(next.job.id);
        drop(next);
      }
    };
    drop(from);
    return [...dropped];
  }

  /** Whether nothing runs. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  #stop(id: string): Entry {
    const entry = this.#running.get(id);
    if (entry === undefined) throw new Error(`${id} is not running`);
    this.#running.delete(id);
    this.#used.cpu -= this.#cpu(entry.job.resources);
    this.#used.memory -= entry.job.resources.memory;
    for (const name of entry.job.resources.named) this.#used.named.delete(name);
    return entry;
  }

  /** One that wants more than there is runs alone, rather than never. */
  #fits(want: Resources): boolean {
    if (want.named.some((name) => this.#used.named.has(name))) return false;
    if (this.#running.size === 0) return true;
    return (
      this.#used.cpu + this.#cpu(want) <= this.limits.cpu &&
      this.#used.memory + want.memory <= this.limits.memory
    );
  }

  #use(want: Resources): void {
    this.#used.cpu += this.#cpu(want);
    this.#used.memory += want.memory;
    for (const name of want.named) this.#used.named.add(name);
  }

  #cpu(want: Resources): number {
    return Math.min(want.cpu, this.limits.cpu);
  }

  /** Longest chain first; among equals, the order given. */
  #insert(entry: Entry): void {
    if (this.#refused.has(entry.job.id)) return;
    let [low, high] = [0, this.#ready.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ready[middle]?.chain ?? 0) < entry.chain) low = middle + 1;
      else high = middle;
    }
    this.#ready.splice(low, 0, entry);
  }
}
