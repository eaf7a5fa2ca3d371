// What can go wrong with a remote cache, on the real command line and without one: the server is a stand-in that does wrong on
// purpose. What goes right is in shared-cache.test.ts, for every kind of cache.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { status as Code } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { hashBytes } from "../cache/hash.js";
import { addressOf } from "../cache/remote/address.js";
import { pauseAfter, PATIENCE, trying } from "../cache/remote/tries.js";
import type { Giving } from "../cache/content-store.js";
import { ok, unwrap } from "../cache/problem.js";
import { finish, makeProject, type TestProject, type Told } from "./support/cli.js";
import { makePuppet } from "./support/faults.js";
import { closeLinks, HAS_SERVER, NO_SERVER, remoteAt, startServer } from "./support/remote.js";
import { standIn, type StandIn } from "./support/remote-stand-in.js";

let dir: string;
let server: StandIn;
const projects: TestProject[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "imagemake-test-"));
  server = await standIn();
});
afterEach(() => {
  closeLinks();
  server.stop();
  for (const project of projects.splice(0)) project.remove();
  rmSync(dir, { recursive: true });
});

if (!HAS_SERVER) test.skip(NO_SERVER, () => undefined);

const IMAGEFILE = `import { project, run } from "imagemake";
export const a = run({ inputs: {}, cmd: 'echo a > "$OUT"', out: "a" });
export const big = run({ inputs: {}, cmd: 'head -c 3000000 /dev/zero > "$OUT"', out: "big" });
export const tree = run({ inputs: { A: a }, cmd: 'mkdir "$OUT/sub"; cp "$A" "$OUT/sub/a"; echo b > "$OUT/b"', tree: true });
export const packed = run({ inputs: { TREE: tree }, cmd: 'cd "$TREE"; find . | sort > "$OLDPWD/$OUT"', out: "packed.txt" });
export default project({ default: [a, big, packed] });
`;
const ALL = ["a", "big", "packed", "tree"];

function machine(): TestProject {
  const project = makeProject({ "Imagefile.ts": IMAGEFILE });
  projects.push(project);
  return project;
}

const from = (): readonly string[] => ["--remote-cache", server.url];
const to = (): readonly string[] => [...from(), "--remote-upload"];

const warnings = ({ events }: Told): string[] =>
  events.flatMap((event) => (event.type === "notice" && event.level === "warning" ? [event.message] : []));

/** What a machine without any cache makes. */
async function alone(): Promise<Readonly<Record<string, string>>> {
  const project = machine();
  await project.good();
  return project.outputs();
}

describe("what is sent", () => {
  test("is nothing without --remote-upload, and nothing with -n", async () => {
    await machine().good(...from());
    const one = machine();
    await one.good("-n", ...to());
    expect([server.blobs.size, server.results.size]).toEqual([0, 0]);
    await one.good(...to());
    expect(server.results.size).toBe(ALL.length);
  });

  test("is sent once: what is there already goes over no line again", async () => {
    await machine().good(...to());
    server.results.clear();
    server.calls.length = 0;
    await machine().good("-B", ...to());
    expect(server.calls.filter((name) => name === "Write")).toEqual([]);
    expect(server.results.size).toBe(ALL.length);
  });

  test("of a server that takes no results, or keeps none, is said once", async () => {
    server.faults.forbids = "UpdateActionResult";
    const told = await machine().events({}, ...to());
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(warnings(told)).toEqual([expect.stringContaining("does not allow this")]);
    server.faults.forgets = true;
    delete server.faults.forbids;
    const again = await machine().events({}, ...to());
    expect(warnings(again)).toEqual([expect.stringContaining("did not keep the result")]);
  });

  test("and does not fit is named", async () => {
    server.faults.largest = 2_000_000;
    const told = await machine().events({}, ...to());
    expect(told.status).toBe(0);
    expect(warnings(told)).toEqual([
      expect.stringMatching(/^big is not shared: .*takes no file of 3000000 bytes/),
    ]);
    expect(server.results.size).toBe(ALL.length - 1);
  });
});

test.each(["GetActionResult", "FindMissingBlobs"])(
  "what does not wait for others is asked and taken together: %s",
  async (method) => {
    const many = Array.from({ length: 12 }, (_, at) => `t${at}`);
    const lines = many.map(
      (name) => `export const ${name} = run({ inputs: {}, cmd: 'echo ${name} > "$OUT"', out: "${name}" });`,
    );
    const text = ['import { run } from "imagemake";', ...lines].join("\n");
    const [one, other] = [machine(), machine()];
    for (const project of [one, other]) project.write("Imagefile.ts", text);
    await one.good(...many, ...to());
    server.faults.gathers = { method, many: 4 };
    const told = await other.events({}, ...many, ...from());
    expect([told.which("built"), told.which("restored").length]).toEqual([[], many.length]);
    expect(server.faults.gathers).toBeUndefined();
  },
);

test("nothing is asked where nothing is to be done", async () => {
  const one = machine();
  await one.good();
  await one.good(...from());
  server.calls.length = 0;
  expect((await one.run(...from())).stderr).toContain("nothing to do");
  expect(server.calls).toEqual([]);
});

describe("a server that", () => {
  test.each<[string, () => void, string | null]>([
    ["has lost a file", () => void server.blobs.delete(hashBytes("a\n")), null],
    ["has lost a manifest", () => loseManifests(), null],
    [
      "gives other bytes",
      () => (server.faults.changes = (bytes) => Buffer.from(bytes).fill("x")),
      "other bytes",
    ],
    ["gives fewer bytes", () => (server.faults.changes = (bytes) => bytes.subarray(1)), "other bytes"],
    ["gives bytes without end", () => (server.faults.endless = true), "other bytes"],
    ["has results that are none", () => spoilResults(), "cannot be used"],
    [
      "has results of what failed",
      () => server.results.forEach((result) => (result.exitCode = 1)),
      "failed (exit status 1)",
    ],
  ])("%s costs time alone", async (_, fault, says) => {
    await machine().good(...to());
    fault();
    const told = await machine().events({}, ...from());
    expect(told.status).toBe(0);
    expect(projects.at(-1)?.outputs()).toEqual(await alone());
    if (says !== null) expect(warnings(told).join("\n")).toContain(says);
    // However often it was asked.
    expect(warnings(told)).toEqual([...new Set(warnings(told))]);
    expect((await projects[1]?.run("cache", "verify"))?.status).toBe(0);
  });

  test("has lost what was taken from it gets it again", async () => {
    await machine().good(...to());
    server.blobs.delete(hashBytes("a\n"));
    const told = await machine().events({}, ...to());
    expect(told.which("built")).toContain("a");
    expect((await machine().events({}, ...from())).which("built")).toEqual([]);
  });

  test("stumbles is asked again, and a stream goes on from where it broke off", async () => {
    await machine().good(...to());
    server.faults.failing = { times: 2, code: Code.UNAVAILABLE };
    server.faults.cutAt = 1 << 20;
    const told = await machine().events({}, ...from());
    expect([told.status, told.which("built"), warnings(told)]).toEqual([0, [], []]);
  });

  test.each<[string, Code, string]>([
    ["is away", Code.UNAVAILABLE, "cannot be reached"],
    ["lets nobody in", Code.UNAUTHENTICATED, "does not allow this"],
    ["is full", Code.RESOURCE_EXHAUSTED, "is full"],
  ])("%s is said once, and left alone", async (_, code, says) => {
    server.faults.failing = { times: 1000, code };
    const told = await machine().events({}, ...to());
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(warnings(told)).toEqual([expect.stringContaining(says)]);
    expect(server.calls.length).toBeLessThanOrEqual(PATIENCE.times);
  });

  test("is not there is said once, by its name", async () => {
    server.stop();
    const told = await machine().events({}, ...to());
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(warnings(told)).toEqual([expect.stringMatching(/^grpc:.* cannot be reached: .*tried 4 times/)]);
  });

  test("takes the call and says nothing is waited for no longer than the deadline", async () => {
    server.faults.silent = true;
    const { actions, link } = remoteAt(server.url, dir, [], { deadline: 50 });
    await expect(actions.find([hashBytes("key")])).rejects.toThrow("does not answer in time");
    expect(link.isGone).toBe(true);
    server.calls.length = 0;
    await expect(actions.find([hashBytes("key")])).rejects.toThrow("does not answer in time");
    expect(server.calls).toEqual([]);
  });

  test("speaks no gRPC is one that cannot be reached", async () => {
    const other = createServer((socket) => {
      // Whoever is answered so may hang up first.
      socket.on("error", () => undefined);
      socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    await new Promise<void>((resolve) => void other.listen(0, "127.0.0.1", resolve));
    const url = `grpc://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const told = await machine().events({}, "--remote-cache", url);
    other.close();
    expect([told.status, told.which("built")]).toEqual([0, ALL]);
    expect(warnings(told)).toEqual([expect.stringContaining(url)]);
  });
});

const withServer = HAS_SERVER ? test : test.skip;

withServer("a real server is killed while a build runs, and comes back with what it had", async () => {
  const real = await startServer(dir);
  const puppet = makePuppet();
  const words = ["--remote-cache", real.url, "--remote-upload"];
  await machine().good(...words, "a");
  const one = machine();
  const more = `export const more = run({ inputs: {}, cmd: '${puppet.cmd} echo more > "$OUT"', out: "more" });\n`;
  one.write("Imagefile.ts", IMAGEFILE + more);
  try {
    const building = one.start({}, ...words, "a", "more");
    await puppet.started(1, building);
    real.stop();
    puppet.release();
    const { status, stderr } = await finish(building);
    expect([status, stderr.match(/^warning: .*/gm)]).toEqual([
      0,
      [expect.stringContaining("cannot be reached")],
    ]);
  } finally {
    puppet.close();
  }
  const again = await startServer(dir, real.url);
  try {
    const told = await machine().events({}, ...words);
    expect([told.status, told.which("restored"), told.which("built")]).toEqual([
      0,
      ["a"],
      ["big", "packed", "tree"],
    ]);
    expect((await machine().events({}, ...words)).which("built")).toEqual([]);
  } finally {
    again.stop();
  }
});

test("doctor --remote says what a server can and how fast it is, and exits 3 where it is not there", async () => {
  const one = machine();
  const { status, stdout } = await one.run("doctor", "--remote", ...to());
  expect(stdout).toMatch(/^ok {2}grpc:.*: Remote Execution cache, answers in [\d.]+ ms$/m);
  expect(stdout).toMatch(/^ok {2}8.* went there at .*\/s, and came back at .*\/s$/m);
  server.stop();
  expect((await one.run("doctor", "--remote", ...from())).stdout).toMatch(/^-- {2}grpc:.*cannot be reached/m);
  expect([0, 3]).toContain(status);
  expect((await one.run("doctor", "--remote")).status).toBe(2);
});

/** Manifests of trees begin with their name. */
function loseManifests(): void {
  for (const [hash, bytes] of server.blobs)
    if (bytes.toString().startsWith("imagemake-tree")) server.blobs.delete(hash);
}

/** Results that say of themselves that they are of other keys, with digests that are right. */
function spoilResults(): void {
  for (const result of server.results.values())
    for (const file of result.outputFiles.filter(({ path }) => path === "result.json")) {
      const json = server.blobs.get(file.digest?.hash ?? "")?.toString() ?? "";
      const bytes = Buffer.from(json.replace(/"key":"[0-9a-f]{2}/, '"key":"00'));
      file.contents = bytes;
      if (file.digest !== undefined)
        Object.assign(file.digest, { hash: hashBytes(bytes), sizeBytes: BigInt(bytes.length) });
      server.blobs.set(hashBytes(bytes), bytes);
    }
}

test("of a tree on another the message that a server counts by names the new files alone", async () => {
  const { contents } = remoteAt(server.url, dir);
  const text = (names: readonly string[]): string =>
    `imagemake-tree 1\n. d0755 0:0 5\n${names.map((name) => `${name} f0644 0:0 5 ${name.length} ${hashBytes(name)}\n`).join("")}`;
  const giving = (names: readonly string[], parent: string | null): Giving => ({
    ...{ id: `t:${hashBytes(text(names))}`, size: 0, manifest: text(names), parent },
    copy: (files) => {
      for (const name of names) {
        const path = files.get(hashBytes(name));
        if (path !== undefined) writeFileSync(path, name);
      }
      return Promise.resolve(ok(undefined));
    },
  });
  const many = Array.from({ length: 3000 }, (_, at) => `file-${at}`);
  const base = giving(many, null);
  expect(await contents.take([base])).toEqual(new Map());
  const before = new Map(server.blobs);
  server.calls.length = 0;
  expect(await contents.take([giving([...many, "new"], base.id)])).toEqual(new Map());
  const added = [...server.blobs].filter(([hash]) => !before.has(hash)).map(([, bytes]) => bytes.length);
  // The file, the manifest, and a message of one file.
  expect(added.length).toBe(3);
  expect(Math.min(...added)).toBe("new".length);
  expect(added.filter((size) => size < 400).length).toBe(2);
  expect(server.calls.length).toBeLessThan(10);
});

describe("who is let in", () => {
  /** A certificate of its own for `localhost`, signed by itself. */
  function certify(): { readonly cert: string; readonly key: string } {
    const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    execFileSync(
      "openssl",
      [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        cert,
        ...subject,
      ],
      { stdio: "ignore" },
    );
    return { cert, key };
  }

  test("has the certificate and the headers that imagemake.toml names; the server is held against its own", async () => {
    const { cert, key } = certify();
    const pem = readFileSync(cert);
    const secure = await standIn({ ca: pem, key: readFileSync(key), cert: pem });
    try {
      const one = machine();
      mkdirSync(one.path("keys"));
      for (const [name, path] of Object.entries({ "cert.pem": cert, "key.pem": key }))
        one.write(`keys/${name}`, readFileSync(path, "utf8"));
      one.write("keys/headers", "# a token\nAuthorization: Bearer abc\n");
      for (const name of ["key.pem", "headers"]) chmodSync(one.path("keys", name), 0o600);
      const config = [
        ...["[remote]", `cache = "${secure.url}/team"`, "upload = true", 'ca = "keys/cert.pem"'],
        ...['cert = "keys/cert.pem"', 'key = "keys/key.pem"', 'headers = "keys/headers"', ""],
      ].join("\n");
      one.write("imagemake.toml", config);
      await one.good("a");
      expect(secure.results.size).toBe(1);
      expect(secure.headers()).toMatchObject({ authorization: "Bearer abc" });
      one.write("imagemake.toml", config.replace(/^(?:cert|key) = .*\n/gm, ""));
      const told = await one.events({}, "-B", "a");
      expect([told.status, warnings(told)]).toEqual([0, [expect.stringContaining("cannot be reached")]]);
      chmodSync(one.path("keys", "headers"), 0o644);
      const open = await one.run("-B", "a");
      expect([open.status, open.stderr]).toEqual([
        3,
        expect.stringMatching(/headers .* is a secret, and others may read it\n {2}chmod 600/),
      ]);
      expect((await one.run("--no-remote", "-B", "a")).status).toBe(0);
    } finally {
      secure.stop();
    }
  });

  test.each([
    ["grpc://there:9092", "everybody on the way to grpc://there:9092 could read remote.headers"],
    ["grpc://user:secret@there:9092", "holds no user and no password"],
    ["http://there:9092", "http:// is not a kind of remote cache"],
    ["grpc://there", "names no port"],
    ["nonsense", "is not the URL"],
    ["grpc://there:1/a/blobs", "blobs cannot be part of an instance's name"],
  ])("%s is refused before anything runs: %s", async (url, says) => {
    const one = machine();
    one.write("headers", "a: b\n");
    chmodSync(one.path("headers"), 0o600);
    const env = { IMAGEMAKE_REMOTE_HEADERS: one.path("headers"), IMAGEMAKE_REMOTE_CACHE: url };
    const { status, stderr } = await one.call({ env });
    expect([status, stderr]).toEqual([2, expect.stringContaining(says)]);
    expect(stderr).not.toContain("secret@");
    expect(readdirSync(one.dir)).not.toContain("out");
  });

  test.each([
    [
      "a certificate without its key",
      "grpcs://there",
      { CERT: "a: b\n" },
      "remote.cert and remote.key go together",
    ],
    [
      "certificates without TLS",
      "grpc://there:9092",
      { CA: "" },
      "certificates are of no use to grpc://there:9092",
    ],
    [
      "a line that is no header",
      "grpcs://there",
      { HEADERS: "a: b\nno header\n" },
      ":2: expected a header, name: value",
    ],
    [
      "a header of gRPC's own",
      "grpcs://there",
      { HEADERS: "grpc-timeout: 1S\n" },
      ":1: expected a header, name: value",
    ],
  ])("%s is refused", async (_, url, files, says) => {
    const one = machine();
    const env: Record<string, string> = { IMAGEMAKE_REMOTE_CACHE: url };
    for (const [name, text] of Object.entries(files)) {
      one.write(name, text);
      chmodSync(one.path(name), 0o600);
      env[`IMAGEMAKE_REMOTE_${name}`] = one.path(name);
    }
    const { status, stderr } = await one.call({ env });
    expect([status, stderr]).toEqual([2, expect.stringContaining(says)]);
  });

  test("a directory and a server at once are refused", async () => {
    const both = ["--cache", `file://${dir}`, ...from()];
    const { status, stderr } = await machine().run(...both);
    expect([status, stderr]).toEqual([2, expect.stringContaining("two are named")]);
    expect((await machine().run(...both, "--no-remote", "a")).status).toBe(0);
  });
});

test("an address is read: host, port, TLS, instance", () => {
  expect(unwrap(addressOf("grpcs://cache.example.org/team/images/"))).toEqual({
    name: "grpcs://cache.example.org/team/images",
    ...{ host: "cache.example.org", port: 443, secure: true, instance: "team/images" },
  });
  expect(unwrap(addressOf("grpc://[::1]:9092"))).toMatchObject({ host: "[::1]", port: 9092, instance: "" });
});

describe("trying again", () => {
  const waited: number[] = [];
  const patience = {
    ...{ ...PATIENCE, times: 4, first: 100, longest: 300, random: () => 0.5 },
    wait: (ms: number) => {
      waited.push(ms);
      return Promise.resolve();
    },
  };

  test("ends after so many tries, with pauses that double up to the longest, of which chance takes a part", async () => {
    waited.length = 0;
    const work = (): Promise<never> => Promise.reject(new Error("no"));
    const tried = trying(
      work,
      () => true,
      (_, { tries }) => new Error(`after ${tries}`),
      patience,
    );
    await expect(tried).rejects.toThrow("after 4");
    expect(waited).toEqual([50, 100, 150]);
    expect(pauseAfter(1, { ...patience, random: () => 1 })).toBe(100);
  });

  test("is not done where it would come out the same", async () => {
    waited.length = 0;
    const tried = trying(
      () => Promise.reject(new Error("never")),
      () => false,
      () => new Error("gave up"),
      patience,
    );
    await expect(tried).rejects.toThrow("never");
    expect(waited).toEqual([]);
  });
});
