// NAME: the name of the system, in Debian with its line in etc/hosts; or ZONE: its time zone; in the tree at $OUT. None of the tree's programs runs.
import { chmodSync, chownSync, lchownSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import process from "node:process";
import { at, die, hint, inside, makeDirectories, read } from "./tree.mjs";

const { NAME, ZONE } = process.env;
/** Debian has the name without its domain, and both in etc/hosts. */
const isDebian = at("var/lib/dpkg")?.isDirectory() === true;
const ZONES = "usr/share/zoneinfo";

/** @param {string} path @param {string} text */
function put(path, text) {
  const isNew = at(path) === undefined;
  makeDirectories("etc");
  const place = inside(path, true);
  writeFileSync(place, text);
  if (!isNew) return;
  chownSync(place, 0, 0);
  chmodSync(place, 0o644);
}

if (NAME !== undefined) {
  const [short = ""] = NAME.split(".");
  put("etc/hostname", `${isDebian ? short : NAME}\n`);
  if (isDebian) {
    const before = read("etc/hosts") ?? "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    const lines = before.split("\n").filter((line) => !/^127\.0\.1\.1\s/.test(line));
    const own = `127.0.1.1\t${[NAME, short].filter((name, i, all) => all.indexOf(name) === i).join(" ")}`;
    const after = lines.findIndex((line) => /^127\.0\.0\.1\s/.test(line)) + 1;
    put("etc/hosts", [...lines.slice(0, after), own, ...lines.slice(after)].join("\n"));
  }
}

if (ZONE !== undefined) {
  if (at(ZONES)?.isDirectory() !== true) die(`the tree has no time zones (${ZONES}): install tzdata`);
  if (at(`${ZONES}/${ZONE}`)?.isFile() !== true) {
    const names = readdirSync(inside(ZONES, true), { recursive: true, encoding: "utf8" });
    die(`the tree has no time zone ${ZONE} (${ZONES})${hint(ZONE, names)}`);
  }
  makeDirectories("etc");
  const place = inside("etc/localtime");
  rmSync(place, { force: true });
  symlinkSync(`/${ZONES}/${ZONE}`, place);
  lchownSync(place, 0, 0);
  if (at("etc/timezone") !== undefined) put("etc/timezone", `${ZONE}\n`);
}
