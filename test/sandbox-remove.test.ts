// Guards deletion: it stops at mount points that st_dev does not show, never follows a symlink, and takes
// every name and depth that a file system allows.
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { mountPoints } from "../engine/execute/local/mountinfo.js";
import { giveToUser, sudoOwner } from "../cache/write.js";
import { removeTree } from "../engine/execute/local/remove.js";
import { clearStaleStages } from "../engine/execute/local/stale.js";
import { asUser, drive, driveJob, inMounts, makeTrial, type Trial } from "./support/sandbox.js";

jest.setTimeout(60_000);
const done = { ok: true, value: undefined };
/** As imagemake calls it. */
const STAGE = "mx20c2v7-efd629a1";

let trial: Trial;
/** What must survive: `host/keep` beside the tree to delete. */
let host: string;
let tree: string;

beforeEach(() => {
  trial = makeTrial();
  [host, tree] = [join(trial.dir, "host"), join(trial.work, STAGE)];
  mkdirSync(host);
  writeFileSync(join(host, "keep"), "kept");
  mkdirSync(join(tree, "sub/deeper"), { recursive: true });
});
afterEach(() => {
  execFileSync("rm", ["-rf", "--one-file-system", trial.dir]);
});

const kept = (): string => readFileSync(join(host, "keep"), "utf8");

describe("removeTree", () => {
  test("deletes a file, a symlink itself, and nothing when nothing is there", async () => {
    writeFileSync(join(trial.work, "file"), "");
    symlinkSync(host, join(trial.work, "link"));
    for (const name of ["file", "link", "nothing"])
      expect(await removeTree(join(trial.work, name))).toEqual(done);
    expect(readdirSync(trial.work)).toEqual([STAGE]);
    expect(kept()).toBe("kept");
  });

  test.each([3, 1000])("does not follow symlinks (tree of %i files)", async (files) => {
    for (let i = 0; i < files; i++) writeFileSync(join(tree, `file${i}`), "");
    symlinkSync(host, join(tree, "absolute"));
    symlinkSync("../../../host", join(tree, "sub/escaping"));
    symlinkSync("nowhere", join(tree, "dangling"));
    expect(await removeTree(tree)).toEqual(done);
    expect(existsSync(tree)).toBe(false);
    expect(kept()).toBe("kept");
  });

  test.each([3, 1000])("takes names that are not UTF-8, newlines and sockets (%i files)", async (files) => {
    const odd = [
      Buffer.from([0x61, 0xff, 0xfe]),
      Buffer.from("new\nline"),
      Buffer.from("-rf"),
      Buffer.from("\\040"),
    ];
    for (const name of odd) {
      const dir = Buffer.concat([Buffer.from(`${tree}/`), name]);
      mkdirSync(dir);
      writeFileSync(Buffer.concat([dir, Buffer.from("/"), name]), "");
    }
    for (let i = 0; i < files; i++) writeFileSync(join(tree, `file${i}`), "");
    execFileSync("mkfifo", [join(tree, "fifo")]);
    expect(await removeTree(tree)).toEqual(done);
    expect(existsSync(tree)).toBe(false);
  });

  test("takes trees deeper than a path can be long", async () => {
    const script = `mkdir ${"d".repeat(200)} && cd ${"d".repeat(200)}`;
    execFileSync("bash", ["-ec", `for i in $(seq 40); do ${script}; done`], { cwd: tree });
    expect(await removeTree(tree)).toEqual(done);
    expect(existsSync(tree)).toBe(false);
  });
});

test("mountinfo's octal escapes are undone, and bytes stay bytes", () => {
  const line = (path: string): string => `36 35 98:0 / ${path} rw,noatime master:1 - ext3 /dev/root rw`;
  expect(mountPoints(`${line("/a\\040b\\134\\012c")}\n${line("/\xe9\\043")}\n`)).toEqual([
    "/a b\\\nc",
    "/\xe9#",
  ]);
});

test("what the user should own is given away only under sudo", () => {
  const before = { ...process.env };
  try {
    Object.assign(process.env, { SUDO_UID: "61234", SUDO_GID: "61235" });
    const asRoot = process.getuid?.() === 0;
    expect(sudoOwner()).toEqual(asRoot ? { uid: 61_234, gid: 61_235 } : null);
    symlinkSync(host, join(trial.work, "link"));
    giveToUser(join(trial.work, "link"));
    if (asRoot) expect(lstatSync(join(trial.work, "link"))).toMatchObject({ uid: 61_234, gid: 61_235 });
    expect(lstatSync(host).uid).toBe(process.getuid?.());
    delete process.env["SUDO_UID"];
    expect(sudoOwner()).toBeNull();
  } finally {
    process.env = before;
  }
});

const root = process.getuid?.() === 0;
(root ? describe : describe.skip)("mount points (made by root, in a namespace of the test's own)", () => {
  test.each([3, 1000])("a bind mount of the same file system is refused, and named (%i files)", (files) => {
    for (let i = 0; i < files; i++) writeFileSync(join(tree, `file${i}`), "");
    const mount = inMounts(`mount --bind '${host}' '${tree}/sub/deeper'`);
    const refused = drive({ do: "remove", dir: tree, unmount: false }, mount);
    expect(refused).toMatchObject({ ok: false, problem: { exit: 3 } });
    expect(JSON.stringify(refused)).toContain(`${tree}/sub/deeper`);
    expect(kept()).toBe("kept");
    // Nothing was deleted on the way.
    expect(readdirSync(tree).length).toBe(files + 1);
  });

  test("a mount on the directory itself, and a path that leads there by a symlink, are seen", () => {
    symlinkSync(trial.work, join(trial.dir, "detour"));
    const mount = inMounts(`mount --bind '${host}' '${tree}'`);
    const order = { do: "remove", dir: join(trial.dir, "detour/tree"), unmount: false } as const;
    expect(drive(order, mount)).toMatchObject({ ok: false });
    expect(kept()).toBe("kept");
  });

  test("a mount beside it, whose name begins alike, does not matter", () => {
    mkdirSync(`${tree}-2`);
    const mount = inMounts(`mount --bind '${host}' '${tree}-2'`);
    expect(drive({ do: "remove", dir: tree, unmount: false }, mount)).toEqual({ ok: true });
    expect(kept()).toBe("kept");
  });

  test("stale stages are unmounted, whatever their names and however often mounted, and deleted", () => {
    const names = ["plain", "a b", "tab\there", "new\nline\n", "back\\040slash", "%s"];
    for (const name of names) mkdirSync(join(tree, name));
    const script = [
      `odd=$(printf '${tree}/\\377\\376'); mkdir "$odd"; mount --bind '${host}' "$odd"`,
      ...names.map((name) => `mount --bind '${host}' '${tree}/${name}'`),
      `mount --bind '${host}' '${tree}/plain'; mkdir '${tree}/sub/busy'; mount -t tmpfs t '${tree}/sub/busy'`,
      // Somebody is in there, and something is mounted in what is mounted.
      `mkdir '${tree}/sub/busy/in'; mount --bind '${host}' '${tree}/sub/busy/in'; cd '${tree}/sub/busy'; sleep 1000 &`,
      `cd /; trap "kill $!" EXIT; "$@"; ! grep '${tree}' /proc/self/mountinfo >&2`,
    ].join("\n");
    // The namespace's last word is the check, so it must not be replaced by the driver.
    const wrapper = ["unshare", "--mount", "sh", "-eu", "-c", script, "sh"];
    expect(drive({ do: "stale", dir: trial.work }, wrapper)).toEqual({ cleared: [STAGE], problems: [] });
    expect(readdirSync(trial.work)).toEqual([]);
    expect(kept()).toBe("kept");
  });

  test("what cannot be deleted is reported by name, and the other stages are cleared", () => {
    const other = join(trial.work, "mx20c2v7-00000000");
    mkdirSync(other);
    writeFileSync(join(tree, "stays"), "");
    if (spawnSync("chattr", ["+i", join(tree, "stays")]).status !== 0) return;
    try {
      const report = drive({ do: "stale", dir: trial.work });
      expect(report).toMatchObject({ cleared: ["mx20c2v7-00000000"], problems: [{ exit: 3 }] });
      expect(JSON.stringify(report)).toContain("stays");
    } finally {
      execFileSync("chattr", ["-i", join(tree, "stays")]);
    }
  });

  test("an ordinary user deletes what belongs to his subordinate ids", () => {
    const user = asUser(trial, "all");
    const make =
      "mkdir -p theirs/closed && touch theirs/closed/file && chmod 0 theirs/closed && chown -R 33:44 theirs && mkdir own";
    expect(driveJob(trial.job(make), user)).toEqual({ kind: "exited", status: 0, stripped: [], mounts: [] });
    const [theirs, own] = [join(trial.work, "theirs"), join(trial.work, "own")];
    expect(drive({ do: "remove", dir: theirs, unmount: false }, user)).toEqual({ ok: true });
    expect(drive({ do: "remove", dir: own, unmount: false }, user)).toEqual({ ok: true });
    expect(readdirSync(trial.work)).toEqual([STAGE]);
    // But not what is root's.
    expect(drive({ do: "remove", dir: host, unmount: false }, user)).toMatchObject({ ok: false });
    expect(kept()).toBe("kept");
  });
});

test("a stage directory that is not there has no stale stages", async () => {
  expect(await clearStaleStages(join(trial.dir, "none"))).toEqual({ cleared: [], problems: [] });
});
