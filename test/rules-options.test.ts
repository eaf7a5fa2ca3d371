// The rules' own checks: what a wrong option is told, in one line that names the option, and what becomes of
// right ones. Imagefiles are TypeScript, but nothing makes their authors run the compiler.
import { afterEach, describe, expect, test } from "@jest/globals";
import { inside, isHandle, orderOf, projectOf, type ActionSpec } from "../engine/declare.js";
import { askedFor, resetArgs, setArgs } from "../engine/evaluate/args.js";
import { ProblemError } from "../engine/problem.js";
import { declarationsIn, describe as described } from "../rules/describe.js";
import * as imagemake from "../targets/index.js";
import {
  apt,
  arg,
  both,
  each,
  env,
  files,
  keymap,
  list,
  probe,
  project,
  rule,
  run,
  step,
  xbps,
} from "../rules/index.js";

afterEach(resetArgs);

// What an author without a compiler may write: the types of the rules are put aside on purpose.
const loose = { apt, arg, each, env, files, list, probe, project, ...rule } as unknown as Readonly<
  Record<string, (...args: unknown[]) => unknown>
>;
const looseStep = step as unknown as Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** The message of the problem that `call` ends with, without the place before it, and its hint. */
function told(call: () => unknown): string {
  try {
    call();
  } catch (thrown) {
    if (!(thrown instanceof ProblemError)) throw thrown;
    expect(thrown.problem.exit).toBe(2);
    const { message, hint } = thrown.problem;
    return message.replace(/^(?:\S+:\d+|Imagefile): /, "") + (hint === undefined ? "" : ` (${hint})`);
  }
  return "no problem";
}

const specOf = (target: unknown): ActionSpec => {
  if (!isHandle(target)) throw new Error("not a target");
  return inside(target).draft.spec;
};

const repo = apt({ url: "host", suite: "bookworm" });
const tree = rule.rootfs({ repo, arch: "amd64", packages: ["dpkg"] });
const simple = { inputs: {}, cmd: "true", out: "x" };

describe("a wrong option is told what was expected and what was found", () => {
  test.each<[string, string, unknown]>([
    ["run", "unknown option output; did you mean out?", { inputs: {}, cmd: "true", output: "x" }],
    ["run", "inputs: expected { NAME: target or source }, found nothing", { cmd: "true", out: "x" }],
    ["run", "cmd: expected a command: text for bash, or an array of words, found 5", { ...simple, cmd: 5 }],
    ["run", "expected one of out, outs and tree: true, found none", { inputs: {}, cmd: "true" }],
    ["run", "expected one of out, outs and tree: true, found out and tree", { ...simple, tree: true }],
    ["run", "outs: expected at least one output, found none", { inputs: {}, cmd: "true", outs: {} }],
    ["run", 'out: a file name, without directories; found "a/b"', { ...simple, out: "a/b" }],
    ["run", "out: only {date} is filled in; found {dat}", { ...simple, out: "a-{dat}" }],
    ["run", "timeout: expected a number of seconds, found 0", { ...simple, timeout: 0 }],
    [
      "run",
      'guards.minSize: expected bytes or a size such as "1MiB", found "1MB"',
      { ...simple, guards: { minSize: "1MB" } },
    ],
    ["run", "unknown option guards.minsize; did you mean minSize?", { ...simple, guards: { minsize: 1 } }],
    [
      "run",
      'guards.has[1]: expected a path relative to the tree\'s root, found "/etc"',
      { ...simple, guards: { has: ["a", "/etc"] } },
    ],
    ["run", "env.A: expected { NAME: text }, found 5", { ...simple, env: { A: 5 } }],
    ["run", "env.A: an input has that name", { ...simple, inputs: { A: files("a") }, env: { A: "5" } }],
    [
      "run",
      'inputs.A: expected a target, or files(), list(), env(), probe(), found "a.txt"',
      { ...simple, inputs: { A: "a.txt" } },
    ],
    [
      "run",
      "collect: it fills $OUT, so it needs out",
      { inputs: {}, cmd: "true", tree: true, collect: "a-{date}" },
    ],
    ["check", "unknown option out; known are inputs, cmd, env, ", { inputs: {}, cmd: "true", out: "x" }],
    [
      "rootfs",
      'arch: expected one of amd64, arm64, armhf, i386, ppc64el, riscv64, s390x, found "x86_64"',
      { repo, arch: "x86_64", packages: [] },
    ],
    [
      "rootfs",
      'repo: expected a repository: apt(…), xbps(…), pacman(…) or dnf(…), found "host"',
      { repo: "host", arch: "amd64", packages: [] },
    ],
    [
      "rootfs",
      'packages: expected package names in an array, or list("file"), found "vim"',
      { repo, arch: "amd64", packages: "vim" },
    ],
    [
      "rootfs",
      "packages[1]: expected a package name or list(), found a source (files)",
      { repo, arch: "amd64", packages: ["vim", files("x")] },
    ],
    ["rootfs", "unknown option step; did you mean steps?", { repo, arch: "amd64", packages: [], step: [] }],
    [
      "rootfs",
      'steps[0]: expected a step (step.install, step.overlay, …), found "vim"',
      { repo, arch: "amd64", packages: [], steps: ["vim"] },
    ],
    [
      "rootfs",
      'out: expected a name that ends in .tar, .tar.gz, .tar.xz, .tar.zst, .cpio.gz, .cpio.bz2, .cpio.xz, .cpio.zst, or pack; found "a.img"',
      { repo, arch: "amd64", packages: [], out: "a.img" },
    ],
    ["platformfs", "from: expected a tree, found a file target", { from: run(simple) }],
    [
      "platformfs",
      "packages: the tree beneath was not made by rootfs, so no repository is known for it",
      { from: run({ inputs: {}, cmd: "true", tree: true }), packages: ["vim"] },
    ],
    ["pxe", "out: expected a file name, found nothing", { from: tree }],
    [
      "pxe",
      "from: expected a tree of amd64, found one of arm64",
      { from: rule.rootfs({ repo, arch: "arm64", packages: [] }), out: "x.tar.gz" },
    ],
    [
      "rootfs",
      "arch: expected one of i686, x86_64, x86_64-musl, armv5tel, armv5tel-musl, armv6l, armv6l-musl, armv7l, armv7l-musl, aarch64, aarch64-musl",
      { repo: xbps("./repo"), arch: "amd64", packages: [] },
    ],
    [
      "rootfs",
      'variant: expected nothing, because only apt has variants, found "minbase"',
      { repo: xbps("./repo"), arch: "x86_64", packages: [], variant: "minbase" },
    ],
    [
      "rootfs",
      'arch: expected one of amd64, arm64, armhf, i386, ppc64el, riscv64, s390x, found "x86_64-musl"',
      { repo, arch: "x86_64-musl", packages: [] },
    ],
    [
      "apt",
      'url: expected a URL, a directory, or "host", found "gopher://mirror"',
      { url: "gopher://mirror", suite: "bookworm" },
    ],
    ["project", "default[0]: expected a target or a group of targets, found 1", { default: [1] }],
    [
      "project",
      'epoch: expected a date such as "2026-11-21", or seconds since 1970, found "soon"',
      { epoch: "soon" },
    ],
    ["project", `nativeOnly: expected package names in an array, found "ghc"`, { nativeOnly: "ghc" }],
    [
      "rootfs",
      `native: expected true or false, found "yes"`,
      { repo, arch: "amd64", packages: ["a"], native: "yes" },
    ],
    ["project", "unknown option release.gates; did you mean gate?", { release: { gates: [] } }],
    [
      "iso",
      "contents.../x: expected a path inside the image, without `..`, `=` and backslashes",
      {
        ...rule.extract(tree, { kernel: "boot/k", initrd: "boot/i" }),
        ...{ contents: { "../x": files("a") }, label: "X", out: "x.iso" },
      },
    ],
  ])("%s: %s", (name, message, options) => {
    expect(told(() => loose[name]?.(options))).toContain(`${name}: ${message}`);
  });

  test("what is called with an object, and takes words, is told how it is called", () => {
    const url = { url: "../repo" } as unknown as string;
    const form = (call: () => unknown): string =>
      /\((it is called .*)\)$/.exec(told(call))?.[1] ?? "not told";
    expect(form(() => xbps(url))).toBe("it is called xbps(url, { … })");
    expect(form(() => looseStep["install"]?.({ packages: ["a"] }))).toBe(
      "it is called step.install(packages, { … })",
    );
    expect(form(() => looseStep["dconf"]?.("local"))).toBe("it is called step.dconf(db, keys, { … })");
    expect(form(() => loose["unpack"]?.({ from: "x" }))).toBe("it is called unpack(from)");
    expect(form(() => xbps("gopher://x"))).toBe("not told");
  });

  test("the line begins with the place of the call", () => {
    expect(() => loose["run"]?.({})).toThrow(
      /^(?:\S+rules-options\.test\.[jt]s:\d+|Imagefile): run: inputs: /,
    );
  });

  test.each(["src", "1A", "A-B", "é"])("an input called %s is no variable", (name) => {
    expect(told(() => loose["run"]?.({ ...simple, inputs: { [name]: files("a") } }))).toContain(
      `inputs.${name}: `,
    );
  });

  test.each(["OUT", "PATH", "HOME", "DATECODE"])("an input called %s is refused", (name) => {
    expect(told(() => loose["run"]?.({ ...simple, inputs: { [name]: files("a") } }))).toMatch(/engine's own/);
  });

  test.each<[string, readonly unknown[], string]>([
    ["overlay", ["."], 'step.overlay: expected a directory beside the Imagefile, found "."'],
    ["overlay", ["/"], 'step.overlay: expected a directory beside the Imagefile, found "/"'],
    [
      "overlay",
      [files(["etc/*", "/srv/files/*"])],
      'step.overlay: expected files of one directory, found ["etc/*","/srv/files/*"]',
    ],
    [
      "overlay",
      ["a", { modes: { b: "rwx" } }],
      'step.overlay: modes.b: expected { path or pattern: "755" }, or "keep", found "rwx"',
    ],
    [
      "write",
      ["../etc/passwd", ""],
      'step.write: path: expected a path inside the tree, found "../etc/passwd"',
    ],
    [
      "write",
      ["etc/a", "x".repeat(200_000)],
      "step.write: content: expected text of less than 120,000 bytes",
    ],
    [
      "write",
      ["etc/a", "", { mode: 600 }],
      "step.write: mode: 600 is the mode 1130 in octal digits; did you mean 0o600?",
    ],
    ["write", ["etc/a", "", { mode: 755 }], "did you mean 0o755?"],
    [
      "write",
      ["etc/a", "", { mode: "rw" }],
      'step.write: mode: expected a mode such as 0o644 or "644", found "rw"',
    ],
    ["link", ["etc/a"], "step.link: to: expected a path, found nothing"],
    ["remove", [["/"]], 'step.remove: paths[0]: expected a path or list(), found "/"'],
    ["users", [{ User: {} }], "step.users: users.User: a name begins with a small letter"],
    [
      "users",
      [{ user: { sudo: 1 } }],
      'step.users: users.user.sudo: expected true, false or "nopasswd", found 1',
    ],
    ["users", [{ user: { group: [] } }], "step.users: unknown option users.user.group; did you mean groups?"],
    [
      "users",
      [{ user: { password: "geheim" } }],
      'step.users: users.user.password: expected "locked", "blank" or { hash }; what was given is not shown',
    ],
    [
      "users",
      [{ user: { password: { hash: "geheim" } } }],
      "step.users: users.user.password: expected a hash as crypt(5) has it, such as `openssl passwd -6` prints; " +
        "a password itself is not accepted; what was given is not shown",
    ],
    [
      "users",
      [{ user: { password: "locked", expire: true } }],
      "step.users: users.user: expire: nobody logs in with a locked password",
    ],
    ["services", [[]], "step.services: expected the name of a service, found none"],
    ["services", [["../a"]], 'step.services: names[0]: expected the name of a service, found "../a"'],
    ["graft", ["nix", "nix"], 'step.graft: tree: expected a tree, found "nix"'],
    ["dconf", ["a/b", {}], 'step.dconf: db: expected the name of a database, found "a/b"'],
    [
      "dconf",
      ["a", { "b c": {} }],
      'step.dconf: keys.b c: a path such as org/gnome/desktop/interface, found "b c"',
    ],
    [
      "dconf",
      ["a", { "b/c": { d: "1" }, "/b/c/": { e: "2" } }],
      'step.dconf: keys: "b/c" and "/b/c/" are one path: put their keys together',
    ],
    ["dconf", ["a", { b: { c: "" } }], "step.dconf: keys.b.c: expected a value as GVariant text"],
    ["dconf", ["a", {}, { locks: ["b/c"] }], "step.dconf: locks[0]: expected a key with its whole path"],
    ["hook", ["hooks/"], 'step.hook: script: expected a file, found "hooks/"'],
    ["hook", ["a", { env: { ARCH: "x" } }], "step.hook: env: SCRIPT, SOURCED, BASE, ARCH, "],
    ["install", [["-y"]], 'step.install: packages[0]: expected a package name or list(), found "-y"'],
  ])("step.%s(%j)", (name, args, message) => {
    expect(told(() => looseStep[name]?.(...args))).toContain(message);
  });
});

test.each<[unknown, string]>([
  ["ch+fr_nodeadkeys", 'found "ch+fr_nodeadkeys"; the console spells it ch-fr_nodeadkeys'],
  ["ch fr", 'expected a layout, or layout-variant such as "ch-fr_nodeadkeys", found "ch fr"'],
  [5, "found 5"],
])("keymap(%j)", (given, message) => {
  expect(told(() => (keymap as (name: unknown) => unknown)(given))).toContain(message);
});

test("a keymap has the spelling of the console and that of XKB", () => {
  expect(["us", "ch-fr_nodeadkeys", "us-altgr-intl"].map((name) => keymap(name).xkb)).toEqual([
    "us",
    "ch+fr_nodeadkeys",
    "us+altgr-intl",
  ]);
});

describe("groups", () => {
  const make = (key: string) => run({ inputs: {}, cmd: "true", out: key });

  test("keep the order of their keys, whatever JavaScript thinks of numbers", () => {
    expect(orderOf(each(["10", "9", "b", "a"], make))?.keys).toEqual(["10", "9", "b", "a"]);
    const inner = each(["10", "9"], make);
    expect(orderOf(each(inner, (key) => make(key)))?.keys).toEqual(["10", "9"]);
  });

  test("are narrowed by VAR=, and still have every member", () => {
    setArgs({ ARCHS: " b  a" });
    const group = each(["a", "b", "c"], make, { only: "ARCHS" });
    expect(Object.keys(group)).toEqual(["a", "b", "c"]);
    expect([...(orderOf(group)?.only ?? [])].sort()).toEqual(["a", "b"]);
    expect(askedFor()["ARCHS"]).toEqual({ value: " b  a", of: ["a", "b", "c"] });
  });

  test("mean all of them where VAR= is blank", () => {
    setArgs({ ARCHS: " " });
    expect(orderOf(each(["a"], make, { only: "ARCHS" }))?.only).toBeNull();
  });

  test("refuse a selection that is no key, and name the nearest", () => {
    setArgs({ ARCHS: "amd46" });
    expect(told(() => each(["amd64", "arm64"], make, { only: "ARCHS" }))).toBe(
      "ARCHS=amd46: not one of amd64 arm64 (did you mean amd64?)",
    );
  });

  test.each(["all", "all-musl", "a/b", "", "a b", "__proto__"])("refuse the key %j", (key) => {
    expect(told(() => each([key], make))).toContain(`"${key}"`);
  });

  test("refuse a key twice, a member that is no target, a table that is a target", () => {
    expect(told(() => each(["a", "a"], make))).toContain('key "a" occurs twice');
    expect(told(() => loose["each"]?.(["a"], () => "x"))).toBe(
      'each: a: expected a target or a group, found "x"',
    );
    expect(told(() => loose["each"]?.(tree, make))).toContain("found a tree target");
  });

  test("both() puts each musl after its glibc", () => {
    expect(both("x86_64", "aarch64")).toEqual(["x86_64", "x86_64-musl", "aarch64", "aarch64-musl"]);
  });
});

describe("arg", () => {
  test("reads VAR=, then the environment, then the default", () => {
    process.env["IMAGEMAKE_TEST_ARG"] = "environment";
    try {
      expect(arg("IMAGEMAKE_TEST_ARG", "default")).toBe("environment");
      setArgs({ IMAGEMAKE_TEST_ARG: "line" });
      expect(arg("IMAGEMAKE_TEST_ARG", "default")).toBe("line");
    } finally {
      delete process.env["IMAGEMAKE_TEST_ARG"];
    }
    resetArgs();
    expect(arg("IMAGEMAKE_TEST_ARG", "default")).toBe("default");
    expect(askedFor()).toEqual({ IMAGEMAKE_TEST_ARG: { value: "default", of: null } });
  });

  test("refuses what is no choice, and names the nearest", () => {
    setArgs({ BUILD: "nativ" });
    expect(told(() => arg("BUILD", "native", ["native", "scripts"]))).toBe(
      "BUILD=nativ: not one of native scripts (did you mean native?)",
    );
  });
});

describe("what becomes of right options", () => {
  test("sizes are bytes, guards split between a file and the tree in it", () => {
    const packed = rule.rootfs({
      repo,
      arch: "amd64",
      packages: [],
      out: "a.tar.xz",
      guards: { minSize: "1MiB", has: ["etc/os-release"] },
    });
    expect(specOf(packed).guards).toEqual({ minSize: 1024 ** 2, magic: "fd377a585a00" });
    expect(specOf(packed.tree).guards).toEqual({ has: ["var/lib/dpkg/status", "etc/os-release"] });
  });

  test("a rule that takes a tree takes a packed one's tree; run takes its file", () => {
    const packed = rule.rootfs({ repo, arch: "amd64", packages: [], out: "a.tar.xz" });
    expect(specOf(rule.platformfs({ from: packed, packages: ["vim"] })).inputs["BASE"]).toBe(packed.tree);
    expect(specOf(run({ ...simple, inputs: { A: packed } })).inputs["A"]).toBe(packed);
  });

  test("packages and each step are layers of their own, in order", () => {
    const last = rule.platformfs({
      from: tree,
      packages: ["vim"],
      steps: [step.write("etc/a", "1"), step.link("etc/b", "a"), step.remove(["etc/c"])],
    });
    const rules = [];
    for (
      let at: unknown = last;
      isHandle(at) && at.lineage !== undefined && "BASE" in specOf(at).inputs;
      at = specOf(at).inputs["BASE"]
    ) {
      rules.unshift(specOf(at).rule);
    }
    expect(rules).toEqual(["step.install", "step.write", "step.link", "step.remove"]);
  });

  test("another command line of a netboot tarball leaves kernel and initial RAM file system alone", () => {
    const [one, other] = ["quiet", "debug"].map((cmdline) =>
      specOf(rule.pxe({ from: tree, cmdline, out: "a.tar.gz" })),
    );
    for (const input of ["KERNEL", "INITRD"]) {
      expect(specOf(one?.inputs[input]).command).toEqual(specOf(other?.inputs[input]).command);
      expect(specOf(one?.inputs[input]).env).toEqual(specOf(other?.inputs[input]).env);
    }
    expect(one?.env).not.toEqual(other?.env);
  });

  test("inImage is in the tree but not in what is resolved", () => {
    const there = apt({ url: "host", suite: "bookworm", inImage: "https://mirror.example.org/debian" });
    const spec = specOf(rule.rootfs({ repo: there, arch: "amd64", packages: [] }));
    expect(spec.env?.["IN_IMAGE"]).toBe("deb https://mirror.example.org/debian bookworm main");
    expect(spec.packages).toEqual({ ...specOf(tree).packages, want: [] });
  });

  test("a project's epoch is seconds, in UTC", () => {
    const epochOf = (epoch: string): unknown => (projectOf(project({ epoch })) as { epoch: unknown }).epoch;
    expect(
      ["1700000000", "2023-11-14", "2023-11-14T22:13:20", "2023-11-14T23:13:20+01:00"].map(epochOf),
    ).toEqual([1_700_000_000, 1_699_920_000, 1_700_000_000, 1_700_000_000]);
  });
});

test("every option of every rule and step says its type and what it does", () => {
  for (const { name, text, options } of declarationsIn(imagemake).map(described)) {
    expect([name, text, options.length]).not.toEqual([name, "", 0]);
    for (const option of [...options, ...options.flatMap((one) => one.options)]) {
      const text = [name, option.name, option.type, option.description];
      expect([text, text.includes("")]).toEqual([text, false]);
    }
  }
});
