// The contract of an executor, held by every implementation: what comes out of a staged action, what it sees, and what is left
// when it has ended. Whatever runs here leaves no process, no mount and no stage, or `execute` throws.
import { appendFileSync, chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { hashBytes } from "../../cache/hash.js";
import type { Command, Output } from "../../engine/model.js";
import { readManifest } from "../../engine/tree/manifest.js";
import { unwrap } from "../../engine/problem.js";
import { hostArch, makeAptRepo, poolFile } from "./apt-repo.js";
import { actionOf, execute, madeOf, textOf, tried, type Open, type Tried } from "./executor-trial.js";
import { localIn } from "./local-store.js";
import { until } from "./sandbox.js";
import { staticBusybox } from "./tiny-debian.js";
import { EPOCH, sh } from "./trees.js";

const FILE = (name: string, pattern: string): Output => ({ name, kind: "file", pattern });
const TREE: readonly Output[] = [{ name: "OUT", kind: "tree", base: null }];
const ON_BASE: readonly Output[] = [{ name: "OUT", kind: "tree", base: "BASE" }];

/** All that a tree can have. */
const FULL = `umask 022; mkdir -p etc usr/bin empty deep/er; echo a > etc/a; ln etc/a etc/b; ln -s /nowhere link; mkfifo pipe
  printf '#!/bin/sh\\n' > usr/bin/run; chmod 4755 usr/bin/run; : > void; touch 'new
line' "$(printf 'caf\\351')"; setfattr -n user.note -v 'two words' etc/a; chown 7:8 etc/a; mknod node c 1 3
  mkdir -m 0700 closed; echo secret > closed/in; chmod 600 closed/in; cp /bin/true usr/bin/ping
  setcap cap_net_raw+ep usr/bin/ping; truncate -s 300M sparse; echo end >> sparse`;
/** What changes in it: something new, something gone, something else in its place, another mode. */
const CHANGED =
  "echo new > etc/new; rm -r usr; echo now > empty/file; chmod 750 deep; rm etc/b; ln -s etc place";

/** The tree that a script makes, as another store has it. */
async function expected({ dir }: Tried, ...scripts: readonly string[]): Promise<string> {
  const all = scripts.join("\n");
  const other = localIn(join(dir, `expected-${hashBytes(all)}`), { kind: "namespaces", root: "real" });
  try {
    return await other.tree(all);
  } finally {
    other.index.close();
  }
}

/** Tests an executor. */
export function executorContract(open: Open): void {
  const trial = (name: string, work: (one: Tried) => Promise<void>): void =>
    test(name, () => tried(open, work));

  trial("makes a file, which is its bytes and its x bit", async (one) => {
    const plain = await execute(one, { cmd: 'echo hello > "$OUT"' });
    expect(plain.outcome).toEqual({
      ...{ kind: "made", notices: [] },
      outputs: { OUT: `f:${hashBytes("hello\n")}` },
    });
    expect(textOf(one, plain)).toBe("hello\n");
    const program = await execute(one, { cmd: 'echo hello > "$OUT"; chmod 700 "$OUT"' });
    expect(madeOf(program)).toEqual({ OUT: `x:${hashBytes("hello\n")}` });
    expect(textOf(one, program)).toBe("hello\n");
  });

  trial("makes several outputs of every kind, and promises no verdict", async (one) => {
    const outputs: readonly Output[] = [
      FILE("OUT", "one.txt"),
      FILE("TWO", "two-{date}.tar.xz"),
      { name: "ROOT", kind: "tree", base: null },
      { name: "GOOD", kind: "verdict" },
    ];
    const cmd = 'echo 1 > "$OUT"; echo 2 > "$TWO"; echo 3 > "$ROOT/three"; echo "$OUT $TWO $ROOT"';
    const went = await execute(one, { cmd, action: { outputs } });
    expect(madeOf(went)).toEqual({
      OUT: `f:${hashBytes("1\n")}`,
      TWO: `f:${hashBytes("2\n")}`,
      ROOT: await expected(one, "echo 3 > three"),
    });
    expect(went.said).toBe("before\n.out/one.txt .out/two.tar.xz .out/ROOT\n");
  });

  trial("makes a tree with all that it has", async (one) => {
    const went = await execute(one, { cmd: `cd "$OUT"; ${FULL}`, action: { outputs: TREE } });
    const { OUT = "" } = madeOf(went);
    expect(OUT).toBe(await expected(one, FULL));
    expect(await one.near.contents.verify([OUT])).toEqual(new Map([[OUT, "whole"]]));
    const manifest = unwrap(readManifest(one.near.layout.manifests, OUT.slice(2)));
    expect([...manifest.lines.keys()]).toContain("usr/bin/ping");
  });

  trial("makes a tree on another, which stays as it was", async (one) => {
    const base = await one.near.tree(FULL);
    const cmd = `cd "$OUT"; ${CHANGED}`;
    const went = await execute(one, { cmd, action: { outputs: ON_BASE }, inputs: { BASE: base } });
    const { OUT = "" } = madeOf(went);
    expect(OUT).toBe(await expected(one, FULL, CHANGED));
    expect(one.near.index.artifact(OUT)?.parent).toBe(base);
    expect(await one.near.contents.verify([base, OUT])).toEqual(
      new Map([
        [base, "whole"],
        [OUT, "whole"],
      ]),
    );
  });

  trial("shows what it reads: sources, files and trees, and these read-only", async (one) => {
    const inputs = {
      TEXT: await one.near.file("artifact"),
      TOOL: await one.near.file("#!/bin/sh\necho tool", true),
      ROOT: await one.near.tree("mkdir d; echo in > d/file; ln -s file d/link"),
    };
    const sources = {
      "src/a.txt": "a",
      "src/run": { program: "#!/bin/sh\necho ran" },
      "src/link": { link: "/nowhere/at all" },
      "src/empty": null,
    };
    const cmd = `{ cat "$TEXT"; echo; "$TOOL"; cat "$ROOT/d/link"; cat src/a.txt; echo; src/run; readlink src/link
      ! echo x 2>/dev/null > "$TEXT"; ! touch "$ROOT/new" 2>/dev/null; echo x > src/a.txt; } > "$OUT"
      find . -path ./.out -prune -o ! -type d -printf '%M %P\\n' -o -empty -printf '%M %P/\\n' | LC_ALL=C sort >> "$OUT"`;
    expect(textOf(one, await execute(one, { cmd, inputs, sources })).split("\n")).toEqual([
      ...["artifact", "tool", "in", "a", "ran", "/nowhere/at all"],
      ...[
        "-r--r--r-- in/TEXT/file",
        "-r-xr-xr-x in/TOOL/file",
        "-rw-r--r-- in/ROOT/d/file",
        "-rw-r--r-- src/a.txt",
      ],
      ...["-rwxr-xr-x src/run", "drwx------ .home/", "drwx------ .tmp/", "drwxr-xr-x src/empty/"],
      ...["lrwxrwxrwx in/ROOT/d/link", "lrwxrwxrwx src/link", ""],
    ]);
    expect(await one.near.contents.verify(Object.values(inputs))).toEqual(
      new Map(Object.values(inputs).map((id) => [id, "whole"])),
    );
  });

  trial("gives a complete environment, and nothing of the caller's", async (one) => {
    process.env["OF_THE_CALLER"] = "secret";
    const inputs = { SRC: await one.near.file("x") };
    const action = { env: { LANG: "C", TZ: "Asia/Tokyo" } };
    const cmd = 'env -u MARK -u PWD -u SHLVL -u _ > "$OUT"';
    const text = textOf(one, await execute(one, { cmd, inputs, action }));
    expect(text.trimEnd().split("\n").sort()).toEqual([
      "GIT_CEILING_DIRECTORIES=/",
      "HOME=/imagemake/.home",
      "LANG=C",
      "LC_ALL=C.UTF-8",
      "OUT=.out/out.txt",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      `SOURCE_DATE_EPOCH=${EPOCH}`,
      "SRC=in/SRC/file",
      "TMPDIR=/imagemake/.tmp",
      "TZ=Asia/Tokyo",
    ]);
  });

  trial(
    "shows no network, no terminal, no device and no other process unless it was declared",
    async (one) => {
      const cmd = `{ tail -n +3 /proc/net/dev | cut -d: -f1; ls /dev/kvm /dev/loop-control 2>/dev/null || :
      [ "$(ls -d /proc/[0-9]* | wc -l)" -lt 10 ] && echo alone; readlink /proc/self/fd/0; } > "$OUT"`;
      expect(textOf(one, await execute(one, { cmd })).replaceAll(" ", "")).toBe("lo\nalone\n/dev/null\n");
      const host = readFileSync("/proc/net/dev", "utf8")
        .split("\n")
        .slice(2)
        .map((line) => line.split(":")[0]);
      const open = await execute(one, {
        cmd: 'tail -n +3 /proc/net/dev | cut -d: -f1 > "$OUT"',
        action: { network: true },
      });
      expect(textOf(one, open).trimEnd().split("\n")).toEqual(host.filter((name) => name !== ""));
    },
  );

  trial("runs within a tree: its programs, not the host's; what is written there is gone", async (one) => {
    const tools = await one.near.tree(
      `mkdir -p bin etc; cp ${staticBusybox()} bin/busybox; for name in sh cat ls grep; do ln -s busybox bin/$name; done; echo tree > etc/name`,
    );
    const what = { action: { within: "TOOLS" }, inputs: { TOOLS: tools } } as const;
    const cmd =
      'cat /etc/name a > "$OUT"; echo x > /etc/left; ls /usr/bin/perl 2>/dev/null || echo none >> "$OUT"; pwd >> "$OUT"';
    const went = await execute(one, { ...what, cmd, sources: { a: "source\n" } });
    expect(textOf(one, went)).toBe("tree\nsource\nnone\n/imagemake\n");
    expect(await one.near.contents.verify([tools])).toEqual(new Map([[tools, "whole"]]));
    const lacking = await execute(one, { ...what, cmd: "perl -e 1" });
    expect(lacking.outcome).toEqual({ kind: "exit", status: 127 });
    expect(lacking.said).toContain("this runs within the tree tools");
  });

  trial("finds its packages in repo/, indexed by the distribution's tool", async (one) => {
    const repo = makeAptRepo(join(one.dir, "apt"), [
      { name: "hello", files: { "/usr/share/hello": "hi\n" } },
    ]);
    const file = poolFile(repo, "hello");
    const { size } = statSync(file);
    const of = {
      ...{ name: "hello", version: "1.0", arch: hostArch(), size, location: "pool/hello.deb" },
      sha256: hashBytes(readFileSync(file)),
    };
    const packages = {
      driver: "apt",
      repo: null,
      arch: hostArch(),
      want: ["hello"],
      options: null,
      on: null,
    };
    const cmd =
      'cd repo; grep -h ^Package: $(find . -name Packages) >> "../$OUT"; dpkg-deb -c $(find . -name "*.deb") | grep -o "./usr/share/hello" >> "../$OUT"; ! touch x 2>/dev/null';
    const went = await execute(one, { cmd, action: { packages }, packages: { of, file } });
    expect(textOf(one, went)).toBe("Package: hello\n./usr/share/hello\n");
  });

  trial("runs what an array and a recipe say, with what lies beside that", async (one) => {
    const argv = { kind: "argv", argv: ["sh", "-c", 'echo "$1" > "$OUT"', "sh", "two words; $x"] } as const;
    expect(textOf(one, await execute(one, { action: { command: argv } }))).toBe("two words; $x\n");
    const recipe: Command = {
      kind: "recipe",
      name: "make.mjs",
      text: 'import { text } from "./text.mjs"; import { writeFileSync } from "node:fs"; writeFileSync(process.env.OUT, text);',
      beside: { "text.mjs": 'export const text = "by node";' },
    };
    expect(textOf(one, await execute(one, { action: { command: recipe } }))).toBe("by node");
    const shell = {
      kind: "recipe",
      name: "make.sh",
      text: 'false | true; echo not reached > "$OUT"',
    } as const;
    expect((await execute(one, { action: { command: shell } })).outcome).toEqual({ kind: "exit", status: 1 });
  });

  trial("takes the one file that a tool has dated, and nothing that was put there", async (one) => {
    const action = { collect: "made-{date}.txt" };
    const sources = { "made-20200101.txt": "source" };
    const went = await execute(one, { cmd: "echo x > made-20210203.txt", action, sources });
    expect(textOf(one, went)).toBe("x\n");
    expect((await execute(one, { action, sources })).outcome).toMatchObject({ kind: "guard", output: "OUT" });
  });

  trial("says how it failed, and keeps nothing of that", async (one) => {
    const shared = { outputs: [FILE("OUT", "out-{date}.txt"), FILE("TWO", "two.txt")] };
    const fails = async (cmd: string, action = {}): Promise<unknown> => {
      const kept = `[ -z "$OUT" ] || [ -d "$OUT" ] || echo kept > "$OUT"`;
      return (await execute(one, { cmd: `${kept}; ${cmd}`, action: { ...shared, ...action } })).outcome;
    };
    expect(await fails("exit 7")).toEqual({ kind: "exit", status: 7 });
    expect(await fails("kill -9 $$")).toEqual({ kind: "signal", signal: "SIGKILL" });
    expect(await fails("sleep 60 & sleep 60", { timeout: 0.2 })).toEqual({ kind: "timeout", seconds: 0.2 });
    expect(await fails("")).toEqual({ kind: "output-missing", output: "TWO", expected: "two.txt" });
    expect(await fails('mv "$OUT" .out/out-20200101.txt')).toEqual({
      ...{ kind: "wrong-date", expected: "out-20261130.txt", found: "out-20200101.txt" },
    });
    for (const [cmd, action] of [
      ['ln -s x "$TWO"', {}],
      ['mkdir "$TWO"', {}],
      ["rm -r .out; ln -s /etc .out", {}],
      ['echo x > "$TWO"', { guards: { minSize: 100 } }],
      ['echo x > "$TWO"', { guards: { magic: "7f454c46" } }],
      ['rm -r "$OUT"', { outputs: TREE }],
      ["true", { outputs: TREE, guards: { has: ["etc/passwd"] } }],
    ] as const)
      expect(await fails(cmd, action)).toMatchObject({ kind: "guard", message: expect.any(String) });
    expect(await fails("no-such-program")).toEqual({ kind: "exit", status: 127 });
    const argv = { kind: "argv", argv: ["true", "x".repeat(1 << 20)] } as const;
    expect((await execute(one, { action: { command: argv } })).outcome).toMatchObject({ kind: "problem" });
    expect(one.near.index.artifacts()).toEqual([]);
  });

  trial("stops when it is asked to, and at once where it must not wait", async (one) => {
    const begun = join(one.dir, "begun");
    const cmd = (how: string): string => `${how}; touch ${begun}; while :; do sleep 0.01; done`;
    const stop = new AbortController();
    const polite = execute(one, { cmd: cmd("trap 'exit 0' TERM; echo x > \"$OUT\""), stop });
    await until("it runs", () => existsSync(begun));
    stop.abort();
    expect((await polite).outcome).toEqual({ kind: "interrupted" });
    sh(one.dir, "rm begun");
    const [again, kill] = [new AbortController(), new AbortController()];
    const deaf = execute(one, { cmd: cmd("trap '' TERM"), stop: again, kill });
    await until("it runs", () => existsSync(begun));
    again.abort();
    kill.abort();
    expect((await deaf).outcome).toEqual({ kind: "interrupted" });
    const never = new AbortController();
    never.abort();
    expect((await execute(one, { cmd: `touch ${one.dir}/ran`, stop: never })).outcome).toEqual({
      kind: "interrupted",
    });
    expect(existsSync(join(one.dir, "ran"))).toBe(false);
  });

  trial("appends what it says to its log, whatever bytes those are", async (one) => {
    const cmd = "echo out; echo err >&2; printf 'caf\\303\\251 \\001\\n'; exit 1";
    expect((await execute(one, { cmd })).said).toBe("before\nout\nerr\ncafé \u0001\n");
    const piped = await execute(one, { cmd: "yes | head -1" });
    expect(piped.said).toContain("a program wrote to a pipe whose reader had ended");
  });

  trial("says what could not be kept, and fails where that is demanded", async (one) => {
    const cmd = 'echo x > "$OUT"; setfattr -n user.note -v x "$OUT"';
    const { outcome } = await execute(one, { cmd });
    expect(outcome).toMatchObject({
      kind: "made",
      notices: [{ message: expect.stringContaining("out.txt") }],
    });
    const guards = { lossless: true };
    expect((await execute(one, { cmd, action: { guards } })).outcome).toMatchObject({ kind: "guard" });
  });

  trial("runs nothing on what is not what its digest says", async (one) => {
    const ran = join(one.dir, "ran");
    const { near } = one;
    const [file, tree] = [await near.file("hello"), await near.tree("echo in > file")];
    chmodSync(near.store.path(file), 0o644);
    writeFileSync(near.store.path(file), "hellO");
    const layer = near.index.artifact(tree)?.layer ?? "";
    appendFileSync(join(near.layout.layers, layer, "file"), "more");
    for (const id of [file, tree]) {
      const { outcome } = await execute(one, {
        cmd: `touch ${ran}; cat -r "$IN" > "$OUT"`,
        inputs: { IN: id },
      });
      expect(outcome).toMatchObject({ kind: "not-run", problem: { exit: 3 } });
    }
    const missing = await execute(one, { inputs: { IN: `f:${"0".repeat(64)}` } });
    expect(missing.outcome).toMatchObject({ kind: "not-run" });
    expect(existsSync(ran)).toBe(false);
  });

  trial("executes many at once, each for itself", async (one) => {
    const numbers = [...Array(8).keys()];
    const all = await Promise.all(
      numbers.map((n) =>
        execute(one, { cmd: `sleep 0.${n}; cat n > "$OUT"; echo ${n}`, sources: { n: String(n) } }),
      ),
    );
    expect(all.map((went) => textOf(one, went))).toEqual(numbers.map(String));
    expect(all.map(({ said }) => said)).toEqual(numbers.map((n) => `before\n${n}\n`));
  });

  trial("says beforehand what keeps an action from being executed", async ({ executor }) => {
    const actions = [
      actionOf({ id: "plain" }),
      actionOf({ id: "asks", interactive: true }),
      actionOf({ id: "lacks", tools: [{ name: "no-such-tool", package: "no-such-package" }] }),
    ];
    const able = await executor.obstacles(actions, "able");
    expect([...able.keys()]).toEqual(["asks", "lacks"]);
    expect(able.get("lacks")).toMatchObject({ exit: 3, message: expect.stringContaining("no-such-tool") });
    expect((await executor.obstacles(actions, "allowed")).size).toBe(0);
  });
}
