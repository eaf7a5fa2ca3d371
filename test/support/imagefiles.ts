// Imagefiles that use every rule between them, with what they read. What is made of them is for others to say.
import { readFileSync } from "node:fs";
import { PACKAGE } from "../../cache/installed.js";
import { CHECKOUT } from "./xcp-project.js";

/** The text of a file of the checkout. */
export const textOf = (name: string): string => readFileSync(new URL(name, PACKAGE), "utf8");

const PACMAN_CONF =
  "[options]\nArchitecture = auto\nSigLevel = Never\n[core]\nServer = https://mirror.example.org\n";

/** An Imagefile, with the files that it reads while it is evaluated. `brief` leaves the rows out: keys alone. */
export interface Line {
  readonly name: string;
  readonly file: string;
  readonly reads?: Readonly<Record<string, string>>;
  readonly args?: Readonly<Record<string, string>>;
  readonly brief?: true;
}

const MIRROR = { MIRROR: "https://mirror.example.org/debian" };
const VOID = { file: "fixtures/void/Imagefile.ts", brief: true } as const;

/** Imagefiles that use every rule, and every recipe. */
export const LINES: readonly Line[] = [
  { name: "example", file: "Imagefile.ts", args: MIRROR },
  {
    name: "every-rule",
    file: "test/types/every-rule.ts",
    reads: { "hooks/site.sh": '#!/bin/sh\n. hooks/lib.sh\ntouch "$1/x"\n', "hooks/lib.sh": ":\n" },
  },
  { name: "debian", file: "test/types/debian.ts", args: MIRROR },
  {
    name: "arch",
    file: "test/types/arch.ts",
    reads: { "pacman.conf": PACMAN_CONF, "conf/pacman.conf": PACMAN_CONF },
  },
  { name: "rpm", file: "test/types/rpm.ts" },
  {
    name: "xcp-ng",
    file: "test/types/xcp-ng.ts",
    reads: { ...CHECKOUT, "keys/key": "key\n", "scripts/sign.sh": ":\n", "removals.lst": "a\n" },
    brief: true,
  },
  { name: "void-native", ...VOID, args: { BUILD: "native" } },
  { name: "void-scripts", ...VOID, args: { BUILD: "scripts" } },
];
