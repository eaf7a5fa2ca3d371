// A state directory with a store of its own, opened without a command line, and files and trees put into it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashBytes } from "../../cache/hash.js";
import { Index } from "../../cache/index.js";
import { directoriesIn, layoutOf } from "../../cache/layout.js";
import { LocalContents } from "../../cache/local/contents.js";
import { openStore } from "../../cache/store.js";
import { unwrap } from "../../engine/problem.js";
import type { Isolation } from "../../engine/execute/local/sandbox.js";
import { sealTree } from "../../engine/tree/seal.js";
import { travelling } from "../../engine/tree/travel.js";
import { Whole } from "../../engine/whole.js";
import { EPOCH, sh } from "./trees.js";

/** One, with what is needed of it. */
export type LocalStore = ReturnType<typeof localIn>;

/** This machine's store in `dir`. */
export function localIn(dir: string, isolation: Isolation) {
  mkdirSync(dir, { recursive: true });
  const layout = layoutOf(dir, "");
  for (const [path, mode] of directoriesIn(layout)) mkdirSync(path, { recursive: true, mode });
  const index = Index.open(join(dir, "index.db"), (message) => {
    throw new Error(message);
  });
  const store = openStore(layout.store, null);
  const contents = new LocalContents(layout, index, store, travelling(layout, index, isolation));
  /** Seals what a script makes; returns the tree's id. */
  const tree = async (script: string, parent: string | null = null): Promise<string> => {
    const upper = join(layout.stage, `tree-${Math.random().toString(36).slice(2)}`);
    mkdirSync(upper, { recursive: true });
    sh(upper, script);
    const request = {
      project: layout,
      isolation,
      upper,
      parent,
      epoch: EPOCH,
      guards: {},
      output: "OUT",
      scratch: dir,
    };
    const sealed = await sealTree(request);
    if ("failure" in sealed) throw new Error(JSON.stringify(sealed.failure));
    index.addArtifact(sealed.row);
    return sealed.row.id;
  };
  const file = async (bytes: string, executable = false): Promise<string> => {
    const path = join(layout.stage, "file");
    writeFileSync(path, bytes);
    const id = `${executable ? "x" : "f"}:${hashBytes(bytes)}`;
    unwrap(await store.addFile(path, id));
    index.addArtifact({ id, kind: "file", size: bytes.length, layer: null, parent: null, form: null });
    return id;
  };
  const whole = new Whole({ project: layout, index, store, readOnly: false, isolated: true });
  return { layout, index, store, contents, whole, tree, file };
}
