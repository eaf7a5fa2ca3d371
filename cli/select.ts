// What the words of the command line mean: targets, groups, dated names, output names, globs. It reads the
// graph only, and never guesses: what it does not know it answers with the nearest name.
import type { Graph, Target, TargetId } from "../engine/model.js";
import { DATECODE, datedExpression, escapeRegExp, isDatecode, withDate } from "../engine/names.js";
import { nearest, nearestHint } from "../engine/evaluate/nearest.js";
import { COMMANDS, declared, type CommandName } from "./commands.js";
import { counted } from "./render/numbers.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import { ASSIGNMENT } from "./words.js";
import { relationsOf } from "../engine/relations.js";

/** Selected targets in the order named, and the datecode that a dated name asked for. */
export interface Selection {
  readonly targets: readonly TargetId[];
  readonly datecode: string | null;
  /** Groups to print instead of building. */
  readonly print: boolean;
}

/** VAR=value words and the others. */
export function splitWords(words: readonly string[]): {
  readonly args: Readonly<Record<string, string>>;
  readonly names: readonly string[];
} {
  const args: Record<string, string> = {};
  const names: string[] = [];
  for (const word of words) {
    const match = ASSIGNMENT.exec(word);
    if (match?.[1] === undefined) names.push(word);
    else args[match[1]] = match[2] ?? "";
  }
  return { args, names };
}

/** `<group>-all-print`, with or without the keys of a sub-group: lists names instead of building. */
export const isPrint = (name: string): boolean => /-all(?:-.+)?-print$/.test(name);

/** Finds what each name means; no names mean the project's default. */
export function select(graph: Graph, names: readonly string[]): Result<Selection> {
  if (names.length === 0) {
    if (graph.project.default.length > 0)
      return ok({ targets: graph.project.default, datecode: null, print: false });
    if (graph.groups.length === 0) {
      return fail(
        Exit.usage,
        "the Imagefile exports no target",
        "export what is to be built: export const image = rule.rootfs({ … })",
      );
    }
    return fail(
      Exit.usage,
      "no target named, and the Imagefile has no default",
      `there are ${graph.groups.map((group) => `${group.name}-all`).join(", ")}`,
    );
  }
  const targets = new Set<TargetId>();
  const datecodes = new Set<string>();
  let prints = 0;
  for (const name of names) {
    const found = selectOne(graph, name);
    if (!found.ok) return found;
    for (const target of found.value.targets) targets.add(target);
    if (found.value.datecode !== null) datecodes.add(found.value.datecode);
    if (found.value.print) prints += 1;
  }
  if (prints > 0 && prints < names.length)
    return fail(Exit.usage, "-print names cannot be mixed with targets to build");
  if (datecodes.size > 1) return fail(Exit.usage, `two dates in one run: ${[...datecodes].join(" and ")}`);
  return ok({ targets: [...targets], datecode: [...datecodes][0] ?? null, print: prints > 0 });
}

/** The datecode of a dated name and that of the options, which must be one; null where there is none. */
export function oneDate(byName: string | null, byOption: string | null): Result<string | null> {
  return byName !== null && byOption !== null && byName !== byOption
    ? fail(Exit.usage, `two dates in one run: ${byName} and ${byOption}`)
    : ok(byName ?? byOption);
}

function selectOne(graph: Graph, typed: string): Result<Selection> {
  // As Tab completes the path of an output.
  const name = typed.replace(/^(?:\.\/)?out\/(?=.)/, "");
  const print = isPrint(name);
  const group = groupOf(graph, print ? name.slice(0, -"-print".length) : name);
  if (group !== undefined) return ok({ targets: group, datecode: null, print });
  const exact = relationsOf(graph).target(name);
  if (exact !== undefined) return ok({ targets: [exact.id], datecode: null, print: false });
  const bare = graph.groups.find((one) => one.name === name);
  if (bare !== undefined) return ok({ targets: bare.members, datecode: null, print: false });
  const dated = datedName(graph.targets, name);
  if (dated !== undefined) return ok({ ...dated, print: false });
  if (/[*?[]/.test(name)) {
    const expression = globExpression(name);
    const matching = graph.targets.filter((target) => target.exported && expression.test(target.id));
    if (matching.length > 0)
      return ok({ targets: matching.map((target) => target.id), datecode: null, print: false });
    return fail(Exit.usage, `no target matches ${name}`);
  }
  return fail(
    Exit.usage,
    `unknown target ${typed}`,
    nearestHint(name, knownWords(graph, name)) ?? commandHint(name) ?? "imagemake list shows what there is",
  );
}

/** A slip in the word that calls a command makes a target of it. */
function commandHint(word: string): string | undefined {
  const shown = (Object.keys(COMMANDS) as CommandName[]).filter((name) => declared(name).hidden !== true);
  const command = nearest(word, [...new Set(shown.map((name) => name.replace(/ .*/, "")))]);
  return command === undefined ? undefined : `did you mean the command ${command}?`;
}

/** Everything that could have been meant; file names under the date that stands in `name`. */
function knownWords(graph: Graph, name: string): string[] {
  const date = new RegExp(DATECODE).exec(name)?.[0] ?? "{date}";
  const exported = graph.targets.filter((target) => target.exported);
  return [
    ...exported.map((target) => target.id),
    ...graph.groups.flatMap((one) => groupWords(one.name, graph).flatMap((word) => [word, `${word}-print`])),
    ...exported.flatMap(({ pattern }) => (pattern === null ? [] : [withDate(pattern, date)])),
  ];
}

/** Targets and groups by the words that name them, each with what it is; none without a graph. */
export function offered(graph: Graph | null): (readonly [word: string, about: string])[] {
  if (graph === null) return [];
  return [
    ...graph.targets
      .filter((target) => target.exported)
      .map(({ id, pattern }) => [id, pattern ?? ""] as const),
    ...graph.groups.map(({ name, members }) => [`${name}-all`, counted(members.length, "target")] as const),
  ];
}

/** `images-all-sbc` is the sub-group `images-sbc`: the first key stands before `-all`. */
function groupOf(graph: Graph, name: string): readonly TargetId[] | undefined {
  return graph.groups.find((group) => groupWords(group.name, graph).includes(name))?.members;
}

function groupWords(name: string, graph: Graph): string[] {
  const words = [`${name}-all`];
  for (const root of graph.groups) {
    if (name.startsWith(`${root.name}-`)) words.push(`${root.name}-all${name.slice(root.name.length)}`);
  }
  return words;
}

/** `rootfs-x86_64-20261121`, or an output's file name under some date. */
function datedName(
  targets: readonly Target[],
  name: string,
): { targets: TargetId[]; datecode: string | null } | undefined {
  const match = new RegExp(`^(.*)-(${DATECODE})$`).exec(name);
  const [, id, date] = match ?? [];
  if (
    id !== undefined &&
    date !== undefined &&
    isDatecode(date) &&
    targets.some((target) => target.id === id)
  ) {
    return { targets: [id], datecode: date };
  }
  for (const target of targets) {
    if (target.pattern === null || !target.linked) continue;
    const found = datedExpression(target.pattern.replaceAll("*", "")).exec(name);
    if (found !== null) return { targets: [target.id], datecode: found[1] ?? null };
  }
  return undefined;
}

/** As the shell has it: `*`, `?`, `[a-c]`, `[!a]`. A set that makes no sense stands for itself. */
function globExpression(glob: string): RegExp {
  const parts = glob
    .split(/(\*|\?|\[[^\]]+\])/)
    .map((part) =>
      part === "*"
        ? ".*"
        : part === "?"
          ? "."
          : part.startsWith("[")
            ? setExpression(part)
            : escapeRegExp(part),
    );
  return new RegExp(`^${parts.join("")}$`);
}

function setExpression(set: string): string {
  const expression = set.replace(/\\/g, "\\\\").replace(/^\[!/, "[^");
  try {
    new RegExp(expression);
    return expression;
  } catch {
    return escapeRegExp(set);
  }
}
