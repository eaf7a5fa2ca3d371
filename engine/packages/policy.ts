// The configuration of repositories as part of what they are: what is verified, with which keys, what is left out. A
// snapshot and a closure count only under the configuration that they were made with, a package's file only under one
// that it was verified by. It takes no snapshot and verifies nothing.
import { createHash } from "node:crypto";
import { canonical, toJson } from "../key.js";
import type { PackageRequest } from "../model.js";
import { ok, type Result } from "../problem.js";
import type { Sources } from "../sources/resolve.js";
import type { PackageDriver } from "./driver.js";

/** What holds for the packages of one repository. */
export interface Policy {
  readonly digest: string;
  /** Whether package files are verified one by one. */
  readonly verifies: boolean;
}

/** The policies of one run; each repository's keys are read once. */
export class Policies {
  readonly #known = new Map<string, Promise<Result<Policy>>>();

  constructor(
    private readonly sources: Sources,
    private readonly driver: (name: string) => Promise<PackageDriver>,
  ) {}

  /** What holds for the repository of a request. */
  of({ driver, repo }: Pick<PackageRequest, "driver" | "repo">): Promise<Result<Policy>> {
    const id = `${driver} ${canonical(repo)}`;
    let found = this.#known.get(id);
    if (found === undefined) {
      found = this.#read(driver, repo);
      this.#known.set(id, found);
    }
    return found;
  }

  async #read(name: string, repo: PackageRequest["repo"]): Promise<Result<Policy>> {
    const driver = await this.driver(name);
    const patterns = driver.keyFiles(repo);
    const keys = patterns.length === 0 ? ok([]) : await this.sources.contents(patterns);
    if (!keys.ok) return keys;
    const text = canonical(toJson({ policy: driver.policy(repo), keys: keys.value }));
    return ok({
      digest: createHash("sha256").update(text).digest("hex"),
      verifies: driver.verifies(repo),
    });
  }
}
