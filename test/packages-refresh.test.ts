// Which closures `release refresh` takes anew, on graphs that an Imagefile makes.
import { describe, expect, test } from "@jest/globals";
import { evaluate } from "../engine/evaluate/load.js";
import type { Graph } from "../engine/model.js";
import { hasOwnPackages, toRefresh } from "../engine/release/refresh.js";
import { unwrap } from "../engine/problem.js";
import { makeProject } from "./support/cli.js";

const IMAGEFILE = `
import { apt, rule, run, step } from "imagemake";
const repo = apt({ url: "host", suite: "tiny" });
const hidden = rule.rootfs({ repo, arch: "amd64", packages: ["base"] });
export const rootfs = rule.rootfs({ repo, arch: "amd64", packages: ["base"], out: "rootfs.tar" });
export const a = rule.platformfs({ from: rootfs, packages: ["a1"], steps: [step.write("f", "x"), step.install(["a2"])], out: "a.tar" });
export const b = rule.platformfs({ from: rootfs, packages: ["b1"] });
export const onA = rule.platformfs({ from: a, packages: ["c1"] });
export const onHidden = rule.platformfs({ from: hidden, packages: ["d1"] });
export const alsoOnHidden = rule.platformfs({ from: hidden, packages: ["e1"] });
export const net = rule.pxe({ from: rootfs, cmdline: "", out: "net.tar.gz" });
export const plain = run({ inputs: { TAR: a }, cmd: ":", out: "plain" });
`;

async function graphOf(text: string): Promise<Graph> {
  const project = makeProject({ "Imagefile.ts": text });
  try {
    return unwrap(await evaluate({ file: project.path("Imagefile.ts"), args: {} })).graph;
  } finally {
    project.remove();
  }
}

/** The first package that each of the actions asks for. */
const wanted = (graph: Graph, targets: readonly string[] | null): readonly unknown[] =>
  toRefresh(graph, targets)
    .map((action) => action.packages?.want[0])
    .sort();

describe("a refresh", () => {
  const graph = graphOf(IMAGEFILE);

  test("of everything takes every list anew", async () => {
    expect(wanted(await graph, null)).toHaveLength(9);
  });

  test.each([
    ["a", ["a1", "a2", "c1"]],
    ["a.tree", ["a1", "a2", "c1"]],
    ["b", ["b1"]],
    ["on-a", ["c1"]],
  ])("of %s takes its own layers and what is built on it, not what it is built on", async (target, names) => {
    expect(wanted(await graph, [target])).toEqual(names);
  });

  test("of a root filesystem takes all that is built on it", async () => {
    const names = wanted(await graph, ["rootfs"]);
    expect(names).toEqual(expect.arrayContaining(["a1", "a2", "b1", "base", "c1"]));
    expect(names).not.toEqual(expect.arrayContaining(["d1"]));
  });

  test("takes what has no name of its own along, and all others that use it", async () => {
    expect(wanted(await graph, ["on-hidden"])).toEqual(["base", "d1", "e1"]);
  });

  test("of a network-boot tarball takes its kernel", async () => {
    const names = wanted(await graph, ["net"]);
    expect([names.length, names.includes("base")]).toEqual([1, false]);
  });

  test("of what has no packages takes nothing", async () => {
    const own = await Promise.all(["plain", "net", "a"].map(async (id) => hasOwnPackages(await graph, id)));
    expect(own).toEqual([false, true, true]);
    expect(wanted(await graph, ["plain"])).toEqual([]);
  });
});
