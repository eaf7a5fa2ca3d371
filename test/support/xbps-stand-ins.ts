// Stand-ins for xbps's programs, for machines without them: they record how they were called, and do as little as
// the driver needs to go on. What xbps itself would do is not tested with them.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Stand-ins in a directory, and one repository with the single package `one-1.0_1`. */
export interface StandIns {
  /** Words before a command that sees the stand-ins first on the engine's PATH. */
  readonly under: readonly string[];
  readonly repo: string;
  /** The package's file, and its digest. */
  readonly file: string;
  readonly sha256: string;
  /** Calls so far, each `program XBPS_ARCH=… XBPS_TARGET_ARCH=… words`. */
  calls(): readonly string[];
}

/**
 * Makes them in `dir`. Root is needed: they are mounted, for one command alone, where the engine looks first. What
 * installs puts `files` into the root, and says that the package is there; without files, nothing. Its index calls the package
 * `name`.
 */
export function xbpsStandIns(
  dir: string,
  arch: string,
  files: Readonly<Record<string, string | { readonly copy: string }>> = {},
  name = "one",
): StandIns {
  const [bin, repo, log] = [join(dir, "bin"), join(dir, "repo"), join(dir, "calls")];
  for (const path of [bin, repo]) mkdirSync(path, { recursive: true });
  const file = join(repo, "one-1.0_1.noarch.xbps");
  writeFileSync(join(dir, "props.plist"), "no properties\n");
  execFileSync("tar", ["--create", "--file", file, "-C", dir, "./props.plist"]);
  const body = readFileSync(file);
  const index = plist(name, body);
  for (const [called, text] of [
    ["index.plist", index],
    ["index-meta.plist", ""],
  ] as const) {
    writeFileSync(join(dir, called), text);
  }
  const repodata = join(repo, `${arch}-repodata`);
  execFileSync("tar", ["--create", "--file", repodata, "-C", dir, "index.plist", "index-meta.plist"]);
  const content = join(dir, "content");
  for (const [path, file] of Object.entries(files)) {
    const to = join(content, path);
    mkdirSync(dirname(to), { recursive: true });
    if (typeof file === "string") writeFileSync(to, file, { mode: file.startsWith("#!") ? 0o755 : 0o644 });
    else cpSync(file.copy, to, { dereference: true });
  }
  const doing: Readonly<Record<string, string>> = {
    "xbps-install": `for word; do case $word in
--dry-run) dry=yes ;; --repository=*) repo=\${word#*=} ;; --rootdir=*) root=\${word#*=} ;; esac; done
if [ -n "\${dry:-}" ]; then echo "${name}-1.0_1 install noarch $repo 1 ${body.length}"
elif [ -d "${content}" ]; then cp -R "${content}/." "$root"; fi`,
    "xbps-rindex": `cp "${repodata}" .`,
    "xbps-uhelper": "echo x86_64",
    "xbps-query": `[ ! -d "${content}" ] || echo "ii one-1.0_1 a stand-in"`,
    "xbps-reconfigure": ":",
    "xbps-fetch": "exit 1",
  };
  for (const [program, script] of Object.entries(doing)) {
    const record = `printf '%s\\n' "${program} XBPS_ARCH=\${XBPS_ARCH:-} XBPS_TARGET_ARCH=\${XBPS_TARGET_ARCH:-} $*" >>"${log}"`;
    const text = `#!/bin/sh\n# A stand-in for ${program}: records its calls.\n[ "$*" != --version ] || { echo "stand-in for ${program} 0.0"; exit; }\n${record}\n${script}\n`;
    writeFileSync(join(bin, program), text);
    chmodSync(join(bin, program), 0o755);
  }
  return {
    under: [
      "unshare",
      "--mount",
      "sh",
      "-c",
      'mkdir -p /usr/local/sbin && mount --bind "$0" /usr/local/sbin && exec "$@"',
      bin,
    ],
    repo,
    file,
    sha256: sha256Of(body),
    calls: () => (existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : []),
  };
}

const sha256Of = (body: Buffer): string => createHash("sha256").update(body).digest("hex");

const plist = (name: string, body: Buffer): string => `<plist version="1.0">
<dict>
\t<key>${name}</key>
\t<dict>
\t\t<key>architecture</key>
\t\t<string>noarch</string>
\t\t<key>filename-sha256</key>
\t\t<string>${sha256Of(body)}</string>
\t\t<key>filename-size</key>
\t\t<integer>${body.length}</integer>
\t\t<key>provides</key>
\t\t<array>
\t\t\t<string>one-1.0_1</string>
\t\t</array>
\t\t<key>pkgver</key>
\t\t<string>${name}-1.0_1</string>
\t</dict>
</dict>
</plist>
`;
