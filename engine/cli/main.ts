#!/usr/bin/env node
// The command, as far as every node can read it: an old one says that it is, instead of where it stumbled. All else is in
// start.ts. Nothing here is newer than node 12, and nothing but node.ts is imported at the top.
import { tooOld } from "./node.js";

const why = tooOld(process.versions.node);
if (why === null) {
  void import("./start.js").then(({ start }) => start(process.argv.slice(2)));
} else {
  process.stderr.write(`imagemake: ${why}\n`);
  process.exitCode = 3;
}
