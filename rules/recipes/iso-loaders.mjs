// What isolinux, GRUB and systemd-boot take: menus as they write them, and which files of the image a menu names.

/**
 * One entry: its title, the kernel's command line, and the kernel's name, null for the first.
 * @typedef {{ title: string, words: string, kernel: string | null }} Entry
 */

/** @param {Entry} entry */
const directory = ({ kernel }) => (kernel === null ? "/boot" : `/boot/${kernel}`);

/** Each word in quotes: GRUB's shell makes nothing of them. @param {string} words */
const quoted = (words) => words.replace(/[^\s]+/g, "'$&'");

/**
 * @param {readonly Entry[]} entries
 * @param {string} device where they lie
 * @param {string} [more] words that are in quotes already
 */
export const grubEntries = (entries, device, more = "") =>
  entries
    .map((entry) => {
      const at = `${device}${directory(entry)}`;
      const words = [quoted(entry.words), more].filter((one) => one !== "").join(" ");
      return `menuentry '${entry.title}' {\n    linux ${at}/vmlinuz ${words}\n    initrd ${at}/initrd.img\n}\n`;
    })
    .join("");

/**
 * @param {readonly Entry[]} entries
 * @param {number} wait
 * @param {string | null} splash
 */
export function grubMenu(entries, wait, splash) {
  const picture =
    splash === null
      ? ""
      : `if loadfont unicode; then
    set gfxmode=auto
    insmod all_video
    insmod gfxterm
    insmod png
    insmod jpeg
    terminal_output --append gfxterm
    background_image ($root)/boot/grub/${splash}
fi
`;
  return `if serial --unit=0 --speed=115200; then
    terminal_input serial console
    terminal_output serial ${splash === null ? "console" : ""}
fi
${picture}set timeout=${wait}
set default=0
${grubEntries(entries, "($root)")}`.replace("serial \n", "serial\n");
}

/** For a GRUB that mounted the image, the file $iso_path, as a device. @param {readonly Entry[]} entries @param {string} words */
export const loopbackMenu = (entries, words) =>
  grubEntries(
    entries,
    "",
    words
      .split(/\s+/)
      .map((word) => (word.includes("{iso}") ? `"${word.replaceAll("{iso}", "${iso_path}")}"` : quoted(word)))
      .join(" "),
  );

/** @param {readonly Entry[]} entries */
export const syslinuxEntries = (entries) =>
  entries
    .map(
      (entry, i) =>
        `LABEL entry${i}\n MENU LABEL ${entry.title}\n KERNEL ${directory(entry)}/vmlinuz\n ` +
        `INITRD ${directory(entry)}/initrd.img\n APPEND ${entry.words}\n`,
    )
    .join("");

/**
 * SERIAL has to be the first line.
 * @param {readonly Entry[]} entries
 * @param {number} wait
 * @param {string | null} splash
 */
export const syslinuxMenu = (entries, wait, splash) =>
  `SERIAL 0 115200\n${
    splash === null
      ? entries.length > 1
        ? "UI menu.c32\n"
        : ""
      : `UI vesamenu.c32\nMENU BACKGROUND ${splash}\n`
  }${
    // Tenths of a second; 0 would wait for ever.
    wait === 0 ? "TIMEOUT 1" : `TIMEOUT ${wait}0`
  }\nPROMPT 0\nDEFAULT entry0\n${syslinuxEntries(entries)}`;

/** Entries for systemd-boot are files of their own. @param {readonly Entry[]} entries */
export const systemdEntries = (entries) =>
  entries
    .slice(0, 1)
    .map(
      (entry) =>
        `title ${entry.title}\nlinux ${directory(entry)}/vmlinuz\ninitrd ${directory(entry)}/initrd.img\noptions ${entry.words}\n`,
    )
    .join("");

// ---- which files of the image a menu names ---------------------------------------------------------------

/** @typedef {{ line: number, path: string }} Named */

/**
 * Absolute paths behind one of these words; what a variable is part of is known only when it starts.
 * @param {readonly string[]} words
 * @param {number} line
 * @returns {Named[]}
 */
const paths = (words, line) =>
  words.flatMap((word) => {
    const path = word.replace(/["']/g, "").replace(/^\(\$root\)/, "");
    return /^\/[^$]*$/.test(path) ? [{ line, path }] : [];
  });

/** @param {string} text @returns {Named[]} */
export const syslinuxNames = (text) =>
  text.split("\n").flatMap((line, i) => {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    switch (word.toLowerCase()) {
      case "kernel":
      case "linux":
      case "include":
      case "config":
        return paths(rest.slice(0, 1), i + 1);
      case "initrd":
        return paths(rest.join(" ").split(","), i + 1);
      case "append":
        return paths(
          rest.flatMap((one) => (/^initrd=/i.test(one) ? one.slice("initrd=".length).split(",") : [])),
          i + 1,
        );
      default:
        return [];
    }
  });

const GRUB = /^(?:linux(?:16|efi)?|initrd(?:16|efi)?|source|configfile|chainloader)$/;

/** What stands between if and fi depends on the machine. @param {string} text @returns {Named[]} */
export function grubNames(text) {
  let depth = 0;
  return text.split("\n").flatMap((line, i) => {
    const [word = "", ...rest] = line.trim().split(/[\s;]+/);
    if (word === "if") depth += 1;
    if (/(?:^|[\s;])fi(?:$|[\s;])/.test(line.replace(/#.*/, ""))) depth -= 1;
    if (depth > 0 || !GRUB.test(word)) return [];
    return paths(word.startsWith("initrd") ? rest : rest.slice(0, 1), i + 1);
  });
}

/** @param {string} text @returns {Named[]} */
export const systemdNames = (text) =>
  text.split("\n").flatMap((line, i) => {
    const [word = "", path = ""] = line.trim().split(/\s+/);
    return /^(?:linux|initrd|efi|devicetree)$/.test(word) ? paths([path], i + 1) : [];
  });
