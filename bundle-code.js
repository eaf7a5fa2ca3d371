// Loaded before a run of what was just bundled (bundle.js): when that ends, what V8 compiled of each file for it is written to
// where cache/compiled.ts looks.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname, join } from "node:path";
import process, { arch, argv, versions } from "node:process";
import vm from "node:vm";

const RUN = dirname(argv[1] ?? "");
const CODE = join(RUN, "code", `${versions.v8}-${arch}`);
/** @type {Map<string, vm.Script>} */
const scripts = new Map();

vm.Script = class extends vm.Script {
  /**
   * @param {string} text
   * @param {vm.ScriptOptions & { filename: string }} options
   */
  constructor(text, options) {
    super(text, options);
    scripts.set(options.filename, this);
  }
};
syncBuiltinESMExports();

process.on("exit", () => {
  mkdirSync(CODE, { recursive: true });
  for (const [file, script] of scripts) {
    const version =
      dirname(file) === RUN ? "" : `-${createHash("sha256").update(readFileSync(file)).digest("hex")}`;
    const code = Buffer.concat([script.createCachedData(), Buffer.from(file)]);
    writeFileSync(join(CODE, `${basename(file)}${version}`), code);
  }
});
