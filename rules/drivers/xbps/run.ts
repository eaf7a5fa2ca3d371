// xbps's programs (and tar, which reads their archives): their environment, and their words.
import { runner, type Ran } from "../run.js";
import { inWords, linesOf } from "../words.js";

/** Runs one of xbps's programs, or tar. */
export const run = runner({
  env: { LC_ALL: "C" },
  // libfetch reads them.
  network: ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CA_CERT_FILE", "SSL_CA_CERT_PATH"],
});

/** xbps's own words: its errors, without colours and the letters before them. */
export function xbpsSays(ran: Ran): string {
  const lines = linesOf(`${ran.stdout}\n${ran.stderr}`);
  const plain = (all: readonly string[]): string[] =>
    all.map((line) => line.replace(/^ERROR: (?:xbps-\w+: )?/, ""));
  const errors = lines.filter((line) => /^ERROR:|^MISSING:|conflicts|broken|abort/.test(line));
  return inWords(ran, plain(lines), plain(errors));
}
