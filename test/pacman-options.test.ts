// pacman(…) in an Imagefile: what it makes of a pacman.conf, and what somebody is told who got it wrong. No pacman is
// needed for it.
import { describe, expect, test } from "@jest/globals";
import { evaluate } from "../engine/evaluate/load.js";
import type { Action, Graph } from "../engine/model.js";
import type { Result } from "../engine/problem.js";
import { makeProject } from "./support/cli.js";
import { problem, value } from "./support/apt-driver.js";

const CONF = `[options]
SigLevel = Never
NoExtract = usr/share/man/* !usr/share/man/man1/*
[core]
Server = https://one.invalid/$repo/$arch
[extra]
Server = https://one.invalid/$repo/$arch
`;

async function graphOf(repo: string, conf: string | null = CONF, more = ""): Promise<Result<Graph>> {
  const project = makeProject({
    "Imagefile.ts": `import { apt, files, list, pacman, rule, step } from "imagemake";
export const rootfs = rule.rootfs({ repo: ${repo}, arch: "x86_64", packages: ["base"]${more} });
export const platform = rule.platformfs({ from: rootfs, packages: ["vim"] });`,
    ...(conf === null ? {} : { "pacman.conf": conf }),
  });
  try {
    const evaluated = await evaluate({ file: project.path("Imagefile.ts"), args: {} });
    return evaluated.ok ? { ok: true, value: evaluated.value.graph } : evaluated;
  } finally {
    project.remove();
  }
}

const FILE = 'files("pacman.conf")';

describe("what a pacman.conf becomes", () => {
  const actions = async (repo: string, conf?: string): Promise<readonly Action[]> =>
    value(await graphOf(repo, conf)).actions;
  const environments = (all: readonly Action[]): unknown => all.map(({ id, env }) => [id, env]);

  test("the sections are the repositories, and what is not unpacked is the image's", async () => {
    const all = await actions(`pacman(${FILE})`);
    expect(all[0]?.packages?.repo).toEqual({
      repositories: ["core", "extra"].map((name) => ({
        name,
        servers: ["https://one.invalid/$repo/$arch"],
        sigLevel: "",
        usage: "",
      })),
      sigLevel: "Never",
      keys: null,
      ignore: { packages: [], groups: [] },
    });
    const NO_EXTRACT = "usr/share/man/* !usr/share/man/man1/*";
    expect(environments(all)).toEqual([
      ["rootfs", { ARCH: "x86_64", NO_EXTRACT, IN_IMAGE: "" }],
      ["platform", { ARCH: "x86_64", NO_EXTRACT }],
    ]);
  });

  test("where packages come from is in no environment; what the image uses is", async () => {
    const moved = await actions(`pacman(${FILE}, { url: "./mirror/$repo" })`);
    const renamed = CONF.replaceAll("one.invalid", "two.invalid").replace(
      "[options]",
      "# by hand\n[options]\nColor",
    );
    expect(environments(moved)).toEqual(environments(await actions(`pacman(${FILE})`, renamed)));
    const inImage = await actions(`pacman(${FILE}, { inImage: "https://three.invalid/$repo" })`);
    expect(inImage[0]?.env["IN_IMAGE"]).toBe("https://three.invalid/$repo");
    expect(inImage[1]?.env).not.toHaveProperty("IN_IMAGE");
  });
});

describe("a mistake is told in words", () => {
  const SIGNED = CONF.replace("Never", "Required DatabaseOptional");
  const INCLUDE = CONF.replace(/Server.*/, "Include = /etc/pacman.d/mirrorlist");
  test.each<[string, string | null, string, string]>([
    [`pacman(${FILE})`, null, "", "pacman.conf cannot be read: "],
    [`pacman(files("*.conf"))`, CONF, "", "*.conf cannot be read: "],
    [`pacman(files(["pacman.conf", "b"]))`, CONF, "", "conf: expected the name of one file"],
    [`pacman("pacman.conf" as never)`, CONF, "", `conf: expected files("pacman.conf"), found "pacman.conf"`],
    [
      `pacman(list("pacman.conf") as never)`,
      CONF,
      "",
      `conf: expected files("pacman.conf"), found a source (list)`,
    ],
    [`pacman(${FILE}, { mirror: "x" } as never)`, CONF, "", "unknown option mirror"],
    [
      `pacman(${FILE}, { url: "mirror" })`,
      CONF,
      "",
      "url: expected $repo in it, because pacman.conf has several repositories (core, extra)",
    ],
    [
      `pacman(${FILE}, { url: "https://one.invalid/" })`,
      CONF,
      "",
      "url: expected $repo in it, because pacman.conf has several repositories (core, extra)",
    ],
    [`pacman(${FILE})`, "[options]\n", "", "pacman.conf has no repository, which is a section [name]"],
    [`pacman(${FILE})`, `${CONF}[core]\n`, "", "pacman.conf: line 8: the repository [core] twice"],
    [
      `pacman(${FILE})`,
      INCLUDE,
      "",
      "pacman.conf: [core] has no Server (line 5: Include is not followed); url says where packages come from",
    ],
    [
      `pacman(${FILE})`,
      SIGNED,
      "",
      "keys: expected files(…), because SigLevel in pacman.conf demands signatures in [core], found nothing",
    ],
    [`pacman(${FILE})`, CONF, `, variant: "apt"`, "variant: expected nothing, because only apt has variants"],
    [
      `pacman(${FILE})`,
      CONF,
      `, arch: "amd64" as never`,
      `arch: expected one of x86_64, aarch64, armv7h, riscv64, found "amd64"`,
    ],
  ])("%s over %j%s", async (repo, conf, more, message) => {
    const said = problem(await graphOf(repo, conf, more));
    expect([said.exit, said.message]).toEqual([2, expect.stringContaining(message)]);
    expect(said.message).toMatch(/Imagefile\.ts:2: (?:pacman|rootfs): /);
  });
});
