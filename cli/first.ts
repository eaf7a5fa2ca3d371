// The text of a first Imagefile, of a tsconfig.json for editors, and of the lines git has to ignore. It writes
// nothing.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { STATE, TYPES_HERE } from "../cache/layout.js";

/** A Debian suite and architecture that the host's own apt has packages for. */
export interface Debian {
  readonly suite: string;
  readonly arch: string;
  /** Suites beside it that the host's apt has, with its fixes. */
  readonly fixes: readonly string[];
}

/** Node's names of architectures, and Debian's. */
const ARCHS: Readonly<Partial<Record<NodeJS.Architecture, string>>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "armhf",
  ia32: "i386",
  ppc64: "ppc64el",
  riscv64: "riscv64",
  s390x: "s390x",
};

/** What this machine runs, by os-release(5); null where it is not Debian. */
export function hostDebian(osRelease = "/etc/os-release", apt = "/etc/apt"): Debian | null {
  const arch = ARCHS[process.arch];
  if (arch === undefined || !existsSync(osRelease)) return null;
  const text = readFileSync(osRelease, "utf8");
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([^"\n]+)"?$`, "m").exec(text)?.[1];
  const suite = field("VERSION_CODENAME");
  if (field("ID") !== "debian" || suite === undefined) return null;
  const known = sourcesIn(apt);
  const fixes = [`${suite}-updates`, `${suite}-security`].filter((one) => known.has(one));
  return { suite, arch, fixes };
}

/** All words of the sources of an apt. */
function sourcesIn(apt: string): ReadonlySet<string> {
  const more = join(apt, "sources.list.d");
  const parts = existsSync(more) ? readdirSync(more).filter((name) => /\.(?:list|sources)$/.test(name)) : [];
  const files = [join(apt, "sources.list"), ...parts.map((name) => join(more, name))];
  const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
  return new Set(texts.flatMap((text) => text.replace(/^\s*#.*$/gm, "").split(/\s+/)));
}

/** A small Imagefile that builds as it stands. `name` is its file name. */
export function firstImagefile(name: string, debian: Debian | null): string {
  const names = debian === null ? "files, project, run" : "apt, files, project, rule, run";
  return `// What this project builds. \`imagemake list\` names the targets, \`imagemake TARGET\` builds one.
import { ${names} } from "imagemake";

// The general rule: a command over declared inputs. It runs in a directory of its own that holds these and nothing
// else; $SRC are their paths, $OUT is where the result goes. {date} is the release's, never the clock's.
export const sums = run({
  inputs: { SRC: files("${name}") },
  cmd: \`sha256sum $SRC > "$OUT"\`,
  out: "sums-{date}.txt",
});
${debian === null ? "" : rootfs(debian)}
// What a bare \`imagemake\` builds.
export default project({ default: [sums${debian === null ? "" : ", rootfs"}] });
`;
}

const rootfs = ({ suite, arch, fixes }: Debian): string => `
// A small root filesystem, with packages from the mirror${fixes.length === 0 ? "" : "s"} of this machine's own apt.
export const rootfs = rule.rootfs({
  repo: apt({${fixes.length === 0 ? ` url: "host", suite: "${suite}" ` : several(suite, fixes)}}),
  arch: "${arch}",
  variant: "busybox",
  packages: ["dpkg", "busybox-static", "libc-bin", "base-files", "base-passwd", "debianutils"],
  out: "debian-${arch}-mini-ROOTFS-{date}.tar.xz",
});
`;

const several = (suite: string, fixes: readonly string[]): string => `
    url: "host",
    suite: "${suite}",
    sources: [${fixes.map((one) => `{ suite: "${one}" }`).join(", ")}],
  `;

/** Where the types are: what each run keeps in the state directory. Before the first, the compiler looks in node_modules. */
const paths = { imagemake: [TYPES_HERE] };

/** What a tsconfig.json has to say of the engine, as a line of it. */
export const enginePaths = (): string => `"paths": ${JSON.stringify(paths)}`;

/** Nothing in it is of this machine, so that it can be committed. */
export function tsconfig(): string {
  const value = {
    compilerOptions: {
      ...{ strict: true, noEmit: true, skipLibCheck: true },
      ...{ module: "esnext", moduleResolution: "bundler", target: "es2023", lib: ["es2023"] },
      types: [],
      paths,
    },
    include: ["*.ts"],
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** What must not be committed: state, outputs, private keys. */
const IGNORED = [`${STATE}/`, "out/", "release-keys/"];

/** The text of .gitignore with what it lacks, or null where it lacks nothing. */
export function ignoring(text: string): string | null {
  const bare = (line: string): string => line.trim().replace(/^\/|\/$/g, "");
  const there = new Set(text.split("\n").map(bare));
  const missing = IGNORED.filter((line) => !there.has(bare(line)));
  if (missing.length === 0) return null;
  const before = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${before}${missing.join("\n")}\n`;
}
