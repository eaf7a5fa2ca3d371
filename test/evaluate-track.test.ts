// What an evaluation read is recorded, however it was read; a change of it is noticed, and nothing else is.
import { describe, expect, jest, test } from "@jest/globals";
import { readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { readsChanged, restamped, type FileRead, type Reads } from "../engine/evaluate/fresh.js";
import { evaluating } from "./support/evaluate-support.js";

const { puppet, yard } = evaluating();

const TAIL = `\nexport const a = run({ out: "a" });\n`;
/** An Imagefile with these lines before a target; the first is line 2. */
const withLines = (...lines: readonly string[]): string =>
  [`import { run, arg, each, files } from "imagemake";`, ...lines].join("\n") + TAIL;

const find = (reads: Reads, name: string): FileRead | undefined =>
  reads.files.find(({ path }) => path === yard.path(name));

/** What readsChanged says; of a file its name in the yard. */
function changed(reads: Reads, args: Readonly<Record<string, string>> = {}): string | null {
  const what = readsChanged(reads, args);
  const name = what === null ? "" : relative(yard.dir, resolve(what));
  return name === "" || name.startsWith("..") ? what : name;
}

describe("files", () => {
  const ways: readonly (readonly [string, string])[] = [
    ["read with the default import", `import fs from "node:fs"; fs.readFileSync(DIR + "f");`],
    ["read with a named import", `import { readFileSync } from "fs"; readFileSync(DIR + "f");`],
    [
      "read with a namespace",
      `import * as fs from "node:fs"; fs.readFileSync(new URL("f", import.meta.url));`,
    ],
    [
      "read through require",
      `import { createRequire } from "module";
      createRequire(import.meta.url)("node:fs").readFileSync(Buffer.from(DIR + "f"));`,
    ],
    ["read with a promise", `import { readFile } from "node:fs/promises"; await readFile(DIR + "f");`],
    ["read with fs.promises", `import fs from "fs"; await fs.promises.readFile(DIR + "f");`],
    [
      "read with a callback",
      `import { readFile } from "fs"; await new Promise((r) => readFile(DIR + "f", r));`,
    ],
    [
      "read with promisify",
      `import { readFile } from "fs"; import { promisify } from "util";
      await promisify(readFile)(DIR + "f");`,
    ],
    ["opened", `import { openSync, readSync } from "fs"; readSync(openSync(DIR + "f"), Buffer.alloc(9));`],
    [
      "streamed",
      `import { createReadStream } from "fs";
      for await (const part of createReadStream(DIR + "f")) void part;`,
    ],
    [
      "opened with a promise",
      `import { open } from "fs/promises"; const h = await open(DIR + "f"); await h.close();`,
    ],
    ["copied", `import { copyFileSync } from "fs"; copyFileSync(DIR + "f", DIR + "g");`],
    [
      "read later",
      `import fs from "fs"; await new Promise((r) => setTimeout(r, 1)); fs.readFileSync(DIR + "f");`,
    ],
  ];
  test.each(ways)("%s: the contents count, and not the stamp", async (_, line) => {
    yard.write({
      f: "one",
      "Imagefile.ts": withLines(`const DIR = import.meta.dirname + "/";`, line),
    });
    const reads = await puppet.reads(yard);
    expect(find(reads, "f")).toMatchObject({ use: "read", stat: { size: 3 }, listed: false });
    expect(changed(reads)).toBeNull();
    utimesSync(yard.path("f"), 1000, 1000);
    expect(changed(reads)).toBeNull();
    yard.write({ f: "two" });
    expect(changed(reads)).toBe("f");
    rmSync(yard.path("f"));
    expect(changed(reads)).toBe("f");
  });

  test("a file that is not there is noticed when it comes", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `import { existsSync, readFileSync, promises } from "node:fs";`,
        `existsSync(import.meta.dirname + "/local.json");`,
        `try { readFileSync(import.meta.dirname + "/gone/x"); } catch {}`,
        `await promises.access(import.meta.dirname + "/other").catch(() => 1);`,
      ),
    });
    const reads = await puppet.reads(yard);
    for (const name of ["local.json", "gone/x", "other"]) {
      expect(find(reads, name)?.stat).toBeNull();
      expect(changed(reads)).toBeNull();
      yard.write({ [name]: "" });
      expect(changed(reads)).toBe(name);
      rmSync(yard.path(name));
    }
  });

  test("where only existence was asked, only that counts", async () => {
    yard.write({
      "d/f": "",
      "Imagefile.ts": withLines(
        `import { existsSync } from "node:fs";`,
        `existsSync(import.meta.dirname + "/d"); existsSync(import.meta.dirname + "/d/f");`,
      ),
    });
    const reads = await puppet.reads(yard);
    yard.write({ "d/f": "other", "d/more": "" });
    expect(changed(reads)).toBeNull();
    rmSync(yard.path("d"), { recursive: true });
    expect(changed(reads)).toBe("d");
  });

  test("where the stamp was asked, the stamp counts", async () => {
    yard.write({
      f: "one",
      "Imagefile.ts": withLines(
        `import { statSync } from "node:fs"; import { lstat } from "node:fs/promises";`,
        `statSync(import.meta.dirname + "/f"); await lstat(import.meta.dirname + "/f");`,
      ),
    });
    const reads = await puppet.reads(yard);
    expect(reads.files.filter(({ path }) => path === yard.path("f")).map(({ use }) => use)).toEqual([
      "stat",
      "lstat",
    ]);
    expect(changed(reads)).toBeNull();
    utimesSync(yard.path("f"), 1000, 1000);
    expect(changed(reads)).toBe("f");
  });

  test("a directory that was listed counts by its names", async () => {
    yard.write({
      "d/a": "",
      "d/deep/b": "",
      "Imagefile.ts": withLines(
        `import { readdirSync } from "node:fs";`,
        `readdirSync(import.meta.dirname + "/d", { recursive: true });`,
      ),
    });
    const reads = await puppet.reads(yard);
    expect(find(reads, "d")).toMatchObject({ use: "list", listed: true });
    expect(find(reads, "d/deep")).toMatchObject({ use: "list", listed: true });
    yard.write({ "d/a": "contents do not count", "d/x": "" });
    renameSync(yard.path("d/x"), yard.path("x"));
    expect(changed(reads)).toBeNull();
    yard.write({ "d/deep/c": "" });
    expect(changed(reads)).toBe("d/deep");
  });

  test("a link counts by where it leads", async () => {
    yard.write({
      one: "",
      two: "",
      "Imagefile.ts": withLines(
        `import { realpathSync, readlinkSync } from "node:fs";`,
        `realpathSync.native(import.meta.dirname + "/link"); readlinkSync(import.meta.dirname + "/link");`,
      ),
    });
    symlinkSync("one", yard.path("link"));
    const reads = await puppet.reads(yard);
    expect(changed(reads)).toBeNull();
    rmSync(yard.path("link"));
    symlinkSync("two", yard.path("link"));
    expect(changed(reads)).toBe("link");
  });

  test("a same-size edit within the clock's granularity is noticed", async () => {
    yard.write({
      "Imagefile.ts": withLines(`import fs from "fs"; fs.readFileSync(import.meta.dirname + "/f");`),
    });
    writeFileSync(yard.path("f"), "one");
    const reads = await puppet.reads(yard);
    const before = find(reads, "f");
    expect(before?.racy).toBe(true);
    expect(changed(reads)).toBeNull();
    writeFileSync(yard.path("f"), "two");
    // As if the stamp had not moved at all.
    const now = { ...reads, files: reads.files.map((file) => (file === before ? sameStamp(file) : file)) };
    expect(changed(now)).toBe("f");
  });

  const sameStamp = (file: FileRead): FileRead => {
    const fresh = restamped({ ...empty, files: [{ ...file, digest: null }] });
    expect(fresh).toBeNull();
    return file;
  };

  test("files that were only written are no reads", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `import fs from "fs"; fs.writeFileSync(import.meta.dirname + "/made", "x");`,
        `fs.closeSync(fs.openSync(import.meta.dirname + "/made", "w"));`,
      ),
    });
    expect(find(await puppet.reads(yard), "made")).toBeUndefined();
  });

  test("what a rule names is not read: it is a source", async () => {
    yard.write({
      "src/x": "",
      "Imagefile.ts": withLines(`export const b = run({ inputs: { S: files("src/*") } });`),
    });
    const reads = await puppet.reads(yard);
    expect(reads.files.map(({ path }) => path)).toEqual([yard.path("Imagefile.ts")]);
  });
});

const empty: Reads = {
  modules: [],
  cwd: null,
  env: {},
  envAll: false,
  envDigest: null,
  files: [],
  unsnapshottable: [],
};

describe("modules", () => {
  test("every module counts, whatever imports it and however", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `import "./a.js"; import b from "./b.json"; void b; import "lib"; import "esm-lib/sub";`,
        `import { createRequire } from "node:module"; createRequire(import.meta.url)("./c.cjs");`,
        `await import("./d"); import { again } from "./e.js"; void again;`,
      ),
      "a.ts": `import "./deep/f.mjs";`,
      "deep/f.mjs": `export {};`,
      "b.json": `{}`,
      "c.cjs": `require("./g.json");`,
      "g.json": `{}`,
      "d.ts": ``,
      "e.js": `export const again = 1;`,
      "node_modules/lib/package.json": `{ "name": "lib", "main": "m.js" }`,
      "node_modules/lib/m.js": `require("./n.js");`,
      "node_modules/lib/n.js": ``,
      "node_modules/esm-lib/package.json": `{ "type": "module", "exports": { "./sub": "./s.js" } }`,
      "node_modules/esm-lib/s.js": ``,
    });
    const reads = await puppet.reads(yard);
    const lib = ["package.json", "m.js", "n.js"].map((name) => `node_modules/lib/${name}`);
    const esm = ["package.json", "s.js"].map((name) => `node_modules/esm-lib/${name}`);
    const own = ["Imagefile.ts", "a.ts", "deep/f.mjs", "b.json", "c.cjs", "g.json", "d.ts", "e.js"];
    expect([...reads.modules].sort()).toEqual([...own, ...lib, ...esm].map((n) => yard.path(n)).sort());
    expect(reads.modules[0]).toBe(yard.path("Imagefile.ts"));
    expect(changed(reads)).toBeNull();
    for (const path of reads.modules) {
      const text = readFileSync(path, "utf8");
      writeFileSync(path, `${text} `);
      expect(readsChanged(reads)).toContain(path.slice(yard.dir.length + 1));
      writeFileSync(path, text);
      expect(readsChanged(reads)).toBeNull();
    }
  });

  test("a second evaluation in one process sees what changed in each kind of module", async () => {
    const text = withLines(
      `import v from "./a.mjs"; import b from "./b.json"; import { c } from "./c.ts";`,
      `import { createRequire } from "node:module"; const d = createRequire(import.meta.url)("./d.cjs");`,
      `export const x = run({ cmd: [v, b, c, d].join(""), out: "x" });`,
    );
    const version = (n: number) => ({
      "Imagefile.ts": text,
      "package.json": `{ "type": "module" }`,
      "a.mjs": `export default ${n};`,
      "b.json": `"${n}"`,
      "c.ts": `export const c: number = ${n};`,
      "d.cjs": `module.exports = ${n};`,
    });
    for (const n of [1, 2]) {
      const { actions } = await puppet.graph(yard.write(version(n)));
      expect(actions[0]?.command).toMatchObject({ text: String(n).repeat(4) });
    }
  });

  test("one evaluation has one instance of a module, however many import it", async () => {
    yard.write({
      "Imagefile.ts": withLines(`import { b } from "./b.js"; import { c } from "./c.js"; export { b, c };`),
      "package.json": `{ "type": "module" }`,
      "b.js": `import { made } from "./made.js"; export const b = { one: made[0] };`,
      "c.js": `import { made } from "./made.js"; export const c = { two: made[1], same: made.length };`,
      "made.js": `import { run } from "imagemake";
        export const made = [run({ out: "1" }), run({ out: "2" })];`,
    });
    expect(await puppet.problem(yard)).toContain("export c.same is a number");
  });

  test("modules that import each other see each other", async () => {
    yard.write({
      "Imagefile.ts": withLines(`import { b } from "./b"; export const name = "n"; export { b };`).replace(
        `export const name = "n";`,
        `export function name() { return "n"; }`,
      ),
      "b.ts": `import { run } from "imagemake"; import { name } from "./Imagefile";
        export const b = { get x() { return run({ out: name() }); } };`,
    });
    expect(await puppet.problem(yard)).toContain("export name is a function");
  });

  test("two imports at once of a module that waits both get all of it", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `const [x, y] = await Promise.all([import("./x"), import("./y")]);`,
        `export const b = run({ out: x.x + y.y });`,
      ),
      "x.ts": `import { slow } from "./slow"; export const x = slow;`,
      "y.ts": `import { slow } from "./slow"; export const y = slow;`,
      "slow.ts": `await new Promise((r) => setTimeout(r, 5)); export const slow = "s";`,
    });
    expect((await puppet.graph(yard)).targets[0]?.pattern ?? "").toBe("ss");
  });
});

describe("environment", () => {
  const ways = [
    `process.env.IMT_X`,
    `process.env["IMT_X"]`,
    `(await import("node:process")).env.IMT_X`,
    `env.IMT_X`,
    `"IMT_X" in process.env`,
    `Object.hasOwn(globalThis.process.env, "IMT_X")`,
    `(({ IMT_X }) => IMT_X)(process.env)`,
    `(await import("lib")).default`,
  ];
  test.each(ways)("%s is noticed", async (expression) => {
    yard.write({
      "Imagefile.ts": withLines(`import { env } from "node:process"; void env; void (${expression});`),
      "node_modules/lib/package.json": `{ "type": "module", "main": "i.js" }`,
      "node_modules/lib/i.js": `import { env } from "process"; export default env.IMT_X;`,
    });
    const unset = await puppet.reads(yard);
    expect(unset.env).toEqual({ IMT_X: null });
    expect(unset.envAll).toBe(false);
    expect(changed(unset)).toBeNull();
    expect(changed(unset, { IMT_X: "1" })).toBe("env IMT_X");
    expect(changed(unset, { IMT_Y: "1" })).toBeNull();
  });

  test("a value is recorded as it was", async () => {
    yard.write({ "Imagefile.ts": withLines(`process.env.IMT_X`) });
    const { reads } = await puppet.value(yard, { env: { IMT_X: "1" } });
    expect(reads.env).toEqual({ IMT_X: "1" });
    expect(changed(reads)).toBe("env IMT_X");
  });

  test.each([`({ ...process.env })`, `Object.keys(process.env)`, `JSON.stringify(process.env)`])(
    "%s depends on everything",
    async (expression) => {
      yard.write({ "Imagefile.ts": withLines(expression) });
      const { result, changed: after } = await puppet.ask(yard, { args: { IMT_Z: "1" } });
      if (!result.ok) throw new Error(result.problem.message);
      expect(result.value.reads.envAll).toBe(true);
      expect(after).toBeNull();
      const other = { ...result.value.reads, env: {} };
      expect(readsChanged(other, { IMT_Z: "1", IMT_NEW: "1" })).toBe("the environment");
    },
  );

  test("what the Imagefile sets itself is not the caller's, and is taken back", async () => {
    yard.write({
      "Imagefile.ts": withLines(`process.env.IMT_X = "2"; process.env.IMT_X; delete process.env.PATH;`),
    });
    const { result, restored } = await puppet.ask(yard);
    expect(result.ok && result.value.reads.env).toEqual({});
    expect(restored).toBe(true);
  });

  test("VAR= values count where they were asked for, and only there", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `export const g = each(["x", "y"], (k) => run({ out: k + arg("IMT_A", "d") }), { only: "IMT_G" });`,
      ),
    });
    const { graph, reads } = await puppet.value(yard, { args: { IMT_G: "y" } });
    expect(reads.env).toEqual({ IMT_A: null, IMT_G: "y" });
    expect(graph.args).toEqual({
      IMT_A: { value: "d", of: null },
      IMT_G: { value: "y", of: ["x", "y"] },
    });
    expect(changed(reads, { IMT_G: "y" })).toBeNull();
    expect(changed(reads, { IMT_G: "y", IMT_OTHER: "1" })).toBeNull();
    expect(changed(reads, { IMT_G: "x" })).toBe("env IMT_G");
    expect(changed(reads, { IMT_G: "y", IMT_A: "1" })).toBe("env IMT_A");
    expect(changed(reads)).toBe("env IMT_G");
  });

  test("VAR= values are in process.env", async () => {
    yard.write({ "Imagefile.ts": withLines(`export const b = run({ out: process.env.IMT_A });`) });
    const graph = await puppet.graph(yard, { args: { IMT_A: "name" } });
    expect(graph.targets.map(({ pattern }) => pattern)).toContain("name");
  });
});

describe("the working directory", () => {
  test("counts where a relative path was read", async () => {
    yard.write({ f: "", "Imagefile.ts": withLines(`import fs from "fs"; fs.readFileSync("f");`) });
    const reads = await puppet.reads(yard);
    expect(reads.cwd).toBe(yard.dir);
    expect(changed(reads)).toBe("the working directory");
  });

  test("does not count else", async () => {
    yard.write({ "Imagefile.ts": withLines(`new URL("x", import.meta.url);`) });
    expect((await puppet.reads(yard)).cwd).toBeNull();
  });
});

describe("what makes every evaluation another one", () => {
  const uses: readonly (readonly [string, string])[] = [
    [`Date.now()`, "the clock (Date.now)"],
    [`new Date()`, "the clock (new Date())"],
    [`new (class extends Date {})()`, "the clock (new Date())"],
    [`Date()`, "the clock (Date())"],
    [`performance.now()`, "the clock (performance.now)"],
    [`process.hrtime()`, "the clock (process.hrtime)"],
    [`process.hrtime.bigint()`, "the clock (process.hrtime.bigint)"],
    [`(await import("node:process")).hrtime()`, "the clock (process.hrtime)"],
    [`(await import("node:os")).hostname()`, "the machine (os.hostname)"],
    [`(await import("node:os")).availableParallelism()`, "the machine (os.availableParallelism)"],
    [`(await import("node:fs")).statfsSync(".")`, "the machine (fs.statfsSync)"],
    [`process.memoryUsage()`, "the machine (process.memoryUsage)"],
    [`(await import("node:os")).userInfo()`, "the caller (os.userInfo)"],
    [`process.getgroups()`, "the caller (process.getgroups)"],
    [`process.umask()`, "the caller (process.umask)"],
    [`process.argv.slice(2)`, "the caller (process.argv)"],
    [`process.stdout.isTTY ? 1 : 2`, "the caller (process.stdout.isTTY)"],
    [`process.stderr.columns`, "the caller (process.stderr.columns)"],
    [`(await import("node:tty")).isatty(1)`, "the caller (tty.isatty)"],
    [`(await import("node:fs")).readFileSync("/proc/loadavg")`, "the machine (/proc/loadavg)"],
    [`(await import("node:fs")).readdirSync("/sys/class/net")`, "the machine (/sys/class/net)"],
    [`(await import("node:fs")).readFileSync("/etc/mtab")`, "the machine (/etc/mtab)"],
    [`Math.random()`, "random numbers (Math.random)"],
    [`crypto.randomUUID()`, "random numbers (crypto.randomUUID)"],
    [`crypto.getRandomValues(new Uint8Array(1))`, "random numbers (crypto.getRandomValues)"],
    [`(await import("node:crypto")).randomBytes(1)`, "random numbers (crypto.randomBytes)"],
    [
      `(await import("crypto")).webcrypto.getRandomValues(new Uint8Array(1))`,
      "random numbers (crypto.getRandomValues)",
    ],
    [`await fetch("data:,x")`, "the network (fetch)"],
    [
      `(await import("node:http")).get("http://127.0.0.1:1").on("error", () => 1)`,
      "the network (net.connect)",
    ],
    [`(await import("node:net")).connect(1, "127.0.0.1").on("error", () => 1)`, "the network (net.connect)"],
    [`(await import("node:dgram")).createSocket("udp4").unref()`, "the network (dgram.createSocket)"],
    [`await (await import("node:dns/promises")).lookup("127.0.0.1")`, "the network (dns.lookup)"],
    [`(await import("node:child_process")).execSync("true")`, "a child process (execSync)"],
    [`await promisify((await import("node:child_process")).execFile)("true")`, "a child process (execFile)"],
    [`(await import("node:child_process")).spawn("true")`, "a child process (spawn)"],
    [
      `new (await import("node:worker_threads")).Worker("0", { eval: true }).terminate()`,
      "a worker thread (Worker)",
    ],
  ];
  test.each(uses)("%s is named with its line, and works", async (expression, what) => {
    yard.write({
      "Imagefile.ts": withLines(
        `import { promisify } from "node:util"; void promisify;`,
        ``,
        `void (${expression});`,
      ),
    });
    const { result, changed: after, restored } = await puppet.ask(yard);
    if (!result.ok) throw new Error(result.problem.message);
    expect(result.value.reads.unsnapshottable).toEqual([{ what, at: "Imagefile.ts:4" }]);
    expect(after).toBe(what);
    expect(restored).toBe(true);
  });

  test.each([
    ["TZ", `new Date(0).getHours()`],
    ["TZ", `new Date(2020, 1, 1).getTime()`],
    ["LANG", `["a", "b"].sort((a, b) => a.localeCompare(b))`],
    ["LC_ALL", `(1000).toLocaleString()`],
    ["LANG", `new Intl.Collator().compare("a", "b")`],
    ["TZ", `new Date(0).toLocaleDateString()`],
    ["TMPDIR", `(await import("node:os")).tmpdir()`],
  ])("%s is read by %s: another value is noticed", async (name, expression) => {
    yard.write({ "Imagefile.ts": withLines(`void (${expression});`) });
    const reads = await puppet.reads(yard);
    expect(reads.unsnapshottable).toEqual([]);
    expect(Object.keys(reads.env)).toContain(name);
  });

  test("a value of the clock is a real one", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `const d = new Date();`,
        `if (!(d instanceof Date) || d.constructor !== Date || Math.abs(+d - Date.now()) > 1000) throw 1;`,
        `if (Object.prototype.toString.call(d) !== "[object Date]" || typeof Date() !== "string") throw 2;`,
      ),
    });
    expect((await puppet.ask(yard)).result.ok).toBe(true);
  });

  test("a date that is given is no clock", async () => {
    yard.write({
      "Imagefile.ts": withLines(`new Date(0).toISOString(); Date.UTC(2026, 1); Date.parse("2026");`),
    });
    expect((await puppet.reads(yard)).unsnapshottable).toEqual([]);
  });

  test("uses inside a helper, in a callback and in a library are found; each place once", async () => {
    yard.write({
      "Imagefile.ts": withLines(
        `import { now } from "./helper"; import { tick } from "lib"; import "loud";`,
        `now(); now();`,
        `await new Promise((r) => setTimeout(() => { Math.random(); r(0); }, 1));`,
        `tick();`,
      ),
      "helper.ts": `\nexport const now = () => Date.now();`,
      "node_modules/lib/package.json": `{ "type": "module", "main": "i.js" }`,
      "node_modules/lib/i.js": `export const tick = () => performance.now();`,
      "node_modules/loud/index.js": `Math.random();`,
    });
    const { unsnapshottable } = await puppet.reads(yard);
    expect(unsnapshottable).toEqual([
      { what: "random numbers (Math.random)", at: "Imagefile.ts:2" },
      { what: "the clock (Date.now)", at: "helper.ts:2" },
      { what: "random numbers (Math.random)", at: "Imagefile.ts:4" },
      { what: "the clock (performance.now)", at: "Imagefile.ts:5" },
    ]);
  });

  test("what is said on the terminal is no look at it", async () => {
    yard.write({ "Imagefile.ts": withLines(`console.error("said", { in: ["colours"] });`) });
    const reads = await puppet.reads(yard);
    expect(reads.unsnapshottable).toEqual([]);
  });

  test("what loads the Imagefile does not count, nor does the engine", async () => {
    yard.write({
      "Imagefile.ts": withLines(`import "./b.js"; import "lib";`),
      "b.js": `import "./c.json"; export const c = 1;`,
      "c.json": `{}`,
      "node_modules/lib/index.js": ``,
    });
    const reads = await puppet.reads(yard);
    expect(reads.unsnapshottable).toEqual([]);
    expect(reads.env).toEqual({});
    expect(reads.cwd).toBeNull();
    const real = await puppet.reads(
      yard.write({
        "Imagefile.ts": `import { rule, run, step, apt, each, project, list } from "imagemake";
          const repo = apt({ url: "host", suite: "bookworm" });
          export const r = each(["amd64"], (arch) => rule.rootfs({ repo, arch, packages: list("l"), out: "r.tar.xz",
            steps: [step.overlay("o")] }));
          export default project({ default: [r] });`,
      }),
      { real: true },
    );
    expect(real.unsnapshottable).toEqual([]);
  });

  test("everything is as before, also after an Imagefile that throws", async () => {
    yard.write({ "Imagefile.ts": withLines(`process.env.IMT_X = "1"; throw new Error("x");`) });
    const { result, restored } = await puppet.ask(yard, { args: { IMT_Q: "1" } });
    expect(result.ok).toBe(false);
    expect(restored).toBe(true);
  });
});

describe("stamps", () => {
  test("a new stamp on the same contents is taken over, so that the next run compares only stamps", async () => {
    yard.write({ "Imagefile.ts": withLines() });
    const reads = await puppet.reads(yard);
    expect(restamped(reads)).toBeNull();
    utimesSync(yard.path("Imagefile.ts"), 2000, 2000);
    const fresh = restamped(reads);
    expect(fresh?.files[0]?.stat?.mtimeMs).toBe(2_000_000);
    expect(fresh && restamped(fresh)).toBeNull();
    yard.write({ "Imagefile.ts": `${withLines()} ` });
    expect(restamped(reads)).toBeNull();
  });

  test("a file that was fresh when it was read is compared by contents, until its stamp is old", async () => {
    yard.write({ "Imagefile.ts": withLines() });
    writeFileSync(yard.path("Imagefile.ts"), withLines());
    const reads = await puppet.reads(yard);
    expect(reads.files[0]?.racy).toBe(true);
    expect(changed(reads)).toBeNull();
    // A copy with its old time (`cp -p`) has changed lately, too.
    utimesSync(yard.path("Imagefile.ts"), 2000, 2000);
    expect(restamped(reads)?.files[0]?.racy).toBe(true);
    const clock = jest.spyOn(Date, "now").mockReturnValue(Date.now() + 10_000);
    expect(restamped(reads)?.files[0]?.racy).toBe(false);
    clock.mockRestore();
  });
});
