// The host's own apt as a tiny package, for trees in which apt has to run.
import type { TinyPackage } from "./apt-repo.js";
import { librariesOf, tinyLibraries } from "./tiny-debian.js";

const PROGRAMS = [
  "/usr/bin/apt-get",
  ...["file", "copy", "store"].map((name) => `/usr/lib/apt/methods/${name}`),
];

/** What dpkg reads when apt asks it for architectures. */
const TABLES = ["cputable", "ostable", "tupletable"].map((name) => `/usr/share/dpkg/${name}`);

/** `apt`, with what it needs to install from a directory. */
export function tinyApt(): TinyPackage {
  const libraries = librariesOf(PROGRAMS).filter((path) => !tinyLibraries().includes(path));
  const copies = [...PROGRAMS, ...libraries, ...TABLES].map((path) => [path, { copy: path }] as const);
  return {
    name: "apt",
    depends: "dpkg, libc6",
    files: { ...Object.fromEntries(copies), "/etc/apt/sources.list.d/": "", "/etc/apt/apt.conf.d/": "" },
  };
}
