// apt's programs: their environment, and their words.
import { runner, type Ran } from "../run.js";
import { inWords, linesOf } from "../words.js";

/** Runs one of apt's programs. Without `APT_CONFIG` it sees the host's configuration. */
export const run = runner({
  env: { DEBIAN_FRONTEND: "noninteractive" },
  network: ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"],
});

/** apt's own words: its errors and warnings, without their letters. */
export function aptSays(ran: Ran): string {
  const lines = linesOf(ran.stderr).filter((line) => !line.includes("Some index files failed to download"));
  const of = (letter: string): string[] =>
    lines.filter((line) => line.startsWith(`${letter}: `)).map((line) => line.slice(3));
  return inWords(ran, lines, [...of("E"), ...of("W")]);
}
