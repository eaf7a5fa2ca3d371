// The contract of a content store, held by every implementation, for files and for trees: the store here, as root and in a
// user namespace, a directory that machines share, and remote caches. As root.
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { ContentStore, Giving } from "../cache/content-store.js";
import { DirectoryContents } from "../cache/directory/contents.js";
import { Share } from "../cache/directory/place.js";
import { hashBytes } from "../cache/hash.js";
import { layerPath } from "../cache/layers.js";
import { unwrap } from "../cache/problem.js";
import type { Isolation } from "../engine/execute/local/sandbox.js";
import { localIn } from "./support/local-store.js";
import {
  closeLinks,
  HAS_SERVER,
  NO_SERVER,
  remoteAt,
  SERVERS,
  type RunningServer,
} from "./support/remote.js";
import { inDir } from "./support/trees.js";

const ROOT: Isolation = { kind: "namespaces", root: "real" };
const USER: Isolation = { kind: "namespaces", root: "user-namespace", ids: "one" };

async function directoryIn(dir: string, readOnly = false): Promise<ContentStore> {
  mkdirSync(dir, { recursive: true });
  return new DirectoryContents(unwrap(await Share.open(dir, `file://${dir}`, { readOnly, owners: null })));
}

/** Servers that run. */
const running: RunningServer[] = [];
afterEach(() => {
  closeLinks();
  for (const server of running.splice(0)) server.stop();
});

const IMPLEMENTATIONS: Readonly<Record<string, (dir: string) => Promise<ContentStore>>> = {
  "the store, as root": (dir) => Promise.resolve(localIn(dir, ROOT).contents),
  "the store, in a user namespace": (dir) => Promise.resolve(localIn(dir, USER).contents),
  "a shared directory": (dir) => directoryIn(dir),
  ...Object.fromEntries(
    Object.entries(SERVERS).map(([name, start]) => [
      name,
      async (dir: string) => {
        const server = await start(dir);
        running.push(server);
        return remoteAt(server.url, dir).contents;
      },
    ]),
  ),
};

if (!HAS_SERVER) test.skip(NO_SERVER, () => undefined);

/** What one user's tree can have; and what only root's can. */
const PLAIN = `umask 022; mkdir -p etc usr/bin empty; echo a > etc/a; ln etc/a etc/b; ln -s /nowhere link
  printf '#!/bin/sh\\n' > usr/bin/run; chmod 4755 usr/bin/run; : > void; mkfifo pipe; touch 'new
line' ' leading' "$(printf 'caf\\351')"; setfattr -n user.note -v 'two words' etc/a; touch -d @1600000000.123456789 etc/a
  mkdir -m 0700 closed; echo secret > closed/in; chmod 600 closed/in; touch "$(printf 'x%.0s' $(seq 200))"`;
const FULL = `${PLAIN}; chown 7:8 etc/a; mknod node c 1 3; mknod disk b 8 1; cp /bin/true usr/bin/ping
  setcap cap_net_raw+ep usr/bin/ping; setfacl -m u:9:r etc/a 2>/dev/null || :`;

const give = async (from: ContentStore, id: string): Promise<Giving> => unwrap(await from.give(id));

describe.each(Object.entries(IMPLEMENTATIONS))("%s", (name, open) => {
  const isolation = name.includes("user") ? USER : ROOT;
  const script = name.includes("user") ? PLAIN : FULL;

  test("takes files and gives them on, with every byte", () =>
    inDir(async (dir) => {
      const [from, to] = [localIn(join(dir, "from"), isolation), await open(join(dir, "to"))];
      const ids = [await from.file("hello"), await from.file("#!/bin/sh", true), await from.file("")];
      expect(await to.missing(ids)).toEqual(new Set(ids));
      const givings = await Promise.all(ids.map((id) => give(from.contents, id)));
      expect(await to.take(givings)).toEqual(new Map());
      expect(await to.missing(ids)).toEqual(new Set());
      expect(new Set((await to.verify(ids)).values())).toEqual(new Set(["whole"]));
      const copy = join(dir, "copy");
      const [hello = ""] = ids;
      unwrap(await (await give(to, hello)).copy(new Map([[hello.slice(2), copy]])));
      expect(readFileSync(copy, "utf8")).toBe("hello");
    }));

  test("takes trees with all that they have, and gives them on", () =>
    inDir(async (dir) => {
      const from = localIn(join(dir, "from"), isolation);
      const id = await from.tree(script);
      const between = await open(join(dir, "between"));
      expect(await between.missing([id])).toEqual(new Set([id]));
      expect(await between.take([await give(from.contents, id)])).toEqual(new Map());
      expect(await between.missing([id])).toEqual(new Set());
      const last = localIn(join(dir, "last"), isolation).contents;
      expect(await last.take([await give(between, id)])).toEqual(new Map());
      expect(await last.verify([id])).toEqual(new Map([[id, "whole"]]));
    }));

  test("refuses what is not what its digest says, and keeps nothing of it", () =>
    inDir(async (dir) => {
      const [from, to] = [localIn(join(dir, "from"), isolation), await open(join(dir, "to"))];
      const [file, tree] = [await from.file("hello"), await from.tree("echo a > a")];
      const lying = (giving: Giving): Giving => ({
        ...giving,
        copy: async (files) => {
          const copied = await giving.copy(files);
          for (const path of files.values()) writeFileSync(path, "other");
          return copied;
        },
      });
      const refused = await to.take([
        lying(await give(from.contents, file)),
        lying(await give(from.contents, tree)),
      ]);
      expect([...refused.keys()]).toEqual([file, tree]);
      expect(await to.missing([file, tree])).toEqual(new Set([file, tree]));
      const manifest = "imagemake-tree 1\n. d0755 0:0 5\n";
      expect((await to.take([{ ...(await give(from.contents, tree)), manifest }])).has(tree)).toBe(true);
    }));

  test("gives nothing that it does not have", () =>
    inDir(async (dir) => {
      const store = await open(join(dir, "store"));
      for (const kind of ["f", "x", "t"])
        expect(await store.give(`${kind}:${"0".repeat(64)}`)).toMatchObject({
          ok: false,
          problem: { exit: 3 },
        });
      expect(await store.verify([`f:${"0".repeat(64)}`])).toEqual(
        new Map([[`f:${"0".repeat(64)}`, "missing"]]),
      );
    }));
});

test("of a tree on one that is here only what differs is brought, and it shows the same", () =>
  inDir(async (dir) => {
    const [from, to] = [localIn(join(dir, "from"), ROOT), localIn(join(dir, "to"), ROOT)];
    const base = await from.tree(FULL);
    const layer = "mkdir etc; echo new > etc/new; mknod usr c 0 0; rm -f x; mkdir empty; echo in > empty/in";
    const child = await from.tree(layer, base);
    const share = await directoryIn(join(dir, "share"));
    for (const id of [base, child])
      expect(await share.take([await give(from.contents, id)])).toEqual(new Map());
    expect(await to.contents.take([await give(share, base)])).toEqual(new Map());
    let brought = 0;
    const giving = { ...(await give(share, child)), parent: base };
    const copy: Giving["copy"] = (files) => {
      brought += files.size;
      return giving.copy(files);
    };
    expect(await to.contents.take([{ ...giving, copy }])).toEqual(new Map());
    expect(brought).toBe(2);
    expect(to.index.artifact(child)).toMatchObject({ parent: base });
    expect(await to.contents.verify([child])).toEqual(new Map([[child, "whole"]]));
    const { layer: name = "" } = to.index.artifact(child) ?? {};
    expect(lstatSync(join(layerPath(to.layout.layers, name ?? ""), "usr")).isCharacterDevice()).toBe(true);
  }));

test.each([
  ["a way out of the tree", "../out f0644 0:0 5 0 %"],
  ["an absolute path", "/etc/x f0644 0:0 5 0 %"],
  ["a path through a link", "l l0777 0:0 5 /etc\nl/x f0644 0:0 5 0 %"],
  ["what is nowhere", "none/x f0644 0:0 5 0 %"],
  ["a hard link to what is not in it", "a =../out f0644 0:0 5 0 %\nb =../out f0644 0:0 5 0 %"],
])("a manifest that names %s is refused, although its digest is right", (_, lines) =>
  inDir(async (dir) => {
    const { contents } = localIn(join(dir, "to"), ROOT);
    const manifest = `imagemake-tree 1\n. d0755 0:0 5\n${lines.replaceAll("%", hashBytes(""))}\n`;
    const id = `t:${hashBytes(manifest)}`;
    const copy: Giving["copy"] = () => Promise.resolve({ ok: true, value: undefined });
    const refused = await contents.take([{ id, size: 0, manifest, parent: null, copy }]);
    expect(refused.get(id)?.message).toContain(id);
  }),
);

test("a share shares: what one store wrote is read-only there, and damage to it is found", () =>
  inDir(async (dir) => {
    const from = localIn(join(dir, "from"), ROOT);
    const id = await from.file("hello");
    const share = await directoryIn(join(dir, "share"));
    await share.take([await give(from.contents, id)]);
    const blob = join(dir, "share", "v1", "blobs", id.slice(2, 4), id.slice(2));
    expect(statSync(blob).mode & 0o777).toBe(0o444);
    expect(statSync(blob).nlink).toBe(1);
    chmodSync(blob, 0o644);
    appendFileSync(blob, "!");
    expect(await share.verify([id])).toEqual(new Map([[id, "damaged"]]));
  }));
