// What the host's own apt knows that a private one needs: the mirror of a suite, and how it reaches the
// network. It changes nothing on the host.
import { existsSync, readFileSync } from "node:fs";
import { Exit, fail, ok, type Result } from "../../../engine/problem.js";
import type { DriverContext, SnapshotContext } from "../../../engine/packages/driver.js";
import { addressOf, type AptSource } from "./repository.js";
import { aptSays, run } from "./run.js";

/** Where the host gets a suite from. */
export interface HostMirror {
  readonly url: string;
  /** Text of the `Signed-By` field or option of the host's source; null where it has none. */
  readonly signedBy: string | null;
}

const FORMAT = "$(RELEASE)\t$(CODENAME)\t$(SUITE)\t$(REPO_URI)\t$(SOURCESENTRY)";

/** The address of a source on this machine: `host` is looked up, directories are the Imagefile's. */
export async function placed(source: AptSource, context: SnapshotContext): Promise<Result<HostMirror>> {
  if (source.url === "host") return hostMirror(source.suite, context);
  const whole = addressOf(source, context.base);
  return whole.ok ? ok({ url: whole.value, signedBy: null }) : whole;
}

/** The mirror of `suite` (as the host's sources write it, its codename or its suite name), asked of apt itself. */
async function hostMirror(suite: string, context: DriverContext): Promise<Result<HostMirror>> {
  const ask = (options: readonly string[]) =>
    run(["apt-get", "indextargets", ...options, "--format", FORMAT, "Created-By: Packages"], context, {
      cwd: "/",
    });
  // The sources alone know the suites as they are written; only lists that were fetched know codenames, and
  // to read those takes apt a second.
  const usable: string[][] = [];
  let row: string[] | undefined;
  for (const options of [["--no-release-info", "-o", "Dir::State::lists=/nonexistent"], []]) {
    const ran = await ask(options);
    if (!ran.ok) return ran;
    if (ran.value.status !== 0)
      return fail(Exit.environment, `the host's apt is broken: ${aptSays(ran.value)}`);
    const rows = ran.value.stdout.split("\n").map((line) => line.split("\t"));
    usable.push(...rows.filter((one) => one[3] !== undefined && !one[3].startsWith("cdrom:")));
    row = [0, 1, 2].map((field) => usable.find((one) => one[field] === suite)).find(Boolean);
    if (row !== undefined) break;
  }
  if (row === undefined) {
    const known = [...new Set(usable.map((one) => one[0]))].join(", ");
    return fail(
      Exit.environment,
      `the host's apt has no suite ${suite} (${known === "" ? "it has no source at all" : `it has ${known}`})`,
      "give the mirror's address as url",
    );
  }
  return ok({ url: row[3] ?? "", signedBy: signedBy(row[4] ?? "") });
}

/** `Signed-By` of a source, by apt's name for it: `<file>:<line>`, in deb822 files `<file>:<stanza>`. */
function signedBy(entry: string): string | null {
  const at = /^(.*):(\d+)$/.exec(entry);
  const file = at?.[1];
  if (file === undefined || !existsSync(file)) return null;
  const text = readFileSync(file, "utf8");
  const number = Number(at?.[2]);
  if (file.endsWith(".list")) {
    return /[[\s]signed-by=([^\]\s]+)/i.exec(text.split("\n")[number - 1] ?? "")?.[1] ?? null;
  }
  const plain = text.replace(/^#.*\n?/gm, "");
  const stanza = plain.split(/\n\s*\n/).filter((one) => one.trim() !== "")[number - 1];
  return /^Signed-By:(.*(?:\n[ \t].*)*)/im.exec(stanza ?? "")?.[1] ?? null;
}

/** Settings about reaching mirrors and about clocks; none that would weaken what must be signed. */
const KEPT =
  /^Acquire::(?:https?|ftp|mirror|Check-Valid-Until|Check-Date|Max-FutureTime|(?:Max|Min)-ValidTime|Retries|ForceIPv[46]|EnableSrvRecords|Queue-Host-Limit)(?:::| )/i;

/** The host's network settings as lines of apt.conf: proxies, certificates, passwords. */
export async function networkSettings(context: DriverContext): Promise<Result<string>> {
  const ran = await run(["apt-config", "dump"], context, { cwd: "/" });
  if (!ran.ok) return ran;
  if (ran.value.status !== 0)
    return fail(Exit.environment, `the host's apt is broken: ${aptSays(ran.value)}`);
  const lines = ran.value.stdout.split("\n").filter((line) => KEPT.test(line));
  if (!lines.some((line) => /^Acquire::Retries /i.test(line))) lines.push(`Acquire::Retries "3";`);
  const settings: readonly (readonly [string, string])[] = [
    ["netrc", "/etc/apt/auth.conf"],
    ["netrcparts", "/etc/apt/auth.conf.d"],
  ];
  for (const [setting, path] of settings) {
    lines.push(`Dir::Etc::${setting} "${existsSync(path) ? path : "/dev/null"}";`);
  }
  return ok(`${lines.join("\n")}\n`);
}
