// squashfs: a tree as one read-only file system in a file.
import { z } from "zod";
import { declareOne, wrongOption } from "../engine/declare.js";
import { holding } from "./formats.js";
import { rule } from "./declaration.js";
import { option } from "./options.js";
import { ARCHIVER } from "./pack.js";
import { recipe } from "./recipes.js";
import { arrayOf, asTreeHandle, common, guardsOf, out, treeLike, limits } from "./schema.js";
import { asFile, type FileTarget } from "./types.js";

const COMPRESSORS = ["zstd", "xz", "lz4", "gzip"] as const;
/** The highest level of each; 0 where there is none. */
const LEVELS = { zstd: 22, gzip: 9, xz: 0, lz4: 0 } as const;
/** `hsqs`: the superblock, which mksquashfs writes last. */
const MAGIC = "68737173";
/** An image that is smaller holds no system; mksquashfs is known for leaving 4 KB when it fails. Bytes. */
const SMALLEST = 1024 ** 2;

export const squashfs = rule(
  "rule.squashfs",
  "A squashfs of `from`. Below 1 MiB, or without its magic, it has failed.",
  {
    from: option(treeLike, "a tree", "The tree that is in it."),
    compress: option(
      z.enum(COMPRESSORS).optional(),
      COMPRESSORS.join(", "),
      "How it is compressed; zstd unless said.",
    ),
    level: option(
      z.number().int().min(1).max(22).optional(),
      "a number from 1 to 22",
      "How hard: 1 to 22 with zstd (15 unless said; 3 is ten times faster), 1 to 9 with gzip. xz and lz4 have none.",
    ),
    without: option(
      arrayOf(z.string().regex(/^[^\n]*[^\n/]$/)).optional(),
      "paths in an array",
      "What is left out, such as `boot/*`; `*` stands for part of a name. A directory goes with all below it: " +
        "leaving out `dev`, `proc`, `sys` or `run` itself leaves a live system without its mount points.",
    ),
    out: out.optional(),
    ...common,
  },
  (o): FileTarget => {
    const tree = asTreeHandle(o.from);
    const without = (o.without ?? []).map((path) => path.replace(/^\/+/, ""));
    const compress = o.compress ?? "zstd";
    const most = LEVELS[compress];
    if (o.level !== undefined && o.level > most) {
      const expected =
        most === 0 ? `nothing, because ${compress} has none` : `at most ${most} with ${compress}`;
      wrongOption("squashfs", `level: expected ${expected}, found ${o.level}`);
    }
    return asFile(
      declareOne(
        {
          rule: "squashfs",
          command: recipe("squashfs.sh", ["lib.sh", "space.sh", "tell.sh", "squashfs.sh"], ARCHIVER),
          env: {
            COMPRESS: compress,
            LEVEL: o.level === undefined ? "" : String(o.level),
            WITHOUT: without.join("\n"),
          },
          inputs: { TREE: tree },
          outputs: [{ name: "OUT", kind: "file", pattern: o.out ?? "filesystem.squashfs" }],
          inner: o.out === undefined,
          tools: [
            { name: "mksquashfs", package: "squashfs-tools" },
            { name: "getfattr", package: "attr" },
          ],
          holds: holding("squashfs", "TREE", { without }),
          root: true,
          guards: guardsOf(o.guards, { minSize: SMALLEST, magic: MAGIC }),
          resources: { cpu: 2, memory: 1024 ** 3 },
          ...limits(o),
        },
        tree.lineage,
      ),
    );
  },
);
