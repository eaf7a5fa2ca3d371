// Indexes of RPM repositories as distributions have them, made with createrepo_c and modifyrepo_c: other compressions
// and checksums, groups, modules, advisories.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const run = (command: string, ...args: string[]): void =>
  void execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"] });

/** Writes the index of the packages below `dir` anew, with these arguments of createrepo_c. */
export const reindex = (dir: string, ...args: string[]): void => run("createrepo_c", "--quiet", ...args, dir);

/** Adds a file to an index, under its type, with these arguments of modifyrepo_c. */
export function list(dir: string, type: string, name: string, text: string, ...args: string[]): void {
  const work = mkdtempSync(join(tmpdir(), "rpm-index-"));
  try {
    const file = join(work, name);
    writeFileSync(file, text);
    run("modifyrepo_c", "--mdtype", type, ...args, file, join(dir, "repodata"));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Takes files out of an index by their types. */
export function unlist(dir: string, ...types: string[]): void {
  for (const type of types) run("modifyrepo_c", "--remove", type, join(dir, "repodata"));
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Compresses what an index lists with zstd instead of gzip, which createrepo_c of Debian 12 does not; without the last `cut` bytes. */
export function recompress(dir: string, cut = 0): void {
  const index = join(dir, "repodata/repomd.xml");
  const changed = readFileSync(index, "utf8").replace(/<data .*?<\/data>/gs, (record) => {
    const [, href = ""] = /href="(.*?)\.gz"/.exec(record) ?? [];
    const whole = execFileSync("sh", ["-c", 'gzip -dc "$1" | zstd -qc', "sh", join(dir, `${href}.gz`)]);
    const bytes = whole.subarray(0, whole.length - cut);
    rmSync(join(dir, `${href}.gz`));
    writeFileSync(join(dir, `${href}.zst`), bytes);
    return record
      .replace(`${href}.gz`, `${href}.zst`)
      .replace(/(<checksum type="sha256">)[0-9a-f]+/, `$1${sha256(bytes)}`)
      .replace(/<size>\d+/, `<size>${bytes.length}`);
  });
  writeFileSync(index, changed);
}

/** A metalink for the repository: its index's checksum, and where it is. */
export function metalink(dir: string): string {
  const index = join(dir, "repodata/repomd.xml");
  return `<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic">
<files><file name="repomd.xml"><size>${statSync(index).size}</size>
<verification><hash type="sha256">${sha256(readFileSync(index))}</hash></verification>
<resources maxconnections="1"><url protocol="file" type="file" location="DE" preference="100">file://${index}</url></resources>
</file></files></metalink>
`;
}

/** Groups, as `comps.xml` has them: the packages of each. */
export const comps = (groups: Readonly<Record<string, readonly string[]>>): string => `<?xml version="1.0"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>${Object.entries(groups)
  .map(
    ([id, names]) => `
<group><id>${id}</id><name>${id}</name><description/><default>true</default><uservisible>true</uservisible><packagelist>
${names.map((name) => `<packagereq type="mandatory">${name}</packagereq>`).join("\n")}
</packagelist></group>`,
  )
  .join("")}
</comps>
`;

/** A module's streams with the packages of each (`app-0:1.0-1.noarch`); the first is the default. */
export function modules(name: string, streams: Readonly<Record<string, readonly string[]>>): string {
  const documents = Object.entries(streams).map(
    ([stream, packages], i) => `---
document: modulemd
version: 2
data:
  name: ${name}
  stream: "${stream}"
  version: ${i + 1}
  context: c0ffee${i}
  arch: x86_64
  summary: ${name}
  description: ${name}
  license: { module: [MIT] }
  dependencies: [{ requires: { platform: [el8] } }]
  profiles: { common: { rpms: [${packages[0]?.replace(/-\d+:.*/, "") ?? ""}] } }
  artifacts: { rpms: [${packages.join(", ")}] }
...
`,
  );
  const [first = ""] = Object.keys(streams);
  return `${documents.join("")}---
document: modulemd-defaults
version: 1
data: { module: ${name}, stream: "${first}", profiles: { "${first}": [common] } }
...
`;
}

/** An advisory about one package. */
export const UPDATEINFO = `<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="tiny" status="final" type="security" version="1"><id>TINY-1</id><title>tiny</title>
<issued date="2024-01-01 00:00:00"/><description>tiny</description><pkglist><collection short="tiny"><name>tiny</name>
<package name="app" version="1.0" release="1" epoch="0" arch="noarch"><filename>app-1.0-1.noarch.rpm</filename></package>
</collection></pkglist></update></updates>
`;

/** Deltas of packages: none. */
export const PRESTODELTA = '<?xml version="1.0" encoding="UTF-8"?>\n<prestodelta></prestodelta>\n';
