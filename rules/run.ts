// The general rule: a command over declared inputs, for everything that no typed rule covers; and check, the
// same with a verdict instead of an output.
import { z } from "zod";
import { declare, declareOne, wrongOption, type Handle, type SourceHandle } from "../engine/declare.js";
import { sourceOf, isSource } from "../engine/declare.js";
import type { ActionSpec } from "../engine/declare.js";
import { nearest } from "../engine/evaluate/nearest.js";
import { variableIn, type Command, type Output, type Source as EngineSource } from "../engine/model.js";
import { callable, declaration, type Checked, type Given } from "./declaration.js";
import { option, render } from "./options.js";
import {
  anyInput,
  asTreeHandle,
  commandText,
  environment,
  filePattern,
  guards,
  guardsOf,
  out,
  timeout,
  treeLike,
  variables,
} from "./schema.js";
import { watched } from "./patterns.js";
import { emulatorsOf } from "./distributions.js";
import {
  asCheck,
  asFile,
  asTree,
  type CheckTarget,
  type FileTarget,
  type Outs,
  type TreeTarget,
} from "./types.js";

const yes = (description: string) => option(z.boolean().optional(), "true or false", description);

const base = {
  inputs: option(
    variables(anyInput),
    "{ NAME: target or source }",
    "What the command reads. Each is a variable that holds its path: a glob one path a line, a list the " +
      "path of a file with one name a line, env its value. Paths of more than 128 KiB are in the file " +
      "`.inputs/NAME` instead, and the variable is not set.",
  ),
  cmd: option(
    commandText,
    "a command: text for bash, or an array of words",
    "A string is a script for `bash -eu -o pipefail`: it ends at the first command that fails, also one before a pipe. " +
      "Within a tree without bash it is run by an sh that has pipefail; where there is none, text with a pipe is " +
      "refused. An array is run as it is, and an element `$NAME` or `$NAME/…` is filled in.",
  ),
  env: environment,
  date: yes("The command sees the datecode as `$DATECODE`; then it is in the key."),
  network: yes("The command may use the network."),
  interactive: yes("The command gets the terminal, alone."),
  root: yes("The command needs to be root, or root of a user namespace."),
  within: option(
    treeLike.optional(),
    "a tree",
    "The command runs chrooted in this tree and sees the same inputs and outputs there, at the same relative paths. " +
      "The tree is in the key, the host's programs are not visible, and what is written to the tree is thrown away.",
  ),
  timeout,
};

const declaredRun = declaration(
  "rule.run",
  "A shell command. `out`: a file; `outs`: several, each $NAME; `tree`: $OUT is a directory.",
  {
    ...base,
    out: out.optional(),
    outs: option(
      variables(filePattern).optional(),
      "{ NAME: file name }",
      "Several files; each name is a variable that holds the path to write.",
    ),
    tree: yes("`$OUT` is a directory, and the output is that tree."),
    collect: option(
      filePattern.optional(),
      "a file name with {date}",
      "For tools that call `date` themselves: where `$OUT` is absent, the one file in the working directory " +
        "that matches with any eight digits for `{date}` is taken.",
    ),
    guards,
  },
);
type Run = Given<typeof declaredRun>;

/** What it returns follows what it is told to make. */
interface Forms {
  (o: Run & { out: string; outs?: never; tree?: never }): FileTarget;
  <const K extends Uppercase<string>>(
    o: Run & { outs: Readonly<Record<K, string>>; out?: never; tree?: never; collect?: never },
  ): Outs<K>;
  (o: Run & { tree: true; out?: never; outs?: never; collect?: never }): TreeTarget;
}

// The one implementation of all forms: which it is, is checked here.
export const run = callable(declaredRun, ((given: Run) => {
  const o = declaredRun.check(given);
  const forms = [o.out !== undefined && "out", o.outs && "outs", o.tree === true && "tree"].filter(Boolean);
  if (forms.length !== 1) {
    const found = forms.length === 0 ? "none" : forms.join(" and ");
    wrongOption("run", `expected one of out, outs and tree: true, found ${found}`);
  }
  if (o.collect !== undefined && o.out === undefined) {
    wrongOption("run", "collect: it fills $OUT, so it needs out");
  }
  const outputs = outputsOf(o);
  const spec: ActionSpec = {
    ...common("run", o, outputs),
    outputs,
    guards: guardsOf(o.guards),
    ...(o.collect === undefined ? {} : { collect: o.collect }),
  };
  if (o.outs === undefined) return (o.tree === true ? asTree : asFile)(declareOne(spec));
  const clash = Object.keys(o.outs).find((name) => name in o.inputs);
  if (clash !== undefined) wrongOption("run", `outs.${clash}: an input has that name`);
  const handles = Object.entries(declare(spec)).map(([name, one]) => [name, asFile(one)] as const);
  return Object.freeze(Object.fromEntries(handles));
}) as Forms);

const declaredCheck = declaration(
  "rule.check",
  "A command whose success is the verdict on what it reads. It has no output.",
  base,
);

export const check = callable(declaredCheck, (given: Given<typeof declaredCheck>): CheckTarget => {
  const o = declaredCheck.check(given);
  return asCheck(declareOne({ ...common("check", o, []), outputs: [{ name: "OUT", kind: "verdict" }] }));
});

function outputsOf(o: Checked<typeof declaredRun>): readonly Output[] {
  if (o.outs !== undefined) {
    const names = Object.entries(o.outs);
    if (names.length === 0) wrongOption("run", "outs: expected at least one output, found none");
    return names.map(([name, pattern]) => ({ name, kind: "file", pattern }));
  }
  return o.tree === true
    ? [{ name: "OUT", kind: "tree", base: null }]
    : [{ name: "OUT", kind: "file", pattern: o.out ?? "" }];
}

function common(
  rule: string,
  o: Checked<typeof declaredCheck>,
  outputs: readonly Output[],
): Omit<ActionSpec, "outputs"> {
  const clash = Object.keys(o.env ?? {}).find((name) => name in o.inputs);
  if (clash !== undefined) wrongOption(rule, `env.${clash}: an input has that name`);
  const within = o.within && asTreeHandle(o.within);
  return {
    rule,
    command: commandOf(rule, o.cmd, [...Object.keys(o.inputs), ...outputs.map(({ name }) => name)]),
    // Variables are capitals: no input of the user's has this name.
    inputs: { ...engineInputs(o.inputs, within === undefined), ...(within && { within }) },
    ...(within && { within: "within", tools: emulatorsOf(within) }),
    ...(o.env === undefined ? {} : { env: o.env }),
    date: o.date ?? false,
    network: o.network ?? false,
    interactive: o.interactive ?? false,
    root: o.root ?? false,
    ...(o.timeout === undefined ? {} : { timeout: o.timeout }),
    resources: { named: o.interactive === true ? ["terminal"] : [] },
  };
}

/** `names` are the variables that are filled in. An array has no shell that would fill in others. */
function commandOf(rule: string, cmd: string | readonly string[], names: readonly string[]): Command {
  if (typeof cmd === "string") return { kind: "shell", text: cmd };
  for (const [index, word] of cmd.entries()) {
    const name = variableIn(word);
    if (name === undefined && !isScript(word, cmd[index - 1])) refuseWithin(rule, word, names);
    if (name === undefined || names.includes(name)) continue;
    const near = nearest(name, names);
    const help =
      near === undefined ? "a string is run by a shell, which fills in others" : `did you mean $${near}?`;
    wrongOption(
      rule,
      `cmd: $${name} is neither an input nor an output, and would be passed on as it stands; ${help}`,
    );
  }
  return { kind: "argv", argv: [...cmd] };
}

/** Whether an interpreter reads `word`, which has the variables in its environment: `["sh", "-ec", 'make > "$OUT"']`. */
function isScript(word: string, before: string | undefined): boolean {
  return /\s/.test(word) && before !== undefined && /^-[a-z]*c$/.test(before);
}

/** Throws where a word has a declared variable in its middle, or in braces: it would be passed on as it stands. */
function refuseWithin(rule: string, word: string, names: readonly string[]): void {
  const found = names.find((name) => new RegExp(`\\$(${name}(?![A-Z0-9_])|\\{${name}\\})`).test(word));
  if (found === undefined) return;
  wrongOption(
    rule,
    `cmd: ${render(word)}: in an array $${found} is filled in only where a word begins with it, without braces, and would ` +
      `be passed on as it stands; a string is run by a shell, which fills it in everywhere`,
  );
}

/** Sources as the engine has them; targets stay handles. `onHost`: whether the command sees this machine's files. */
export function engineInputs(
  inputs: Readonly<Record<string, Handle | SourceHandle>>,
  onHost: boolean,
): Readonly<Record<string, EngineSource | Handle>> {
  const entries = Object.entries(inputs).map(([name, one]): [string, EngineSource | Handle] => [
    name,
    !isSource(one) ? one : onHost ? watched(sourceOf(one)) : sourceOf(one),
  ]);
  return Object.fromEntries(entries);
}
