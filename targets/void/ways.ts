// The two ways to build Void's release, each a table of one function a kind of artifact.
import { xbps } from "../../rules/xbps.js";
import { files } from "../../rules/sources.js";
import type { Password } from "../../rules/steps/users.js";
import { distributionOf } from "../../rules/distributions.js";
import type { Repo } from "../../rules/types.js";
import * as matrix from "./matrix.js";
import { native } from "./native.js";
import { Scripts } from "./scripts.js";

export const WAYS = ["native", "scripts"] as const;
export type Way = (typeof WAYS)[number];

/** What both ways are told. */
export interface VoidConfig {
  readonly mklive: string;
  readonly repository: string;
  readonly revision: string;
  readonly livePlatforms: readonly string[];
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
export function makers(way: Way, config: VoidConfig): matrix.Makers {
  const { mklive, revision, livePlatforms, rootPassword } = config;
  const repo: Repo<"xbps"> = xbps(config.repository, { keys: files("keys/*.plist", { from: mklive }) });
  // A release knows one repository of a name, so both ways describe it alike.
  const { repo: request } = distributionOf("xbps").lineage(repo, matrix.ARCHS[0] ?? "i686", undefined);
  const scripts = new Scripts({ mklive, revision, livePlatforms, repo: request });
  return way === "scripts" ? scripts : native(repo, mklive, scripts, rootPassword);
}
