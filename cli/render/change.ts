// What differs between two builds' keys, in words: `input SRC src/a.txt changed`, `packages: + vim 9.0, - nano`.
// It knows how components are named and written (engine/key.ts), and nothing of decisions.
import type { Change, PackageChange } from "../../engine/reason.js";
import { visible } from "./visible.js";

/** In one-line form at most this many items of a list, and values of at most this many characters. */
const SHOWN = 4;
const SHORT = 48;

/** `a, b, c, d and 12 more`; complete where it is at most one longer than the limit. */
export function shortened(items: readonly string[], separator = ", "): string {
  if (items.length <= SHOWN + 1) return items.join(separator);
  return `${items.slice(0, SHOWN).join(separator)} and ${items.length - SHOWN} more`;
}

/** `packages: + vim 9.0, - nano; input SRC src/a.txt changed`: packages first, as one item. */
export function changesInShort(changes: readonly Change[], packages: readonly PackageChange[]): string {
  const items = worthSaying(changes, packages).map(changeInShort);
  if (packages.length > 0) items.unshift(`packages: ${shortened(packageItems(packages))}`);
  return items.length === 0 ? "its description changed" : shortened(items, "; ");
}

/**
 * The same, complete: packages on one line or, when there are many, one line each, but for those that were rebuilt; then
 * a line a component.
 */
export function changesInFull(changes: readonly Change[], packages: readonly PackageChange[]): string[] {
  const lines = [...packageLines(packages), ...worthSaying(changes, packages).flatMap(changeInFull)];
  return lines.length === 0 ? ["its description changed"] : lines;
}

function packageLines(packages: readonly PackageChange[]): string[] {
  if (packages.length === 0) return [];
  const items = packageItems(packages);
  if (items.length <= 2 * SHOWN) return [`packages: ${items.join(", ")}`];
  const gained = packages.filter(({ before }) => before === null).length;
  const lost = packages.filter(({ after }) => after === null).length;
  const rebuilt = packages.filter(isRebuilt).length;
  const counts = [
    [gained, "added"],
    [lost, "removed"],
    [packages.length - gained - lost - rebuilt, "in another version"],
    [rebuilt, REBUILT],
  ] as const;
  const present = counts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`);
  const others = packageItems(packages.filter((change) => !isRebuilt(change)));
  // All of a repository may be signed again: they are one line, and their names say all.
  const again = packageItems(packages.filter(isRebuilt)).map((item) => item.replace(` (${REBUILT})`, ""));
  return [
    `packages: ${present.join(", ")}`,
    ...others.map((item) => `  ${item}`),
    ...(again.length === 0 ? [] : [`  ${REBUILT}: ${again.join(", ")}`]),
  ];
}

/** The closure's digest says nothing once the packages are named; nor does a row of a package named already. */
function worthSaying(changes: readonly Change[], packages: readonly PackageChange[]): readonly Change[] {
  if (packages.length === 0) return changes;
  const named = new Set(["packages", ...packages.map(({ name }) => `package ${name}`)]);
  return changes.filter(({ component }) => !named.has(component));
}

/** Other bytes under the same version: built or signed again. */
const isRebuilt = ({ before, after }: PackageChange): boolean => before !== null && before === after;
const REBUILT = "rebuilt, same version";

/** Gained, lost, then changed; each by name. */
function packageItems(packages: readonly PackageChange[]): string[] {
  const rank = ({ before, after }: PackageChange): number => (before === null ? 0 : after === null ? 1 : 2);
  return packages
    .toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
    .map((change) => visible(packageItem(change)));
}

function packageItem(change: PackageChange): string {
  const { name, before, after, from } = change;
  const origin = from === undefined ? "" : ` (${from})`;
  if (before === null) return `+ ${name}${after === null ? "" : ` ${after}`}${origin}`;
  if (after === null) return `- ${name}`;
  return isRebuilt(change) ? `${name} ${before} (${REBUILT})` : `${name} ${before} → ${after}${origin}`;
}

/** `input SRC src/a.txt changed`, `environment LANG changed: "C" → "de"`, `tool zstd added: "1.5.4"`. */
function changeInShort(change: Change): string {
  const [before, after] = [
    shownValue(change.component, change.before),
    shownValue(change.component, change.after),
  ];
  const said = `${nameOf(change.component)} ${happened(change)}`;
  const fits = (value: string | null): value is string => value !== null && value.length <= SHORT;
  if (fits(before) && fits(after)) return `${said}: ${quoted(before)} → ${quoted(after)}`;
  if (change.before === null && fits(after)) return `${said}: ${quoted(after)}`;
  return change.after === null && fits(before) ? `${said}: ${quoted(before)}` : said;
}

function changeInFull(change: Change): string[] {
  const [before, after] = [
    shownValue(change.component, change.before),
    shownValue(change.component, change.after),
  ];
  if ((before?.length ?? 0) <= SHORT && (after?.length ?? 0) <= SHORT) return [changeInShort(change)];
  const lines = differing(before?.split("\n") ?? [], after?.split("\n") ?? []);
  const said = `${nameOf(change.component)} ${happened(change)}`;
  return lines.length === 0 ? [said] : [`${said}:`, ...lines.map((line) => `  ${visible(line)}`)];
}

function happened({ before, after }: Change): string {
  if (before === null) return "added";
  if (after === null) return "removed";
  // The same bytes under another letter: only the x bit, or the kind, is another.
  const [was, is] = [before, after].map((value) => /^((?:along )?)([fx]):(.*)$/.exec(value));
  if (was && is && was[3] === is[3]) {
    if (was[1] !== is[1])
      return is[1] === "" ? "is no longer there for a link alone" : "is there for a link alone";
    return is[2] === "x" ? "became executable" : "is no longer executable";
  }
  return "changed";
}

/** The component's name in words; `env` is the only word of the key that is not one of ours. */
const nameOf = (component: string): string =>
  component === "schema" ? "how keys are made" : visible(component.replace(/^env /, "environment "));

/** What can be shown of a component's value: null for digests, absent ones and mere flags. */
function shownValue(component: string, value: string | null): string | null {
  if (value === null || value === "yes" || /^(?:along )?(?:[a-z0-9]+:)?[0-9a-f]{32,}$/.test(value))
    return null;
  if (component.startsWith("env ") && value === "e:") return null;
  if (component.startsWith("input ")) return linkTarget(value);
  if (component === "command") return commandText(value);
  return value;
}

const linkTarget = (value: string): string | null => {
  const to = /^(?:along )?l:(.*)$/s.exec(value)?.[1];
  return to === undefined ? null : `→ ${to}`;
};

/** A command as the Imagefile has it; its component is the JSON of engine/model.ts's `Command`. */
function commandText(value: string): string {
  try {
    const command: unknown = JSON.parse(value);
    if (typeof command !== "object" || command === null) return value;
    if ("text" in command && typeof command.text === "string") return command.text.trim();
    if ("argv" in command && Array.isArray(command.argv)) return JSON.stringify(command.argv);
  } catch {
    // Not JSON, so it is shown as it is.
  }
  return value;
}

const quoted = (value: string): string => visible(JSON.stringify(value));

/** Lines gone and come, without what both texts begin and end with. */
function differing(before: readonly string[], after: readonly string[]): string[] {
  const least = Math.min(before.length, after.length);
  let start = 0;
  while (start < least && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < least - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  return [
    ...before.slice(start, before.length - end).map((line) => `- ${line}`),
    ...after.slice(start, after.length - end).map((line) => `+ ${line}`),
  ];
}
