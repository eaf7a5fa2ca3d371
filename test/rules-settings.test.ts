// step.hostname, timezone, locale and alternatives through the real command line, on small trees whose programs are a shell's: what is
// written where, which program of the tree is called with what, and what is refused.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";
import { failures, PRELUDE } from "./support/shell-trees.js";
import { staticBusybox } from "./support/tiny-debian.js";

jest.setTimeout(120_000);

/** Writes down how it was called, and fails for a choice that there is not. */
const PROGRAM = `printf '%s\\n' '#!/bin/sh' 'echo "\${0##*/} $*" >>/etc/called' '[ "$3" != /none ]' >PROGRAM; chmod 755 PROGRAM`;

let project: TestProject;
beforeAll(async () => {
  project = makeProject({
    "Imagefile.ts": `${PRELUDE.replace("env, list", "apt, files, pacman, xbps")}
const at = (tree: ReturnType<typeof made>, ...steps: ReturnType<typeof step.hostname>[]) => rule.platformfs({ from: tree, steps });
const shell = \`mkdir -p bin etc usr/sbin usr/bin usr/share/zoneinfo/Europe usr/share/i18n; cp ${staticBusybox()} bin/busybox; ln -s busybox bin/sh
  echo tz >usr/share/zoneinfo/Europe/Zurich; echo Etc/UTC >etc/timezone; ln -s /usr/share/zoneinfo/UTC etc/localtime\`;
const program = (path: string) => ${JSON.stringify(PROGRAM)}.replaceAll("PROGRAM", path);
const debian = made(shell + "\\n" + program("usr/sbin/locale-gen") + "\\n" + program("usr/bin/update-alternatives") + \`
  mkdir -p var/lib/dpkg; echo >usr/sbin/update-locale; echo '# de_CH.UTF-8 UTF-8' >etc/locale.gen; printf '%s\\\\n' 'de_CH.UTF-8 UTF-8' 'fr_CH.UTF-8 UTF-8' >usr/share/i18n/SUPPORTED
  printf '%s\\\\n' '127.0.0.1 localhost' '127.0.1.1 old' >etc/hosts\`);
const rpm = made(shell + "; mkdir -p usr/lib/locale/de_CH.utf8");
const zone = step.timezone("Europe/Zurich"), name = step.hostname("web.example.org");
export const all = {
  debian: tell(at(debian, zone, name, step.locale("de_CH.UTF-8", { also: ["fr_CH.UTF-8", "C.UTF-8"] }), step.alternatives({ editor: "/bin/vi", pager: "/bin/less" })), "etc", "debian.txt"),
  rpm: tell(at(rpm, name, step.locale("de_CH.UTF-8")), "etc", "rpm.txt"),
};
export const wrong = {
  zone: at(debian, step.timezone("Europe/Zürich".replace("ü", "oo"))),
  zones: at(made("mkdir etc"), zone),
  locale: at(debian, step.locale("de_XX.UTF-8")),
  langpack: at(rpm, step.locale("fr_CH.UTF-8")),
  choice: at(debian, step.alternatives({ editor: "/none" })),
  none: at(rpm, step.alternatives({ editor: "/bin/vi" })),
};`,
  });
  await project.good("all");
});
afterAll(() => project.remove());
const told = (name: string, what: RegExp): readonly string[] =>
  project
    .read(`out/${name}.txt`)
    .split("\n")
    .filter((line) => what.test(line));

test("Debian's are made by its own programs, which leave nothing of the build", () => {
  expect(told("debian", /^etc\/called:|^(?:dev|proc|sys|tmp) /)).toEqual([
    "etc/called:locale-gen ",
    "etc/called:update-alternatives --set editor /bin/vi",
    "etc/called:update-alternatives --set pager /bin/less",
  ]);
  expect(told("debian", /^etc\/(?:default|locale|timezone|localtime|host)/)).toEqual([
    "etc/default d755 0:0 ",
    "etc/default/locale f644 0:0 ",
    "etc/hostname f644 0:0 ",
    "etc/hosts f644 0:0 ",
    "etc/locale.gen f644 0:0 ",
    "etc/localtime l777 0:0 /usr/share/zoneinfo/Europe/Zurich",
    "etc/timezone f644 0:0 ",
    ...told("debian", /^etc\/[\w./]+:/).filter((line) => /^etc\/(?:default|locale|timezone|host)/.test(line)),
  ]);
  expect(told("debian", /^etc\/[\w./]+:.*(?:CH|Zurich|web|old)/).toSorted()).toEqual([
    "etc/default/locale:LANG=de_CH.UTF-8",
    "etc/hostname:web",
    "etc/hosts:127.0.1.1\tweb.example.org web",
    "etc/locale.gen:de_CH.UTF-8 UTF-8",
    "etc/locale.gen:fr_CH.UTF-8 UTF-8",
    "etc/timezone:Europe/Zurich",
  ]);
});

test("elsewhere what is there is said, and the name is whole", () => {
  expect(told("rpm", /^etc\/(?:hostname|hosts|locale.conf):/)).toEqual(
    expect.arrayContaining(["etc/hostname:web.example.org", "etc/locale.conf:LANG=de_CH.UTF-8"]),
  );
  expect(told("rpm", /^etc\/hosts/)).toEqual([]);
});

test("what the tree does not have is named", async () => {
  expect(Object.fromEntries(await failures(project, "wrong"))).toEqual({
    "wrong-zone": expect.stringMatching(/no time zone Europe\/Zoorich .*did you mean Europe\/Zurich\?/),
    "wrong-zones": expect.stringContaining("install tzdata"),
    "wrong-locale": expect.stringContaining("the tree does not know the locale de_XX.UTF-8"),
    "wrong-langpack": expect.stringContaining("glibc-langpack-fr"),
    "wrong-choice": expect.stringContaining("editor: /usr/bin/update-alternatives cannot choose /none"),
    "wrong-none": expect.stringContaining("nothing in the tree that keeps alternatives"),
  });
});

test.each([
  [
    "pacman(files('p.conf'))",
    "x86_64",
    "step.alternatives({ a: '/b' })",
    "step.alternatives: pacman knows no alternatives",
  ],
  [
    "xbps('https://localhost')",
    "x86_64-musl",
    "step.locale('de_CH.UTF-8')",
    "step.locale: x86_64-musl: musl has no locales",
  ],
  [
    "xbps('https://localhost')",
    "x86_64",
    "step.locale('de')".replace("'de'", "'deutsch'"),
    "step.locale: lang: expected",
  ],
  ["xbps('https://localhost')", "x86_64", "step.hostname('a_b')", "step.hostname: name: expected"],
  ["xbps('https://localhost')", "x86_64", "step.timezone('../x')", "step.timezone: zone: expected"],
])("%s %s: %s is refused", async (repo, arch, one, words) => {
  const other = makeProject({
    "Imagefile.ts": `import { files, pacman, rule, step, xbps } from "imagemake";
export const a = rule.rootfs({ repo: ${repo} as never, arch: "${arch}" as never, packages: [], steps: [${one} as never] });`,
    "p.conf": "[options]\nSigLevel = Never\n[core]\nServer = https://localhost/$repo\n",
  });
  try {
    const { status, stderr } = await other.run("list");
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  } finally {
    other.remove();
  }
});
