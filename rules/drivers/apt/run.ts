// apt's programs: their environment, and their words.
import { ACTION_PATH } from "../../../engine/tools.js";
import { runner, type Ran } from "../run.js";

/** The package that has each program. */
const PACKAGE: Readonly<Record<string, string>> = { "apt-ftparchive": "apt-utils" };

/** Runs one of apt's programs. Without `APT_CONFIG` it sees the host's configuration. */
export const run = runner({
  env: {
    PATH: ACTION_PATH,
    LC_ALL: "C.UTF-8",
    DEBIAN_FRONTEND: "noninteractive",
  },
  network: ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"],
  tool: (name) => ({ name, package: PACKAGE[name] ?? "apt" }),
});

/** apt's own words: its errors and warnings, without their letters, on one line. */
export function aptSays(ran: Ran): string {
  const lines = ran.stderr
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => !line.includes("Some index files failed to download"));
  const of = (letter: string): string[] =>
    lines.filter((line) => line.startsWith(`${letter}: `)).map((line) => line.slice(3));
  const words = [...of("E"), ...of("W")];
  const said = words.length > 0 ? words : lines.filter((line) => line !== "").slice(-3);
  return said.length > 0 ? [...new Set(said)].join("; ") : `status ${ran.status}`;
}
