// Users of the tree at $OUT, made and changed by editing its passwd, group, shadow and gshadow: no program of the tree
// runs, so its architecture does not matter, and no day of today comes in. USERS: JSON, as rules/steps/users.ts writes it.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { at, die, hint, inside, isProgram, makeDirectories, read } from "./tree.mjs";

/**
 * @typedef {{ name: string, groups?: string[], password?: "locked" | "blank" | { hash: string } | { variable: string },
 *   expire?: boolean, sudo?: boolean | "nopasswd", uid?: number, gid?: number, home?: string, shell?: string,
 *   comment?: string }} User
 */

/** @type {unknown} */
const given = JSON.parse(process.env.USERS ?? "");
const plan = /** @type {{ users: User[], newGroups: string[] }} */ (given);

/** Days since 1970: shadow's idea of when a password was changed. */
const today = String(Math.floor(Number(process.env.SOURCE_DATE_EPOCH) / 86_400));
const SHELLS = ["bin/bash", "bin/sh"];
/** @typedef {[first: number, last: number]} Range */
/** @type {Range} */
const USER_IDS = [1000, 59_999];
/** @type {Range} */
const GROUP_IDS = [100, 999];
/** crypt(5); what the Imagefile has was checked when it was loaded, a variable's value is seen only here. */
const HASH = /^\$[0-9a-z]+[$,][^\s:]+$/;

/** A line of a table. @typedef {[name: string, string, string, string, ...string[]]} Entry */

/**
 * @param {string[]} fields
 * @returns {fields is Entry}
 */
const isEntry = (fields) => fields.length >= 4;

/** A file of lines whose fields stand between colons; lines that are not such stay as they are. */
class Table {
  /**
   * @param {string} path
   * @param {string} text
   */
  constructor(path, text) {
    this.path = path;
    this.before = text;
    this.lines = text.split("\n").map((line) => {
      const fields = line.split(":");
      return isEntry(fields) && /^[^#+-]/.test(line) ? fields : line;
    });
    if (this.lines.at(-1) === "") this.lines.pop();
  }

  /** @returns {Entry[]} */
  get entries() {
    return this.lines.filter((line) => typeof line !== "string");
  }

  /** @param {string} name */
  find(name) {
    return this.entries.find((fields) => fields[0] === name);
  }

  /** @param {Entry} fields */
  add(fields) {
    this.lines.push(fields);
    return fields;
  }

  /** @param {number} column */
  used(column) {
    return new Set(this.entries.map((fields) => Number(fields[column])));
  }

  /** Into the file that is there, so that mode and owner stay. */
  save() {
    const lines = this.lines.map((line) => (typeof line === "string" ? line : line.join(":")));
    const text = lines.map((line) => `${line}\n`).join("");
    if (text !== this.before) writeFileSync(inside(this.path, true), text);
  }
}

/** @param {string} path */
function table(path) {
  const text = read(path);
  return text === null ? null : new Table(path, text);
}

const passwd = table("etc/passwd") ?? die("there is no etc/passwd in the tree, so it has no users");
const group = table("etc/group") ?? die("there is no etc/group in the tree, so it has no groups");
const shadow = table("etc/shadow");
const gshadow = table("etc/gshadow");

for (const name of plan.newGroups)
  if (group.find(name) === undefined) makeGroup(name, freeId(group, gids(), GROUP_IDS));
for (const user of plan.users) settle(user);
for (const file of [passwd, group, shadow, gshadow]) file?.save();

/** @param {User} user */
function settle(user) {
  const { name } = user;
  const known = passwd.find(name);
  const missing = (user.groups ?? []).filter((one) => one !== name && group.find(one) === undefined);
  if (missing.length > 0) {
    const names = group.entries.map((fields) => fields[0]);
    const words = missing.map((one) => `${one}${hint(one, names)}`).join(", ");
    die(
      `${name}: the tree does not have the group${missing.length > 1 ? "s" : ""} ${words}; newGroups makes one`,
    );
  }
  const shell = user.shell === undefined ? null : shellOf(name, user.shell);
  const fields = known === undefined ? makeUser(user, shell) : changeUser(known, user, shell);
  if (user.password !== undefined || known === undefined) setPassword(fields, user.password ?? "locked");
  if (user.expire === true) expire(name);
  for (const one of user.groups ?? []) enter(one, name, fields[3]);
  if (user.sudo !== undefined && user.sudo !== false) {
    sudoer(name, user.sudo === "nopasswd");
    for (const one of ["sudo", "wheel"]) if (group.find(one) !== undefined) enter(one, name, fields[3]);
  }
}

/**
 * @param {User} user
 * @param {string | null} shell
 */
function makeUser(user, shell) {
  const { name } = user;
  const holder =
    user.uid === undefined ? undefined : passwd.entries.find(({ 2: uid }) => Number(uid) === user.uid);
  if (holder !== undefined) die(`${name}: the uid ${user.uid} is ${holder[0]}'s`);
  const uid = user.uid ?? freeId(passwd, passwd.used(2), USER_IDS);
  const gid = groupOf(user, uid);
  const found =
    shell ?? SHELLS.find(isProgram) ?? die(`${name}: the tree has none of the shells ${SHELLS.join(", ")}`);
  const home = user.home ?? `home/${name}`;
  makeHome(name, home, uid, gid);
  return passwd.add([name, "x", String(uid), String(gid), user.comment ?? "", `/${home}`, `/${found}`]);
}

/**
 * @param {Entry} fields
 * @param {User} user
 * @param {string | null} shell
 */
function changeUser(fields, user, shell) {
  const fixed = { uid: [2, user.uid], gid: [3, user.gid], home: [5, user.home && `/${user.home}`] };
  for (const [what, [column, wanted]] of Object.entries(fixed)) {
    const has = fields[Number(column)];
    if (wanted !== undefined && String(wanted) !== has) {
      die(`${user.name} is in the tree, and its ${what} is ${has}; it cannot become ${wanted}`);
    }
  }
  if (user.comment !== undefined) fields[4] = user.comment;
  if (shell !== null) fields[6] = `/${shell}`;
  return fields;
}

/**
 * The user's own group: by number, else by name, else a new one.
 * @param {User} user
 * @param {number} uid
 */
function groupOf(user, uid) {
  const named = group.find(user.name);
  const numbered = group.entries.find(({ 2: gid }) => Number(gid) === user.gid);
  if (user.gid !== undefined && numbered !== undefined) return user.gid;
  if (named !== undefined) {
    if (user.gid !== undefined) die(`${user.name}: the tree's group of that name has the gid ${named[2]}`);
    return Number(named[2]);
  }
  const gid = user.gid ?? (gids().has(uid) ? freeId(group, gids(), USER_IDS) : uid);
  makeGroup(user.name, gid);
  return gid;
}

/**
 * @param {string} name
 * @param {number} gid
 */
function makeGroup(name, gid) {
  group.add([name, "x", String(gid), ""]);
  gshadow?.add([name, "!", "", ""]);
}

/** Those of groups, and those that users have and no group: a new group with one would have their files. */
function gids() {
  return new Set([...group.used(2), ...passwd.used(3)]);
}

/**
 * The lowest that nobody has.
 * @param {Table} file
 * @param {Set<number>} used
 * @param {Range} range
 */
function freeId(file, used, [from, to]) {
  for (let id = from; id <= to; id++) if (!used.has(id)) return id;
  return die(`${file.path}: all numbers from ${from} to ${to} are taken`);
}

/**
 * @param {string} name
 * @param {string} user
 * @param {string} gid
 */
function enter(name, user, gid) {
  const fields = group.find(name);
  if (fields === undefined || fields[2] === gid) return;
  for (const line of [fields, gshadow?.find(name)]) {
    const members = (line?.[3] ?? "").split(",").filter((one) => one !== "");
    if (line !== undefined && !members.includes(user)) line[3] = [...members, user].join(",");
  }
}

/**
 * @param {string} name
 * @param {string} shell
 */
function shellOf(name, shell) {
  if (isProgram(shell)) return shell;
  const listed = (read("etc/shells") ?? "").split("\n").filter((line) => line.startsWith("/"));
  const others = listed.filter(isProgram);
  return die(
    `${name}: the shell /${shell} is no program of the tree${others.length > 0 ? `; it has ${others.join(", ")}` : ""}`,
  );
}

/**
 * @param {Entry} fields
 * @param {NonNullable<User["password"]>} password
 */
function setPassword(fields, password) {
  const [name] = fields;
  const secret = password === "locked" ? "!" : password === "blank" ? "" : hashOf(name, password);
  if (shadow === null) {
    // Anybody may read passwd.
    if (typeof password === "object") {
      die(
        `${name}: there is no etc/shadow in the tree, and in etc/passwd everybody could read the hash; ` +
          `an empty one is enough: step.write("etc/shadow", "", { mode: 0o640 })`,
      );
    }
    fields[1] = secret;
    return;
  }
  fields[1] = "x";
  const line = shadow.find(name) ?? shadow.add([name, "!", today, "0", "99999", "7", "", "", ""]);
  line[1] = secret;
  line[2] = today;
}

/**
 * @param {string} name
 * @param {{ hash: string } | { variable: string }} password
 */
function hashOf(name, password) {
  const hash = "hash" in password ? password.hash : (process.env[password.variable] ?? "");
  if (HASH.test(hash)) return hash;
  const what = hash === "" ? "is not set" : "is no hash as crypt(5) has it (it is not shown)";
  return die(`${name}: the variable that its password's hash is to come from ${what}`);
}

/**
 * A password that was last changed on day 0 has to be changed.
 * @param {string} name
 */
function expire(name) {
  if (shadow === null) die(`${name}: expire needs etc/shadow, and the tree has none`);
  const fields = passwd.find(name);
  const line = shadow.find(name);
  if (line === undefined || fields?.[1] !== "x")
    die(`${name}: its password is not in etc/shadow, so it cannot expire`);
  line[2] = "0";
}

/**
 * @param {string} name
 * @param {boolean} unasked
 */
function sudoer(name, unasked) {
  const config = read("etc/sudoers");
  if (config === null) die(`${name}: sudo is not in the tree (etc/sudoers); install it in an earlier step`);
  if (!/^\s*[#@]includedir\s+"?\/?etc\/sudoers\.d"?\s*$/m.test(config)) {
    die(`${name}: etc/sudoers does not include etc/sudoers.d, so sudo would not read what is written there`);
  }
  makeDirectories("etc/sudoers.d");
  const path = inside(`etc/sudoers.d/${name}`);
  // What a link leads to is somebody else's.
  rmSync(path, { force: true });
  writeFileSync(path, `${name} ALL=(ALL:ALL) ${unasked ? "NOPASSWD: " : ""}ALL\n`);
  chownSync(path, 0, 0);
  chmodSync(path, 0o440);
}

/**
 * @param {string} name
 * @param {string} home
 * @param {number} uid
 * @param {number} gid
 */
function makeHome(name, home, uid, gid) {
  makeDirectories(dirname(home));
  const path = inside(home);
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there !== undefined) {
    if (there.isDirectory() && there.uid === uid) return;
    die(
      `${name}: /${home} is there already and not ${name}'s (uid ${uid}): make the user before what lies in its home`,
    );
  }
  if (at("etc/skel")?.isDirectory() === true) {
    const words = [
      "-dR",
      "--preserve=mode,timestamps,links,xattr",
      "-T",
      "--",
      inside("etc/skel", true),
      path,
    ];
    const { status, stderr } = spawnSync("cp", words, { encoding: "utf8" });
    if (status !== 0) die(`${name}: etc/skel could not be copied: ${stderr}`);
  } else mkdirSync(path);
  give(path, uid, gid);
  chmodSync(path, 0o700);
}

/**
 * @param {string} path
 * @param {number} uid
 * @param {number} gid
 */
function give(path, uid, gid) {
  lchownSync(path, uid, gid);
  if (!lstatSync(path).isDirectory()) return;
  for (const name of readdirSync(path)) give(join(path, name), uid, gid);
}
