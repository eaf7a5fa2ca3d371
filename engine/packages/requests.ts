// What package requests ask for, as digests, and what their repositories are called. It resolves nothing.
import { createHash } from "node:crypto";
import { canonical, toJson } from "../key.js";
import type { Action, PackageRequest } from "../model.js";
import { fail, ok, type Result } from "../problem.js";
import { closureDigest } from "./closure.js";
import type { Package, PackageDriver } from "./driver.js";
import type { Policy } from "./policy.js";

/** What is asked for, without the snapshot: while this is the same, a pinned answer stands. */
export function requestDigest(
  { driver, repo, arch, options }: PackageRequest,
  { repositoryName }: Pick<PackageDriver, "repositoryName">,
  policy: Policy,
  names: readonly string[],
  on: readonly Package[],
): string {
  const asked = {
    ...{ driver, repository: repositoryName(repo), policy: policy.digest, arch, options },
    want: [...new Set(names)].sort(),
    on: closureDigest(on),
  };
  return createHash("sha256")
    .update(canonical(toJson(asked)))
    .digest("hex");
}

/** A release has one snapshot under a name, so two repositories of one name cannot be told apart. */
export async function distinctNames(
  actions: readonly Action[],
  nameOf: (asked: PackageRequest) => Promise<string>,
): Promise<Result<void>> {
  const seen = new Map<string, { readonly repo: string; readonly action: Action }>();
  for (const action of actions) {
    if (action.packages === null) continue;
    const name = await nameOf(action.packages);
    const repo = canonical(action.packages.repo);
    const other = seen.get(name);
    if (other !== undefined && other.repo !== repo) {
      return fail(
        2,
        `${action.at}: ${other.action.id} and ${action.id} take packages from different repositories that are both called ${name}`,
        "within an Imagefile a suite with its components is one repository: give it one address and one set of keys",
      );
    }
    seen.set(name, { repo, action });
  }
  return ok(undefined);
}
