// What step.overlay and step.graft put where other files may be: another tree (what `make install` made), owners and modes by
// pattern, modes as they are on disk. Through the real command line.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { expectSettled } from "./support/faults.js";
import { failures, PRELUDE } from "./support/shell-trees.js";

/** A system, and what a program of its own installs with \`make install\`. */
const TREES = `
${PRELUDE.replace("env, list", "files")}
const base = made(\`mkdir -p usr/lib usr/bin etc tmp; chmod 1777 tmp; ln -s usr/lib lib; ln -s /usr/bin bin; echo old >usr/bin/hey
  echo www-data:x:33:33::/:/bin/sh >etc/passwd; echo www-data:x:33: >etc/group; echo secret >etc/key; chmod 640 etc/key\`);
const hello = run({ inputs: { SRC: files("src/**") }, tree: true, root: true,
  cmd: 'make -s -C src install DESTDIR="$PWD/$OUT"; setfattr -n user.note -v x "$OUT/usr/bin/hello"; touch -d 2001-01-01 "$OUT/lib/hello/conf"' });
const on = (one: ReturnType<typeof step.overlay>) => rule.platformfs({ from: base, steps: [one] });
const told = (one: ReturnType<typeof step.overlay>, out: string) => tell(on(one), "etc", out);
`;
const MAKEFILE = `install:
	install -d $(DESTDIR)/usr/bin $(DESTDIR)/lib/hello $(DESTDIR)/var/spool/hello/empty $(DESTDIR)/tmp $(DESTDIR)/etc
	install -m 4755 hello $(DESTDIR)/usr/bin/hello
	ln $(DESTDIR)/usr/bin/hello $(DESTDIR)/usr/bin/hi
	ln -s hello $(DESTDIR)/usr/bin/hey
	install -m 600 conf $(DESTDIR)/lib/hello/conf
	install -m 644 conf $(DESTDIR)/etc/key
	chmod 700 $(DESTDIR)/var/spool/hello
`;

let project: TestProject;
const lines = (out: string): readonly string[] => project.read(`out/${out}`).split("\n");

describe("another tree", () => {
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `${TREES}
export const all = {
  plain: told(step.overlay(hello), "plain.txt"),
  said: told(step.overlay(hello, { owner: { "usr/bin/h*": "www-data:www-data", "var/**": "7:8" },
    modes: { "usr/bin/*": "755", "**/conf": "444", "etc/key": "644", tmp: "700" } }), "said.txt"),
  to: told(step.overlay(hello, { to: "opt/hello", owner: "www-data:33" }), "to.txt"),
  merged: told(step.graft(hello, "usr", { merge: true }), "merged.txt"),
};
export const bytes = rule.platformfs({ from: base, steps: [step.overlay(hello)], out: "bytes.tar" });
const empty = run({ inputs: {}, tree: true, cmd: 'cd /tmp && mkdir -p "$OUT/usr"' });
export const wrong = {
  pattern: on(step.overlay(hello, { modes: { "usr/sbin/*": "755" } })),
  person: on(step.overlay(hello, { owner: "ww-data:www-data" })),
  group: on(step.overlay(hello, { owner: { etc: "0:adm" } })),
  empty: on(step.overlay(empty)),
  file: on(step.overlay(made("mkdir -p etc/passwd/x"))),
  directory: on(step.overlay(made("mkdir -p usr; echo >usr/lib"))),
  name: on(step.overlay(made("mkdir usr; echo >usr/$'\\\\xff'"))),
  lies: on(step.overlay(hello, { modes: { "usr/bin/hey": "755" } })),
};`,
      "src/Makefile": MAKEFILE,
      "src/hello": "#!/bin/sh\n",
      "src/conf": "new\n",
    });
    await project.good("all", "bytes");
  });
  afterAll(() => project.remove());

  test("comes with its modes and hard links, through the links of the tree; directories and secrets stay as they are", () => {
    expect(
      lines("plain.txt").filter((line) => /hello|h[ie]|tmp|key|bin/.test(line) && !/www/.test(line)),
    ).toEqual([
      "bin l777 0:0 /usr/bin",
      "etc/key f640 0:0 ",
      "tmp d1777 0:0 ",
      "usr/bin d755 0:0 ",
      "usr/bin/hello f4755 0:0 ",
      "usr/bin/hey l777 0:0 hello",
      "usr/bin/hi f4755 0:0 ",
      "usr/lib/hello d755 0:0 ",
      "usr/lib/hello/conf f600 0:0 ",
      "var/spool/hello d700 0:0 ",
      "var/spool/hello/empty d755 0:0 ",
      "etc/key:new",
    ]);
  });

  test("comes with times, attributes and hard links", () => {
    const listed = execFileSync("tar", ["--xattrs", "-tvvf", project.path("out/bytes.tar")], {
      encoding: "utf8",
    });
    expect(listed).toMatch(/usr\/bin\/hello\n.* user\.note/);
    expect(listed).toContain("link to ./usr/bin/hello");
    expect(listed).toMatch(/2001-01-01 00:00 \.\/usr\/lib\/hello\/conf/);
  });

  test("has owners by name and modes by pattern, where the step puts something", () => {
    expect(lines("said.txt").filter((line) => /hello|tmp|key f|hey|usr |var /.test(line))).toEqual([
      "etc/key f644 0:0 ",
      "tmp d700 0:0 ",
      "usr d755 0:0 ",
      "usr/bin/hello f755 33:33 ",
      "usr/bin/hey l777 33:33 hello",
      "usr/lib/hello d755 0:0 ",
      "usr/lib/hello/conf f444 0:0 ",
      "var d755 0:0 ",
      "var/spool/hello d700 7:8 ",
      "var/spool/hello/empty d755 7:8 ",
    ]);
  });

  test("goes into a directory of its own, or is grafted into one that holds something", () => {
    expect(lines("to.txt")).toEqual(
      expect.arrayContaining(["opt/hello d755 33:33 ", "opt/hello/usr/bin/hello f4755 33:33 "]),
    );
    expect(lines("merged.txt")).toEqual(
      expect.arrayContaining([
        "usr/bin/hey f644 0:0 ",
        "usr/lib/hello/conf f600 0:0 ",
        "usr/usr/bin/hello f4755 0:0 ",
      ]),
    );
  });

  test("settles, and what it replaces wrongly or cannot find is named", async () => {
    await expectSettled(project, "all");
    const said = await failures(project, "wrong");
    expect(Object.fromEntries(said)).toEqual({
      "wrong-pattern": "modes: usr/sbin/* matches nothing that this step puts into the tree",
      "wrong-person": "owner: the tree does not have the user ww-data (etc/passwd) (did you mean www-data?)",
      "wrong-group": "owner: the tree does not have the group adm (etc/group)",
      "wrong-empty": expect.stringContaining("the tree that comes here is empty"),
      "wrong-file": expect.stringContaining(
        "etc/passwd is a file in the tree and a directory in the overlay",
      ),
      "wrong-directory": expect.stringContaining(
        "usr/lib is a directory in the tree and a file in the overlay",
      ),
      "wrong-name": expect.stringContaining("its name is not UTF-8"),
      "wrong-lies": "modes: usr/bin/hey is a symbolic link, which has no mode: name what it leads to",
    });
  });
});

describe("modes as they are on disk", () => {
  const imagefile = (options: string): string => `${TREES}
export const a = told(step.overlay("ov", ${options}), "a.txt");`;
  beforeAll(() => {
    project = makeProject({
      "Imagefile.ts": imagefile(`{ modes: "keep" }`),
      "ov/srv/me": "1\n",
      "ov/etc/key": "new\n",
    });
    mkdirSync(project.path("ov/srv/drop/empty"), { recursive: true });
    chmodSync(project.path("ov/srv/me"), 0o440);
    chmodSync(project.path("ov/srv/drop"), 0o1733);
    chmodSync(project.path("ov/etc"), 0o700);
  });
  afterAll(() => project.remove());

  test("come along without a warning, but for directories that the tree has", async () => {
    expect((await project.good("a")).stderr).not.toContain("warning");
    expect(lines("a.txt")).toEqual(
      expect.arrayContaining([
        "etc d755 0:0 ",
        "etc/key f644 0:0 ",
        "srv/drop d1733 0:0 ",
        "srv/drop/empty d755 0:0 ",
        "srv/me f440 0:0 ",
      ]),
    );
    await expectSettled(project, "a");
  });

  test("are in the key, so that another one is built", async () => {
    chmodSync(project.path("ov/srv/drop"), 0o2755);
    await project.good("a");
    expect(lines("a.txt")).toContain("srv/drop d2755 0:0 ");
    chmodSync(project.path("ov/srv/me"), 0o400);
    await project.good("a");
    expect(lines("a.txt")).toContain("srv/me f400 0:0 ");
  });

  test("said by pattern need no warning either", async () => {
    project.write(
      "Imagefile.ts",
      imagefile(`{ modes: { "srv/m*": "440", "srv/[d]rop": "2755", etc: "755" } }`),
    );
    expect((await project.good("a")).stderr).not.toContain("warning");
    expect(lines("a.txt")).toContain("srv/drop d2755 0:0 ");
  });
});

test.each([
  [`{ owner: "root" }`, "step.overlay: owner: expected"],
  [`{ modes: { "etc/*": "rw" } }`, "step.overlay: modes.etc/*: expected"],
  [`{ modes: "all" }`, "step.overlay: modes: expected"],
])("%s is refused", async (options, words) => {
  const one = makeProject({
    "Imagefile.ts": `${TREES} export const a = on(step.overlay(hello, ${options} as never));`,
  });
  try {
    const { status, stderr } = await one.run("list");
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  } finally {
    one.remove();
  }
});
