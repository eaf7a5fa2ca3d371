// Guards what an action may see and do, and that nothing of it outlives the engine: real commands in real
// namespaces.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { canHoldTrees, probeIsolation } from "../engine/execute/local/capability.js";
import { removeTree } from "../engine/execute/local/remove.js";
import { unwrap } from "../engine/problem.js";
import {
  runJob,
  type Isolation,
  type Job,
  type Mount,
  type Outcome,
} from "../engine/execute/local/sandbox.js";
import {
  PROJECT,
  asUser,
  drive,
  driveJob,
  makeTrial,
  mountsOf,
  commandsOf,
  processesOf,
  startDriver,
  until,
  type Trial,
} from "./support/sandbox.js";

// Conditions are waited for; this only bounds how long a loaded machine may take.
jest.setTimeout(60_000);
const never = new AbortController().signal;
const exited = (status: number): Outcome => ({ kind: "exited", status, stripped: [], mounts: [] });
let how: Isolation;
let trial: Trial;

beforeAll(async () => {
  how = unwrap(await probeIsolation(tmpdir()));
});
beforeEach(() => {
  trial = makeTrial();
});
afterEach(async () => {
  await until("all processes are gone", () => processesOf(trial).length === 0);
  expect(mountsOf(trial.dir)).toEqual([]);
  expect(await removeTree(trial.dir)).toEqual({ ok: true, value: undefined });
});

describe("how a command ends", () => {
  test.each([0, 1, 7, 126, 143, 255])("exit status %i passes", async (status) => {
    expect(await runJob(trial.job(`exit ${status}`), how, never)).toEqual(exited(status));
  });

  test("a signal is told from an exit status above 128", async () => {
    const outcome = await runJob(trial.job("kill -SEGV $$"), how, never);
    expect(outcome).toEqual({ kind: "signal", signal: "SIGSEGV" });
  });

  test("a program that is not there is status 127, with its name in the log", async () => {
    expect(await runJob(trial.job(["no-such-program"]), how, never)).toEqual(exited(127));
    expect(trial.said()).toMatch(/^no-such-program: No such file/);
  });

  test("a grandchild that holds the log open neither delays the result nor survives it", async () => {
    const outcome = await runJob(trial.job("sleep 1000 & (setsid sleep 1000 &) ; echo done"), how, never);
    expect(outcome).toEqual(exited(0));
    expect(trial.said()).toBe("done\n");
    expect(commandsOf(trial)).toEqual([]);
  });

  test("a command that signals its own process group does not reach its keeper", async () => {
    const outcome = await runJob(trial.job("trap '' HUP; kill -HUP 0; echo lives; exit 25"), how, never);
    expect(outcome).toEqual(exited(25));
  });

  test("a mount that fails is a problem of exit status 3, and the command does not run", async () => {
    const mounts: Mount[] = [{ kind: "bind", from: "/nowhere/x", to: join(trial.work, "x"), readOnly: true }];
    const outcome = await runJob(trial.job("touch ran", { mounts }), how, never);
    expect(outcome).toMatchObject({ kind: "problem", problem: { exit: 3 } });
    expect(JSON.stringify(outcome)).toContain("/nowhere/x");
    expect(lstatSync(join(trial.work, "ran"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("a working directory or a log that is missing is a problem, not a crash", async () => {
    const lost = join(trial.dir, "lost");
    expect(await runJob(trial.job("true", { cwd: lost }), how, never)).toMatchObject({ kind: "problem" });
    const log = join(lost, "log");
    expect(await runJob(trial.job("true", { log }), how, never)).toMatchObject({ kind: "problem" });
  });
});

describe("stopping", () => {
  const stopped = async (
    script: string,
    extra: { graceMs?: number } = {},
    nowAfter = false,
  ): Promise<Outcome> => {
    const [stop, now] = [new AbortController(), new AbortController()];
    const running = runJob(trial.job(script, extra), how, stop.signal, now.signal);
    await until("the command is ready", () => trial.said().includes("ready"));
    stop.abort();
    if (nowAfter) now.abort();
    return running;
  };

  test("TERM reaches the command, and what returns 0 after it is still interrupted", async () => {
    const outcome = await stopped("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 1; done");
    expect(outcome).toEqual({ kind: "interrupted" });
    expect(trial.said()).toContain("bye");
  });

  test("TERM reaches processes that left the command's group and session", async () => {
    const deep = "setsid sh -c 'trap \"echo deep\" TERM; echo ready; sleep 1000 & wait'";
    await stopped(`trap : TERM; ${deep} & wait $! || wait $!`);
    expect(trial.said()).toContain("deep");
  });

  test("a command that ignores TERM is killed after the grace time", async () => {
    const outcome = await stopped("trap '' TERM; echo ready; while :; do sleep 1; done", { graceMs: 50 });
    expect(outcome).toEqual({ kind: "interrupted" });
    expect(commandsOf(trial)).toEqual([]);
  });

  test("a second wish to stop does not wait for the grace time", async () => {
    const script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    expect(await stopped(script, { graceMs: 3_600_000 }, true)).toEqual({ kind: "interrupted" });
    expect(commandsOf(trial)).toEqual([]);
  });

  test("a timeout is told from an interrupt, and an action already stopped is not started", async () => {
    const slow = trial.job("sleep 1000", { timeoutMs: 20 });
    expect(await runJob(slow, how, never)).toEqual({ kind: "timeout" });
    const before = trial.job("touch ran");
    expect(await runJob(before, how, AbortSignal.abort())).toEqual({ kind: "interrupted" });
    expect(lstatSync(join(trial.work, "ran"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test("a limit longer than node's timers can count does not fire at once", async () => {
    expect(await runJob(trial.job("true", { timeoutMs: 2 ** 40 }), how, never)).toEqual(exited(0));
  });

  test("TERM that somebody else sends to the keeper counts as TERM, whatever the command returns", async () => {
    const script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    const running = runJob(trial.job(script), how, never);
    await until("the command is ready", () => trial.said().includes("ready"));
    // The keeper was started first.
    process.kill(Math.min(...processesOf(trial)), "SIGTERM");
    expect(await running).toEqual({ kind: "signal", signal: "SIGTERM" });
  });
});

describe("what an action sees", () => {
  const see = async (script: string, extra = {}): Promise<string> => {
    expect(await runJob(trial.job(script, extra), how, never)).toEqual(exited(0));
    return trial.said();
  };

  test("no network but its own loopback, unless declared", async () => {
    const interfaces = (text: string): string[] => [...text.matchAll(/^ *(\S+):/gm)].map((m) => m[1] ?? "");
    expect(interfaces(await see("cat /proc/net/dev; cat /sys/class/net/lo/operstate"))).toEqual(["lo"]);
    const below = "awk '$5 ~ /^.sys./ { print $5 }' /proc/self/mountinfo | sort -u";
    const host = spawnSync("sh", ["-c", below], { encoding: "utf8" }).stdout;
    expect(await see(`ls /sys/class/net; ${below}`)).toContain(`\nlo\n${host}`);
    expect(await see("readlink /proc/self/ns/net", { network: true })).toContain(
      readlinkSync("/proc/self/ns/net"),
    );
  });

  test("two processes of an action can talk over 127.0.0.1", async () => {
    const script =
      'use Socket; socket($s,2,1,0); bind($s,pack_sockaddr_in(0,inet_aton("127.0.0.1"))); listen($s,1); ' +
      'socket($c,2,1,0); connect($c,getsockname($s)) and print "connected"';
    expect(await see(`perl -e '${script}'`)).toBe("connected");
  });

  test("a /dev of its own, with the standard nodes in working order", async () => {
    const script =
      "ls /dev | tr '\\n' ' '; echo x > /dev/null; head -c 2 /dev/zero | wc -c; head -c 2 /dev/urandom | wc -c;" +
      "echo via >> /dev/stdout; readlink /dev/fd; touch /dev/shm/mine /dev/new; test -c /dev/ptmx; : <> /dev/ptmx";
    expect(await see(script)).toBe(
      "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 2\n2\nvia\n/proc/self/fd\n",
    );
    expect(lstatSync("/dev/new", { throwIfNoEntry: false })).toBeUndefined();
    expect(lstatSync("/dev/shm/mine", { throwIfNoEntry: false })).toBeUndefined();
  });

  test("whoever deletes /dev deletes his own", async () => {
    await see("rm -rf /dev/* 2>/dev/null || :; ls /dev | grep -c . || :");
    for (const node of ["null", "zero", "tty"])
      expect(statSync(`/dev/${node}`).isCharacterDevice()).toBe(true);
  });

  test("whoever unmounts /dev uncovers none of the host's", async () => {
    expect(await see("umount -l /dev; test ! -e /dev/kmsg -a ! -e /dev/full && echo bare")).toBe("bare\n");
  });

  test("nodes of declared devices, and no others", async () => {
    expect(await see("ls /dev/full; ls /dev/kmsg", { devices: ["/dev/kmsg"] })).toContain("/dev/kmsg");
    expect(await runJob(trial.job("test -e /dev/kmsg"), how, never)).toEqual(exited(1));
  });

  test("its own processes only", async () => {
    expect(await see("ls /proc | grep -c '^[0-9]' ; cat /proc/1/comm")).toMatch(/^[3-5]\nimagemake: /);
  });

  test("its environment and nothing of the engine's, whatever the names mean to perl", async () => {
    const env = { PATH: "/usr/bin:/bin", PERL5OPT: "-Mno_such_module", LC_ALL: "nonsense", "+ODD": "1=2\n3" };
    expect(await runJob(trial.job(["env", "-0"], { env }), how, never)).toEqual(exited(0));
    const expected = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    expect(trial.said().split("\0").filter(Boolean).sort()).toEqual(expected.sort());
  });

  test.each([false, true])("no file that the caller had open; interactive: %s", (interactive) => {
    const job = trial.job(`ls /proc/self/fd > ${trial.dir}/open`, { interactive });
    const caller = ["bash", "-c", 'exec 9</etc 47</etc/hostname; exec "$@"', "bash"];
    expect(driveJob(job, caller)).toEqual(exited(0));
    // The fourth is what ls reads.
    expect(readFileSync(join(trial.dir, "open"), "utf8")).toBe("0\n1\n2\n3\n");
  });

  test("nothing on standard input, and no machine name", async () => {
    expect(await see("cat; uname -n")).toBe("localhost\n");
  });

  test("a read-only input stays as it is, and what is mounted below is left out unless asked for", async () => {
    const from = join(trial.dir, "input");
    mkdirSync(join(from, "sub"), { recursive: true });
    writeFileSync(join(from, "file"), "as it was");
    const to = join(trial.work, "in/A");
    const file = join(trial.work, "in/B/file");
    const mounts: Mount[] = [
      { kind: "bind", from, to, readOnly: true },
      { kind: "bind", from: join(from, "file"), to: file, readOnly: true },
      { kind: "bind", from: "/proc", to: join(trial.work, "proc"), readOnly: false, recursive: true },
    ];
    const script =
      "cat in/B/file; for f in in/A/file in/A/new in/B/file; do ! touch $f; done; test -e proc/1";
    expect(await see(script, { mounts })).toMatch(/^as it was/);
    expect(readFileSync(join(from, "file"), "utf8")).toBe("as it was");
  });
});

describe("overlays", () => {
  /** Two layers with a file, a directory and an upper directory over them. */
  const overlay = (base: string): { upper: string; mount: Mount } => {
    const [upper, work] = [join(base, "upper"), join(base, "scratch")];
    for (const path of [upper, work]) mkdirSync(path, { recursive: true });
    for (const path of ["low/dir", "high"]) mkdirSync(join(trial.layers, path), { recursive: true });
    for (const name of ["low/kept", "low/gone", "low/changed", "low/dir/old", "high/top"]) {
      writeFileSync(join(trial.layers, name), name);
    }
    const mount = {
      kind: "overlay",
      layers: ["high", "low"],
      upper,
      work,
      to: join(trial.work, "tree"),
    } as const;
    return { upper, mount };
  };
  const change =
    "cd tree; cat kept top; rm gone; echo new > changed; rm -r dir; mkdir dir; echo fresh > dir/young";

  test("change, deletion and a directory made anew land in the upper directory", async () => {
    const { upper, mount } = overlay(trial.dir);
    expect(await runJob(trial.job(change, { mounts: [mount] }), how, never)).toEqual(exited(0));
    expect(readFileSync(join(upper, "changed"), "utf8")).toBe("new\n");
    const gone = lstatSync(join(upper, "gone"));
    expect(gone.isCharacterDevice() && gone.rdev === 0).toBe(true);
    expect(readFileSync(join(trial.layers, "low/changed"), "utf8")).toBe("low/changed");
    expect(lstatSync(join(upper, "kept"), { throwIfNoEntry: false })).toBeUndefined();
    // Opaque: seen from above, the directory does not show what lies beneath.
    const layers = ["../upper", "high", "low"];
    const again: Mount = { kind: "overlay", layers, upper: null, work: null, to: mount.to };
    const list = trial.job("cd tree; find . -type f | sort | tr '\\n' ' '; ! touch x", { mounts: [again] });
    expect(await runJob(list, how, never)).toEqual(exited(0));
    expect(trial.said()).toContain("./changed ./dir/young ./kept ./top ");
  });

  test("a tree of one layer is read-only", async () => {
    overlay(trial.dir);
    const to = join(trial.work, "tree");
    const mounts: Mount[] = [{ kind: "overlay", layers: ["low"], upper: null, work: null, to }];
    const job = trial.job("cat tree/kept; ! rm tree/kept", { mounts });
    expect(await runJob(job, how, never)).toEqual(exited(0));
    expect(readFileSync(join(trial.layers, "low/kept"), "utf8")).toBe("low/kept");
  });

  test.each(["a,b", "a:b", "a b", "a\\b", "a'é\n"])("a project directory named %j", async (name) => {
    mkdirSync(join(trial.dir, name));
    const { upper, mount } = overlay(join(trial.dir, name));
    expect(await runJob(trial.job(change, { mounts: [mount] }), how, never)).toEqual(exited(0));
    expect(readFileSync(join(upper, "changed"), "utf8")).toBe("new\n");
  });

  test("more layers than mount options can name are a problem, not a cut list", async () => {
    const layers = Array.from({ length: 80 }, (_, i) => String(i).padStart(64, "0"));
    const to = join(trial.work, "tree");
    const mounts: Mount[] = [{ kind: "overlay", layers, upper: null, work: null, to }];
    const outcome = await runJob(trial.job("true", { mounts }), how, never);
    expect(outcome).toMatchObject({ kind: "problem", problem: { exit: 3 } });
  });
});

describe("when the engine dies", () => {
  const order = (): Parameters<typeof startDriver>[0] => {
    mkdirSync(join(trial.layers, "low"));
    for (const name of ["upper", "scratch"]) mkdirSync(join(trial.dir, name));
    const mount: Mount = {
      ...{ kind: "overlay", layers: ["low"], to: join(trial.work, "tree") },
      ...{ upper: join(trial.dir, "upper"), work: join(trial.dir, "scratch") },
    };
    const script = "trap '' TERM HUP INT; setsid sleep 1000 & echo ready; sleep 1000 & wait";
    return { do: "run", job: trial.job(script, { mounts: [mount] }), how };
  };

  test.each(["the engine alone", "its whole group"])("SIGKILL to %s leaves no process", async (who) => {
    const driver = startDriver(order());
    await until("the command is ready", () => trial.said().includes("ready"));
    expect(processesOf(trial).length).toBeGreaterThan(3);
    process.kill(who === "the engine alone" ? (driver.pid ?? 0) : -(driver.pid ?? 0), "SIGKILL");
    await until("every process is gone", () => processesOf(trial).length === 0);
  });

  test("at any moment of the start, too", async () => {
    const job = trial.job("setsid sleep 1000 & sleep 1000");
    for (let round = 0; round < 15; round++) {
      const driver = startDriver({ do: "run", job, how });
      await until("the keeper has begun", () => processesOf(trial).length > 0);
      // Busy, because a timer would always hit the same moments.
      for (const end = performance.now() + round; performance.now() < end;);
      driver.kill("SIGKILL");
      await until("every process is gone", () => processesOf(trial).length === 0);
    }
  });

  test("a keeper that is killed takes its namespace along", async () => {
    const running = runJob(trial.job("echo ready; sleep 1000"), how, never);
    await until("the command is ready", () => trial.said().includes("ready"));
    process.kill(Math.min(...processesOf(trial)), "SIGKILL");
    expect(await running).toEqual({ kind: "signal", signal: "SIGKILL" });
  });
});

describe("with a terminal", () => {
  test("an interactive command has it, by name too, and no session of its own", () => {
    const job = trial.job("test -t 0 && test -t 1 && tty && printf 'type: ' > /dev/tty", {
      interactive: true,
    });
    const order = `'${JSON.stringify({ do: "run", job, how }).replaceAll("'", `'\\''`)}'`;
    const driver = `${process.execPath} ${PROJECT}dist/test/support/sandbox-driver.js ${order}`;
    const done = spawnSync("script", ["-qec", driver, "/dev/null"], { encoding: "utf8" });
    expect(done.stdout).toMatch(/^\/dev\/pts\/\d+\r\ntype: \{"kind":"exited","status":0,/);
  });
});

const root = process.getuid?.() === 0;
(root ? describe : describe.skip)("as an ordinary user (started by root)", () => {
  test.each(["all", "one"] as const)("actions run as root of a user namespace (ids: %s)", (ids) => {
    const user = asUser(trial, ids);
    expect(drive({ do: "probe", dir: trial.work }, user)).toMatchObject({
      probed: { value: { kind: "namespaces", root: "user-namespace", ids } },
      overlay: { ok: true, value: { overlays: true } },
    });
    const chown = ids === "all" ? "touch file; chown 33:44 file; " : "";
    const script = `id -u; ${chown}echo > /dev/null; ! ip route get 192.0.2.1; mkdir -m 0 closed`;
    const upper = join(trial.work, "upper");
    expect(driveJob(trial.job(`${script}; mkdir ${upper}`), user)).toEqual(exited(0));
    expect(trial.said()).toMatch(/^0\n/);
    if (ids === "all") expect(statSync(join(trial.work, "file")).uid).toBeGreaterThan(100_000);
    // What the action made is deleted by the same user.
    chmodSync(trial.dir, 0o777);
    const stage = join(trial.dir, "mx20c2v7-efd629a1");
    renameSync(trial.work, stage);
    mkdirSync(trial.work);
    renameSync(stage, join(trial.work, "mx20c2v7-efd629a1"));
    chmodSync(trial.work, 0o777);
    expect(drive({ do: "stale", dir: trial.work }, user)).toMatchObject({ problems: [] });
    expect(statSync(trial.work).nlink).toBe(2);
  });

  test("SIGKILL to the engine leaves no process, also while the user namespace is being made", async () => {
    const job = trial.job("trap '' TERM; setsid sleep 1000 & echo ready; sleep 1000 & wait");
    // Every wrapper replaces itself: the driver is the process that is started here.
    const driver = startDriver({ do: "run", job }, asUser(trial, "all"));
    await until("the command is ready", () => trial.said().includes("ready"));
    driver.kill("SIGKILL");
    await until("every process is gone", () => processesOf(trial).length === 0);
    for (let round = 0; round < 5; round++) {
      const how = { kind: "namespaces", root: "user-namespace", ids: "all" } as const;
      const early = startDriver({ do: "run", job, how }, asUser(trial, "all"));
      await until("the keeper has begun", () => processesOf(trial).length > 0);
      for (const end = performance.now() + 2 * round; performance.now() < end;);
      early.kill("SIGKILL");
      await until("every process is gone", () => processesOf(trial).length === 0);
    }
  });

  test("where the kernel gives no namespaces that is a problem; process groups asked for do what they can", () => {
    const bare = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"];
    const probed = drive({ do: "probe", dir: trial.work }, bare);
    expect(probed).toMatchObject({
      probed: { ok: false, problem: { exit: 3 } },
      overlay: { ok: true, value: { overlays: false } },
    });
    expect(JSON.stringify(probed)).toContain("unshare: Operation not permitted");
    const run = (job: Job): Outcome => driveJob(job, bare, { kind: "process-groups" });
    expect(run(trial.job("sleep 1000 & exit 9"))).toEqual(exited(9));
    expect(run(trial.job("trap '' TERM; sleep 1000", { timeoutMs: 20, graceMs: 20 }))).toEqual({
      kind: "timeout",
    });
    const mounts: Mount[] = [{ kind: "bind", from: "/etc", to: join(trial.work, "x"), readOnly: true }];
    expect(run(trial.job("true", { mounts }))).toMatchObject({ kind: "problem" });
  });
});

describe("capability", () => {
  test("a directory on an overlay cannot carry another, and is told so", async () => {
    const dir = mkdtempSync(join(tmpdir(), "imagemake-over-"));
    try {
      expect(await canHoldTrees(dir, how, true)).toEqual({
        ok: true,
        value: { overlays: true, because: "" },
      });
      expect((await canHoldTrees("/proc", how, true)).ok).toBe(false);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
