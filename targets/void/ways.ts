// The two ways to build Void's release, each a table of one function a kind of artifact.
import { xbps } from "../../rules/xbps.js";
import { files } from "../../rules/sources.js";
import type { Password } from "../../rules/steps/users.js";
import { distributionOf } from "../../rules/distributions.js";
import type { Repo } from "../../rules/types.js";
import * as matrix from "./matrix.js";
import type { More } from "./more.js";
import { native } from "./native.js";
import type { Release } from "./release.js";
import { Scripts } from "./scripts.js";

export const WAYS = ["native", "scripts"] as const;
export type Way = (typeof WAYS)[number];

/** What both ways are told. */
export interface VoidConfig {
  readonly mklive: string;
  readonly reads: readonly string[];
  readonly release: Release;
  readonly revision: string;
  readonly more: More;
  /** Of root file systems; the scripts set DOCUMENTED themselves and know no other. */
  readonly rootPassword: Password;
}

/**
 * The password that Void documents for root, "voidlinux", as mkrootfs.sh sets it; the salt is constant, so that two
 * builds are the same. Everybody knows it: whoever does not want it in an image says so (`rootPassword`).
 */
export const DOCUMENTED: Password = {
  hash: "$6$voidlinux$BO7DcnHzNRbwd7FDDgoRbfoDnNgvv1Nyjm3LovBwtsm6Lj6jxpZsDKCCH2sr4hD6OYHVQAbnSwI0ThvCnaUL8.",
};

/** The makers of one way. */
export function makers(way: Way, { rootPassword, ...config }: VoidConfig): matrix.Makers {
  const { mklive, release } = config;
  const [first = matrix.REPOSITORY, ...others] = release.repositories;
  const repo: Repo<"xbps"> = xbps(others.length === 0 ? first : [first, ...others], {
    keys: files("keys/*.plist", { from: mklive }),
  });
  // A release knows one repository of a name, so both ways describe it alike.
  const { repo: request } = distributionOf("xbps").lineage(repo, matrix.ARCHS[0] ?? "i686", {});
  const told = { ...config, repo: request };
  const scripts = new Scripts(told);
  return way === "scripts" ? scripts : native(repo, told, scripts, rootPassword);
}
