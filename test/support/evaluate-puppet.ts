// Evaluates Imagefiles in a process of their own, one JSON line each way: jest has its own globals and its own
// process, while an evaluation listens to the real ones. Run by evaluate-support.ts.
import { createInterface } from "node:readline";
import { declare, declareOne, isHandle, isSource, ordered, packed } from "../../engine/declare.js";
import { projectValue, source, sourceOf, type Handle, type SourceHandle } from "../../engine/declare.js";
import { readArg, readSelection } from "../../engine/evaluate/args.js";
import { evaluate } from "../../engine/evaluate/load.js";
import { readsChanged } from "../../engine/evaluate/fresh.js";
import type { Output } from "../../engine/model.js";
import type { Ask } from "./evaluate-support.js";

/** What a rule takes here. */
interface RunOptions {
  readonly inputs?: Readonly<Record<string, Handle | SourceHandle>>;
  readonly cmd?: string;
  readonly out?: string;
  readonly outs?: Readonly<Record<string, string>>;
  readonly suffix?: string;
  readonly on?: Handle;
}

function spec(o: RunOptions, outputs: readonly Output[]) {
  const inputs = Object.entries(o.inputs ?? {}).map(([name, from]) => [
    name,
    !isHandle(from) && isSource(from) ? sourceOf(from) : from,
  ]);
  const packages = { driver: "none", repo: null, arch: "any", want: [], options: null };
  return {
    rule: "run",
    command: { kind: "shell", text: o.cmd ?? "true" },
    inputs: Object.fromEntries(inputs) as Readonly<Record<string, Handle>>,
    outputs,
    ...(o.suffix === undefined ? {} : { suffix: o.suffix }),
    ...(o.on === undefined ? {} : { packages: { ...packages, on: o.on } }),
  } as const;
}

/** As small as an engine's rules can be. */
const rules = {
  run(o: RunOptions): unknown {
    const named = Object.entries(o.outs ?? {});
    if (named.length === 0) {
      return declareOne(spec(o, [{ name: "OUT", kind: "file", pattern: o.out ?? "out" }]));
    }
    return {
      ...declare(
        spec(
          o,
          named.map(([name, pattern]) => ({ name, kind: "file", pattern })),
        ),
      ),
    };
  },
  tree: (o: RunOptions) => declareOne(spec(o, [{ name: "OUT", kind: "tree", base: null }])),
  check: (o: RunOptions) => declareOne(spec(o, [{ name: "OUT", kind: "verdict" }])),
  rootfs(o: RunOptions) {
    const tree = declareOne(spec({ ...o, suffix: "tree" }, [{ name: "OUT", kind: "tree", base: null }]));
    const pack = { inputs: { TREE: tree } };
    const file = declareOne(spec(pack, [{ name: "OUT", kind: "file", pattern: o.out ?? "out" }]));
    return packed(file, tree);
  },
  each(keys: readonly string[], make: (key: string) => unknown, options: { only?: string } = {}) {
    const only = options.only === undefined ? null : readSelection(options.only, keys);
    return ordered(Object.fromEntries(keys.map((key) => [key, make(key)])), keys, only);
  },
  files: (glob: string) => source({ kind: "files", patterns: [glob] }),
  arg: (name: string, value: string) => readArg(name, value, null),
  project: projectValue,
};

const engine = () => Promise.resolve(rules);

for await (const line of createInterface({ input: process.stdin })) {
  const ask = JSON.parse(line) as Ask; // Written by evaluate-support.ts.
  process.chdir(ask.cwd);
  const old = { ...process.env };
  for (const [name, value] of Object.entries(ask.env ?? {})) process.env[name] = value;
  const { file, args } = ask;
  const before = globals();
  const result = await evaluate({ file, args, ...(ask.real === true ? {} : { engine }) });
  const restored = globals().every((one, i) => one === before[i]);
  const changed = result.ok ? readsChanged(result.value.reads, args) : null;
  for (const name of Object.keys(ask.env ?? {})) {
    if (old[name] === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = old[name];
  }
  process.stdout.write(`${JSON.stringify({ result, restored, changed })}\n`);
}

/** What an evaluation listens to, and may not leave behind. */
function globals(): readonly unknown[] {
  const fs = process.getBuiltinModule("node:fs");
  const { Socket } = process.getBuiltinModule("node:net");
  const children = process.getBuiltinModule("node:child_process");
  return [
    ...["readFile", "readFileSync", "existsSync", "open"].map((name) => valueOf(fs, name)),
    ...["readFile", "open", "readdir"].map((name) => valueOf(fs.promises, name)),
    ...["spawn", "exec", "execSync"].map((name) => valueOf(children, name)),
    ...["env", "cwd", "hrtime", "argv"].map((name) => valueOf(process, name)),
    ...[valueOf(Socket.prototype, "connect"), valueOf(performance, "now"), valueOf(console, "log")],
    ...[fs.realpathSync.native, Date, Date.now, Date.prototype.constructor, Math.random, fetch],
    "isTTY" in process.stdout,
    ...[Error.stackTraceLimit, JSON.stringify(Object.entries(process.env).sort())],
  ];
}

function valueOf(on: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(on, name)?.value;
}
