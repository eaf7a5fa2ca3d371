// xbps's programs (and tar, which reads their archives): their environment, and their words.
import { ACTION_PATH } from "../../../engine/tools.js";
import { runner, type Ran } from "../run.js";
import { xbpsTool } from "./tools.js";

/** Runs one of xbps's programs, or tar. */
export const run = runner({
  // Its messages are read. The host's XBPS_* must not change an answer.
  env: { PATH: ACTION_PATH, LC_ALL: "C" },
  // libfetch reads them.
  network: ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CA_CERT_FILE", "SSL_CA_CERT_PATH"],
  tool: (name) => (name.startsWith("xbps-") ? xbpsTool(name) : { name, package: name }),
});

/** xbps's own words: its errors, on one line, without colours and the letters before them. */
export function xbpsSays(ran: Ran): string {
  const lines = `${ran.stdout}\n${ran.stderr}`
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const errors = lines.filter((line) => /^ERROR:|^MISSING:|conflicts|broken|abort/.test(line));
  const said = (errors.length > 0 ? errors : lines.slice(-3)).map((line) =>
    line.replace(/^ERROR: (?:xbps-\w+: )?/, ""),
  );
  return said.length > 0 ? [...new Set(said)].join("; ") : `status ${ran.status}`;
}
