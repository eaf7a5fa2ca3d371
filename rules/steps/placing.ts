// What steps say of files that they put into a tree where others may be: who owns them and their modes, of all, of single
// paths and of patterns. recipes/place.mjs does it.
import { z } from "zod";
import { option } from "../options.js";
import { treePattern } from "../patterns.js";
import { imagePath, takes } from "../schema.js";
import { octal } from "./step.js";

const person = takes<`${string}:${string}`>()(z.string().regex(/^[^\s:]+:[^\s:]+$/));
const OWNER = `"user:group", by number or as the tree calls them`;

export const ownerOption = option(
  z.union([person, z.record(imagePath, person)]).optional(),
  `${OWNER}, or { path or pattern: owner }`,
  'Who owns them: `"0:0"`, `"www-data:www-data"`; by path or pattern the others stay as without. 0:0 unless said, of a tree ' +
    "as it has them; or who owns what they replace where only some may read that.",
);
export const modesOption = option(
  z.union([z.literal("keep"), z.record(imagePath, octal)]).optional(),
  `{ path or pattern: "755" }, or "keep"`,
  "Modes by path or by pattern: `*`, `?` and `[…]` stand for parts of a name, `**` for directories too, and the last that " +
    "matches counts. A pattern means what the step puts there; directories that the tree had are named outright. Unless " +
    "said what is executable has 755 and the rest 644, and of a tree all as it has them; what replaces a file that only " +
    "some may read (`etc/shadow`) has its mode. `keep`: as they are on disk, which then is in the key.",
);

/** What was said, and nothing where it was not. */
export interface Said {
  readonly owner?: string | Readonly<Record<string, string>> | undefined;
  readonly modes?: "keep" | Readonly<Record<string, string>> | undefined;
}

/** What the recipe reads. `owner` is whose all is, where that is not said by path: null for as it is. */
export function placing({ owner, modes }: Said, otherwise: string | null): string {
  const said = (value: Said["owner"]) =>
    Object.entries(typeof value === "object" ? value : {}).map(([path, one]) => ({
      path,
      pattern: treePattern(path),
      one,
    }));
  return JSON.stringify({
    owner: typeof owner === "string" ? owner : otherwise,
    modes: modes === "keep" ? modes : null,
    said: [
      ...said(owner).map(({ one, ...rest }) => ({ ...rest, owner: one })),
      ...said(modes === "keep" ? undefined : modes).map(({ one, ...rest }) => ({ ...rest, mode: one })),
    ],
  });
}
