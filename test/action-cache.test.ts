// The contract of an action cache, held by every implementation: the index here, and a directory that machines share.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import type { ActionCache, Made } from "../cache/action-cache.js";
import { DirectoryActions } from "../cache/directory/actions.js";
import { Share } from "../cache/directory/place.js";
import { Index } from "../cache/index.js";
import { LocalActions } from "../cache/local/actions.js";
import { unwrap } from "../cache/problem.js";
import { inDir } from "./support/trees.js";

const said: string[] = [];

const shareIn = async (dir: string): Promise<Share> => {
  mkdirSync(join(dir, "share"), { recursive: true });
  return unwrap(await Share.open(join(dir, "share"), "file:///share", { readOnly: false, owners: null }));
};

/** Each opened anew: what was put has to be there for the next who comes. */
const IMPLEMENTATIONS: Readonly<Record<string, (dir: string) => Promise<ActionCache>>> = {
  "the index": (dir) => {
    const index = Index.open(join(dir, "index.db"), (message) => said.push(message));
    const settings = { line: "", release: "20261130", source: "file:///share" };
    return Promise.resolve(new LocalActions(index, settings));
  },
  "a shared directory": async (dir) =>
    new DirectoryActions(await shareIn(dir), (message) => said.push(message)),
};

const hex = (digit: string): string => digit.repeat(64);

const made = (key: string, id = `f:${hex("a")}`): Made => ({
  ...{
    key: hex(key),
    action: "rootfs-x86_64",
    epoch: 1_700_000_000,
    started: 1_764_500_000_000,
    duration: 1500,
  },
  components: [
    { name: "rule", value: "run" },
    { name: "schema", value: "4" },
  ],
  outputs: { OUT: { id, size: 0, parent: null } },
  machine: "builder",
  log: null,
});

describe.each(Object.entries(IMPLEMENTATIONS))("%s", (_, open) => {
  test("knows nothing before anything was put", () =>
    inDir(async (dir) => {
      expect((await (await open(dir)).find([hex("1"), hex("2")])).size).toBe(0);
    }));

  test("gives back what was put, whoever asks, and of many keys those that it knows", () =>
    inDir(async (dir) => {
      const results = [made("1"), made("2", `t:${hex("b")}`)];
      expect(unwrap(await (await open(dir)).put(results))).toEqual([]);
      const found = await (await open(dir)).find([hex("1"), hex("2"), hex("3")]);
      expect([...found.values()]).toEqual(results);
    }));

  test("keeps what it has: the same again is no news, another result is a disagreement", () =>
    inDir(async (dir) => {
      const cache = await open(dir);
      unwrap(await cache.put([made("1")]));
      expect(unwrap(await cache.put([made("1")]))).toEqual([]);
      const other = { ...made("1", `f:${hex("c")}`), machine: "another" };
      expect(unwrap(await cache.put([other]))).toMatchObject([{ key: hex("1"), machine: "builder" }]);
      expect((await cache.find([hex("1")])).get(hex("1"))).toEqual(made("1"));
    }));

  test("keeps several outputs of one action apart", () =>
    inDir(async (dir) => {
      const two = made("1");
      const outputs = { ...two.outputs, "b.txt": { id: `x:${hex("d")}`, size: 0, parent: null } };
      const cache = await open(dir);
      unwrap(await cache.put([{ ...two, outputs }]));
      expect((await cache.find([hex("1")])).get(hex("1"))?.outputs).toEqual(outputs);
    }));
});

describe("results in a shared directory", () => {
  const path = (dir: string): string => join(dir, "share", "v1", "results", "11", `${hex("1")}.json`);
  const text = (dir: string): string => readFileSync(path(dir), "utf8");

  test.each<[string, (dir: string) => string]>([
    ["cut off", (dir) => text(dir).slice(0, -20)],
    ["with another output", (dir) => text(dir).replaceAll("a".repeat(64), "e".repeat(64))],
    ["empty", () => ""],
    ["not of this form", () => '{"key":1}'],
  ])("count as not there, are named, and are written again: %s", (_, change) =>
    inDir(async (dir) => {
      const cache = new DirectoryActions(await shareIn(dir), (message) => said.push(message));
      unwrap(await cache.put([made("1")]));
      const changed = change(dir);
      writeFileSync(path(dir), changed);
      said.length = 0;
      expect((await cache.find([hex("1")])).size).toBe(0);
      expect(said.join()).toContain(path(dir));
      unwrap(await cache.put([made("1")]));
      expect((await cache.find([hex("1")])).size).toBe(1);
    }),
  );

  test("hold no path of the machine that made them, and leave nothing half-written", () =>
    inDir(async (dir) => {
      const cache = new DirectoryActions(await shareIn(dir), (message) => said.push(message));
      unwrap(await cache.put([{ ...made("1"), log: "/home/somebody/.imagemake/logs/1.log" }]));
      expect(text(dir)).not.toContain("somebody");
      expect(readdirSync(join(dir, "share", "v1", "tmp"))).toEqual([]);
      expect(existsSync(path(dir))).toBe(true);
    }));
});
