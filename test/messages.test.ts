// The catalogue of messages, test/golden/messages.txt: every message of the source with what it says to do and the test that
// expects its words, or why none does. A new message needs a test; IMAGEMAKE_GOLDEN=write writes the catalogue anew, and its
// difference is read like any other.
import { expect, test } from "@jest/globals";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../cache/installed.js";
import { proofs, textsInTests } from "./support/message-proof.js";
import { messageSites, type Site } from "./support/message-sites.js";

const ROOT = fileURLToPath(PACKAGE);
const CATALOGUE = new URL("test/golden/messages.txt", PACKAGE);

/** Messages that no test expects word for word, and why. The first that fits counts. */
const WITHOUT: readonly (readonly [why: string, fits: (site: Site) => boolean])[] = [
  [
    "the system refuses: words and cause are put together in one place, which test/faults-*.test.ts show",
    ({ by }) => by === "ioProblem" || by === "complaint",
  ],
  [
    "somebody else changes the thing between two calls",
    ({ text }) =>
      /\b(?:vanished|took the place|while (?:it|this|imagemake)|by somebody else|meanwhile)\b/.test(text),
  ],
  [
    "a kernel without namespaces, or one that breaks off",
    ({ file }) =>
      /^engine\/execute\/local\/(?:sandbox|capability|mounts|zygote|remove|stale)\.ts$/.test(file),
  ],
  [
    "a package manager, a mirror or a host that is broken, or answers in another way than any that is known",
    ({ file }) => file.startsWith("rules/drivers/"),
  ],
  [
    "a store that was damaged by hand at this one place; test/damage.test.ts and test/cache-verify.test.ts show the kinds",
    ({ file, text }) =>
      /^(?:cache|engine\/tree|engine\/execute|engine\/release\/(?:export|import))/.test(file) &&
      /damaged|is not in the|no longer in|not what its digest|not all in|was changed after|is not here|manifest|layer|not the same tree/.test(
        text,
      ),
  ],
  ["other users, root or sudo", ({ text }) => /\b(?:sudo|root|belongs to user|may not edit)\b/.test(text)],
  [
    "commander refuses such words before",
    ({ file, text }) =>
      file.startsWith("cli/") && /^(?:name (?:one target and|the director)|no target named$)/.test(text),
  ],
];
/** What no test expects yet. This number may only become smaller: a new message comes with its test. */
const OWED = 157;
const OWING = "no test yet";

interface Row extends Site {
  /** A test, or why there is none. */
  readonly proof: string;
}

const key = ({ file, text }: Pick<Site, "file" | "text">): string => `${file}\0${text}`;

/** Rows in order of place; what the catalogue names already as a proof stays one while it is. */
function rowsOf(sites: readonly Site[], recorded: ReadonlyMap<string, string>): readonly Row[] {
  const places = new Map<string, string[]>();
  const placeOf = ({ file, line }: Site): string => `${file}:${line}`;
  for (const site of sites) places.set(placeOf(site), [...(places.get(placeOf(site)) ?? []), site.text]);
  const proved = proofs([...places.values()], textsInTests(ROOT, "test", /message-|messages\.test/));
  const rows = new Map<string, Row>();
  for (const site of sites) {
    const files = proved.get(site.text) ?? new Set<string>();
    const before = recorded.get(key(site));
    const proof =
      before !== undefined && files.has(before)
        ? before
        : ([...files].sort()[0] ?? WITHOUT.find(([, fits]) => fits(site))?.[0] ?? OWING);
    const already = rows.get(key(site));
    if (already === undefined || already.proof === OWING) rows.set(key(site), { ...site, proof });
  }
  return [...rows.values()];
}

/** The catalogue as text: a file, and beneath it each message, what it says to do (→) and its proof (=). */
function textOf(rows: readonly Row[]): string {
  const lines: string[] = [];
  let last = "";
  for (const { file, text, hint, proof } of rows) {
    if (file !== last) lines.push(...(last === "" ? [] : [""]), file);
    last = file;
    lines.push(`  ${JSON.stringify(text).slice(1, -1)}`);
    if (hint !== "") lines.push(`    → ${JSON.stringify(hint).slice(1, -1)}`);
    lines.push(`    = ${proof}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The proofs that the catalogue names. */
function recordedIn(catalogue: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let [file, text] = ["", ""];
  for (const line of catalogue.split("\n")) {
    if (line.startsWith("    = ")) found.set(key({ file, text }), line.slice(6));
    else if (line.startsWith("  ") && !line.startsWith("   "))
      text = JSON.parse(`"${line.slice(2)}"`) as string;
    else if (/^\S/.test(line)) file = line;
  }
  return found;
}

const isWriting = process.env["IMAGEMAKE_GOLDEN"] === "write";
const catalogue = isWriting ? "" : readFileSync(CATALOGUE, "utf8");
const rows = rowsOf(
  messageSites(ROOT, ["cache", "engine", "rules", "targets", "cli"]),
  recordedIn(catalogue),
);

test("every message is in the catalogue, with what it says to do and its proof", () => {
  const now = textOf(rows);
  if (isWriting) writeFileSync(CATALOGUE, now);
  else expect(now).toBe(catalogue);
});

test("a new message comes with a test that expects its words", () => {
  const owed = rows.filter(({ proof }) => proof === OWING).map(({ file, text }) => `${file}: ${text}`);
  expect(owed.slice(OWED)).toEqual([]);
});

test("the walk finds messages of every kind of maker", () => {
  const makers = new Set(rows.map(({ by }) => by));
  for (const maker of ["fail", "stop", "wrongOption", "complaint", "ioProblem", "message", "warn"])
    expect(makers).toContain(maker);
});
