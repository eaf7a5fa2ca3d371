// What /boot/made of the tree $FROM names, out of its /boot and into the tree $OUT; initial RAM file systems without what
// varies from build to build.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { settled } from "./cpio.mjs";

const from = join(process.env.FROM ?? "", "boot");
const to = join(process.env.OUT ?? "", "boot");
mkdirSync(to, { mode: 0o755 });
const names = readFileSync(join(from, "made"), "utf8")
  .split("\n")
  .filter((name) => name !== "");
for (const name of names) {
  if (name.startsWith("vmlinuz-")) copyFileSync(join(from, name), join(to, name));
  else writeFileSync(join(to, name), settled(readFileSync(join(from, name))), { mode: 0o644 });
}
