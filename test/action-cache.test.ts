// The contract of an action cache, held by every implementation: the index here, a directory that machines share, and remote
// caches. A result is put once its contents are there.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { ActionCache, Made } from "../cache/action-cache.js";
import { DirectoryActions } from "../cache/directory/actions.js";
import { Share } from "../cache/directory/place.js";
import { hashBytes } from "../cache/hash.js";
import { Index } from "../cache/index.js";
import { LocalActions } from "../cache/local/actions.js";
import { ok, unwrap, type Result } from "../cache/problem.js";
import {
  closeLinks,
  HAS_SERVER,
  NO_SERVER,
  remoteAt,
  SERVERS,
  type RunningServer,
} from "./support/remote.js";
import { inDir } from "./support/trees.js";

const said: string[] = [];

const shareIn = async (dir: string): Promise<Share> => {
  mkdirSync(join(dir, "share"), { recursive: true });
  return unwrap(await Share.open(join(dir, "share"), "file:///share", { readOnly: false, owners: null }));
};

/** Servers that run, by the directory of a test. */
const running = new Map<string, RunningServer>();
afterEach(() => {
  closeLinks();
  for (const server of running.values()) server.stop();
  running.clear();
});

/** One that has all contents of these tests, as caches have whose results name them. */
const remoteIn =
  (start: (dir: string) => Promise<RunningServer>) =>
  async (dir: string): Promise<ActionCache> => {
    const server = running.get(dir) ?? (await start(dir));
    running.set(dir, server);
    const { actions, contents } = remoteAt(server.url, join(dir, "here"), said);
    const copy = (files: ReadonlyMap<string, string>): Promise<Result<void>> => {
      for (const path of files.values()) writeFileSync(path, "");
      return Promise.resolve(ok(undefined));
    };
    const files = [EMPTY, `x:${EMPTY.slice(2)}`].map((id) => ({ id, manifest: null }));
    for (const { id, manifest } of [...files, ...TREES])
      expect((await contents.take([{ id, size: 0, manifest, parent: null, copy }])).size).toBe(0);
    return actions;
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
  ...Object.fromEntries(Object.entries(SERVERS).map(([name, start]) => [name, remoteIn(start)])),
};

if (!HAS_SERVER) test.skip(NO_SERVER, () => undefined);

const EMPTY = `f:${hashBytes("")}`;

/** Two trees that are not the same. */
const TREES = ["5", "6"].map((time) => {
  const manifest = `imagemake-tree 1\n. d0755 0:0 ${time}\n`;
  return { id: `t:${hashBytes(manifest)}`, manifest };
});
const [ONE, OTHER] = TREES.map(({ id }) => id) as [string, string];

const hex = (digit: string): string => digit.repeat(64);

const made = (key: string, id = EMPTY): Made => ({
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
      const results = [made("1"), made("2", ONE)];
      expect(unwrap(await (await open(dir)).put(results))).toEqual([]);
      const found = await (await open(dir)).find([hex("1"), hex("2"), hex("3")]);
      expect([...found.values()]).toEqual(results);
    }));

  test("keeps what it has: the same again is no news, another result is a disagreement", () =>
    inDir(async (dir) => {
      const cache = await open(dir);
      unwrap(await cache.put([made("1")]));
      expect(unwrap(await cache.put([made("1")]))).toEqual([]);
      const other = { ...made("1", OTHER), machine: "another" };
      expect(unwrap(await cache.put([other]))).toMatchObject([{ key: hex("1"), machine: "builder" }]);
      expect((await cache.find([hex("1")])).get(hex("1"))).toEqual(made("1"));
    }));

  test("keeps several outputs of one action apart", () =>
    inDir(async (dir) => {
      const two = made("1");
      const outputs = { ...two.outputs, "b.txt": { id: `x:${EMPTY.slice(2)}`, size: 0, parent: null } };
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
    ["with another output", (dir) => text(dir).replaceAll(EMPTY, `f:${hex("e")}`)],
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
