// An initial RAM file system, /boot/initrd of the tree $FROM, into $OUT without what varies from build to build.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { settled } from "./cpio.mjs";

writeFileSync(process.env.OUT ?? "", settled(readFileSync(join(process.env.FROM ?? "", "boot/initrd"))));
