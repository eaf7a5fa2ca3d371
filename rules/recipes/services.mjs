// Enables the services $SERVICES and disables $DISABLED, by name, in the tree at $OUT, for the init system that it starts with. None of the
// tree's programs runs.
import { readdirSync, symlinkSync, unlinkSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import { disableUnit, enableUnit } from "./systemd.mjs";
import { at, die, hint, inside, isLink, isProgram, makeDirectories } from "./tree.mjs";

/** @param {string | undefined} text */
const words = (text) => (text ?? "").split(" ").filter((word) => word !== "");
const names = words(process.env.SERVICES);
const disabled = words(process.env.DISABLED);
const SYSTEMD = ["usr/lib/systemd/systemd", "lib/systemd/systemd"];
const RUNIT = "etc/runit/runsvdir";

/** What /sbin/init is decides; where there is none yet, what is installed. */
function initSystem() {
  const init = at("sbin/init") === undefined ? "" : basename(inside("sbin/init", true));
  const systemd = SYSTEMD.some(isProgram);
  const runit = at(RUNIT)?.isDirectory() === true;
  if (init === "systemd" || (systemd && !runit)) return systemd ? "systemd" : null;
  return runit ? "runit" : null;
}

switch (initSystem()) {
  case "systemd":
    for (const name of disabled) disableUnit(name);
    for (const name of names) enableUnit(name);
    break;
  case "runit":
    for (const name of disabled) disableRunit(name);
    for (const name of names) enableRunit(name);
    break;
  default:
    die(
      `the tree starts neither with systemd (${SYSTEMD.join(", ")}) nor with runit (${RUNIT}), so no service can be enabled`,
    );
}

/** @param {string} name */
function enableRunit(name) {
  if (at(`etc/sv/${name}`)?.isDirectory() !== true) {
    const known = at("etc/sv")?.isDirectory() === true ? readdirSync(inside("etc/sv", true)) : [];
    die(`the tree does not have the service ${name} (etc/sv/${name})${hint(name, known)}`);
  }
  makeDirectories(`${RUNIT}/default`);
  const link = inside(`${RUNIT}/default/${name}`);
  if (isLink(link)) return;
  if (at(`${RUNIT}/default/${name}`) !== undefined) die(`${RUNIT}/default/${name} is there, and is no link`);
  symlinkSync(`/etc/sv/${name}`, link);
}

/** @param {string} name */
function disableRunit(name) {
  const link = inside(`${RUNIT}/default/${name}`);
  if (isLink(link)) unlinkSync(link);
}
