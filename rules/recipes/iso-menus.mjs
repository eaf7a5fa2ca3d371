// The menus of a live image, whose own files lie in $TOP: those that are generated, and those of the user's, which are there
// already, filled and looked through. PLAN: JSON, as rules/iso-menus.ts writes it. SPLASH: the picture's name, or empty.
// BIOS: not empty where there is isolinux. UUID: the volume's. KNOWN: the file with all other paths of the image, each
// ended by a NUL. Prints the files that systemd-boot has to have beside it.
import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import {
  grubEntries,
  grubMenu,
  grubNames,
  loopbackMenu,
  syslinuxEntries,
  syslinuxMenu,
  syslinuxNames,
  systemdEntries,
  systemdNames,
} from "./iso-loaders.mjs";
import { die, hint } from "./tree.mjs";

/**
 * @typedef {"isolinux" | "grub" | "systemdBoot"} Loader
 * @typedef {import("./iso-loaders.mjs").Entry} Entry
 * @typedef {{ entries: Entry[], wait: number, loopback: string | null, own: Loader[], fill: Record<string, string> }} Plan
 */

/** @type {unknown} */
const given = JSON.parse(process.env.PLAN ?? "");
const plan = /** @type {Plan} */ (given);
const { TOP = "", UUID = "", KNOWN = "", SPLASH = "", BIOS = "" } = process.env;
const splash = SPLASH === "" ? null : SPLASH;

const LOADERS = {
  isolinux: {
    dir: "isolinux",
    first: ["isolinux.cfg", "syslinux.cfg"],
    names: syslinuxNames,
    menu: syslinuxEntries(plan.entries),
  },
  grub: {
    dir: "boot/grub",
    first: ["grub.cfg"],
    names: grubNames,
    menu: grubEntries(plan.entries, "($root)"),
  },
  systemdBoot: {
    dir: "loader",
    first: ["loader.conf"],
    names: systemdNames,
    menu: systemdEntries(plan.entries),
  },
};

/** @param {string} path @param {string} text */
const write = (path, text) => writeFileSync(join(TOP, path), text);

if (BIOS !== "" && !plan.own.includes("isolinux"))
  write("isolinux/isolinux.cfg", syslinuxMenu(plan.entries, plan.wait, splash));
if (!plan.own.includes("grub") && !plan.own.includes("systemdBoot"))
  write("boot/grub/grub.cfg", grubMenu(plan.entries, plan.wait, splash));
if (plan.loopback !== null) write("boot/grub/loopback.cfg", loopbackMenu(plan.entries, plan.loopback));

/** @type {Set<string>} */
const used = new Set();
const known = new Set([
  ...readFileSync(KNOWN, "utf8").split("\0"),
  ...readdirSync(TOP, { recursive: true, withFileTypes: true }).map((one) =>
    relative(TOP, join(one.parentPath, one.name)),
  ),
]);
/** @type {string[]} */
const wrong = [];
/** @type {Set<string>} */
const beside = new Set();
/** What menus leave open: of those in use, that of Arch's, of live-build's and of Void's. */
const OPEN = /%[A-Z][A-Z0-9_]+%|@@?[A-Z][A-Z0-9_]+@@?/g;

/** @param {Loader} loader */
function look(loader) {
  const { dir, first, names, menu } = LOADERS[loader];
  if (!first.some((name) => existsSync(join(TOP, dir, name)))) {
    const there = readdirSync(join(TOP, dir)).filter((name) => !/\.(?:c32|mod|lst)$/.test(name));
    wrong.push(
      `${loader}: there is no ${first.join(" or ")} among its files (${there.slice(0, 8).join(", ")})`,
    );
  }
  for (const file of readdirSync(join(TOP, dir), { recursive: true, withFileTypes: true })) {
    if (!file.isFile() || !/\.(?:cfg|conf|txt|msg|in)$/.test(file.name)) continue;
    const path = relative(TOP, join(file.parentPath, file.name));
    const before = readFileSync(join(TOP, path));
    if (before.includes(0)) continue;
    const text = filled(before.toString("latin1"), menu);
    writeFileSync(join(TOP, path), Buffer.from(text, "latin1"));
    const own = new Set(Object.values(plan.fill));
    for (const open of new Set(text.match(OPEN) ?? []))
      if (!own.has(open)) wrong.push(`${path}: ${open} is left open; menus.fill says what it is`);
    if (!/\.(?:cfg|conf)$/.test(file.name)) continue;
    for (const { line, path: named } of names(text)) {
      const plain = named.replace(/^\/+/, "");
      if (loader === "systemdBoot") beside.add(plain);
      if (known.has(plain) || text.match(OPEN)?.some((open) => named.includes(open))) continue;
      wrong.push(`${path}:${line}: the image has no ${named}${hint(plain, known)}`);
    }
  }
}

/**
 * @param {string} text
 * @param {string} menu
 */
function filled(text, menu) {
  let done = text;
  for (const [open, value] of Object.entries(plan.fill)) {
    if (!done.includes(latin1(open))) continue;
    used.add(open);
    const put = latin1(value.replaceAll("{uuid}", UUID).replaceAll("{menu}", menu));
    done = done.split(latin1(open)).join(put);
  }
  return done;
}

/** @param {string} text */
const latin1 = (text) => Buffer.from(text).toString("latin1");

for (const loader of plan.own) look(loader);
for (const text of Object.keys(plan.fill))
  if (!used.has(text)) wrong.push(`fill: ${JSON.stringify(text)} is in none of the files`);
if (wrong.length > 0)
  die(`menus: ${wrong.slice(0, 8).join("\n")}${wrong.length > 8 ? `\nand ${wrong.length - 8} more` : ""}`);
process.stdout.write([...beside].map((path) => `${path}\n`).join(""));
