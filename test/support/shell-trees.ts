// Trees that shell commands make, for tests of steps that run none of a tree's programs; what tells what is in one;
// and targets that must fail.
import { expect } from "@jest/globals";
import type { TestProject } from "./cli.js";

/** What tells what a tree holds: a line for each name, and the contents of files in some directories. */
const TELL = String.raw`cd "$TREE"; { find . -mindepth 1 -printf "%P %y%m %U:%G %l\n" | sort; grep -rH "" $SHOW; } >"$OLDPWD/$OUT" || [ $? = 1 ]`;

/** What Imagefiles of such trees begin with: `made` runs a command in a new tree, `tell` writes down what a tree holds. */
export const PRELUDE = `
import { env, list, rule, run, step } from "imagemake";
const made = (cmd: string) => run({ inputs: {}, cmd: 'cd "$OUT"; ' + cmd, tree: true, root: true });
const tell = (tree: ReturnType<typeof made>, show: string, out: string) =>
  run({ inputs: { TREE: tree }, root: true, env: { SHOW: show }, out, cmd: ${JSON.stringify(TELL)} });
`;

/** A Debian's files of users, as far as users go. */
export const DEBIAN = `
mkdir -p etc/skel/.config etc/sudoers.d bin home usr/sbin
printf '%s\\n' root:x:0:0:root:/root:/bin/bash daemon:x:1:1::/:/usr/sbin/nologin _apt:x:100:65534::/nonexistent:/usr/sbin/nologin >etc/passwd
printf '%s\\n' root:x:0: daemon:x:1: sudo:x:27: audio:x:29:daemon users:x:100: ssl-cert:x:101: >etc/group
printf '%s\\n' 'root:*:19000:0:99999:7:::' 'daemon:*:19000:0:99999:7:::' >etc/shadow
printf '%s\\n' 'root:*::' 'sudo:*::' 'audio:*::daemon' >etc/gshadow
chown 0:42 etc/shadow etc/gshadow; chmod 640 etc/shadow etc/gshadow
echo '@includedir /etc/sudoers.d' >etc/sudoers; chmod 440 etc/sudoers
echo profile >etc/skel/.profile; chmod 600 etc/skel/.profile; ln -s /nix/profile etc/skel/.nix-profile
for shell in bin/bash bin/dash usr/sbin/nologin; do echo '#!' >$shell; chmod 755 $shell; done; ln -s dash bin/sh
printf '%s\\n' '# shells' /bin/bash /bin/sh /bin/zsh >etc/shells`;

/** A busybox's: no shadow. */
export const BUSYBOX = `
mkdir -p etc bin; echo busybox >bin/busybox; chmod 755 bin/busybox; ln -s busybox bin/sh
echo root:*:0:0:root:/root:/bin/sh >etc/passwd; echo root:x:0: >etc/group`;

// Targets that must fail, all in one run, and what each says.

/** What failed targets say at the end, by target. */
export type Said = ReadonlyMap<string, string>;

/** Builds a group of which no member may succeed. */
export async function failures(project: TestProject, group: string): Promise<Said> {
  const told = await project.events({}, "-k", group);
  expect([group, told.status, told.stderr]).toEqual([group, 1, ""]);
  return new Map(
    told.events.flatMap((event) => {
      if (event.type !== "failed") return [];
      const said = event.failure.kind === "guard" ? event.failure.message : event.tail.join("\n");
      return [[event.target, said] as const];
    }),
  );
}
