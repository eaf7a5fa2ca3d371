// The exports of an Imagefile as a graph: every target that an export is or reaches gets its id, every draft becomes
// an action.
import { SHELL, tooLong, tooLongTogether, unheld, variableWord } from "../shell.js";
import { type ActionSpec, type Draft, type Handle, inside, isHandle, type ProjectSpec } from "../declare.js";
import { actionNodes, dependencies } from "../graph.js";
import type {
  Action,
  Graph,
  Group,
  Input,
  Output,
  ProjectSettings,
  SignSettings,
  Target,
  TargetId,
} from "../model.js";
import { Exit, stop, unwrap } from "../problem.js";
import { type Exported, handlesOf, membersOf, projectExport, walkExports, type Where } from "./exports.js";
import { type Named, Names } from "./ids.js";
import { short } from "./place.js";

/** What `collect` needs beside the exports. */
export interface CollectOptions {
  /** The Imagefile's directory; places in actions are relative to it. */
  readonly dir: string;
  readonly where: Where;
  /** VAR= names that were asked for. */
  readonly args: Graph["args"];
}

/** Memory of an action that does not say: a shell with a few small programs. Bytes. */
const MEMORY = 64 * 1024 * 1024;

/** The graph of what an Imagefile exports. Throws a ProblemError (exit 2) where that is none. */
export function collect(exports: Readonly<Record<string, unknown>>, options: CollectOptions): Graph {
  const roots = walkExports(exports, options.where);
  const exported = roots.flatMap(targetsOf);
  const names = new Names(exported);
  const drafts = names.drafts();
  const actions = drafts.map((draft) => actionOf(draft, names, options.dir));
  const targets = targetsIn(drafts, names, exported);
  refuseOneFile(targets, actions);
  const order = unwrap(dependencies(actionNodes({ actions, targets })).order());
  const byId = new Map(actions.map((action) => [action.id, action]));
  return {
    actions: order.flatMap((id) => byId.get(id) ?? []),
    targets,
    groups: groupsOf(roots, targets),
    project: projectSettings(projectExport(exports, options.where), names, targets),
    args: options.args,
  };
}

const targetsOf = (exported: Exported): readonly Named[] =>
  exported.kind === "target" ? [exported] : exported.members.flatMap(({ value }) => targetsOf(value));

/** A command that no kernel starts. */
function refuseUnstartable({ spec, at }: Draft, id: TargetId, dir: string): void {
  const { command } = spec;
  const words = command.kind === "shell" ? [command.text] : command.kind === "argv" ? command.argv : [];
  const variables = Object.entries(spec.env ?? {});
  const all = [...words, ...variables.map(([name, value]) => variableWord(name, value))];
  const refuse = (what: string, why: string | null, hint?: string): void => {
    if (why !== null) stop(Exit.usage, `${short(at, dir)}: ${id}: ${what} ${why}`, hint);
  };
  const has = (why: string | null): string | null => why && `has ${why}`;
  const script = `put it into a file, and run that: inputs: { SCRIPT: files("script.sh") }, cmd: 'bash "$SCRIPT"'`;
  for (const word of words) {
    refuse("cmd", has(unheld(word)));
    refuse("cmd", has(tooLong(word)), script);
  }
  for (const [name, value] of variables) {
    refuse(`env ${name}`, has(unheld(value)));
    refuse(`env ${name}`, has(tooLong(variableWord(name, value))), "put it into a file");
  }
  refuse("cmd and env", has(tooLongTogether(all))?.replace(/^has/, "have") ?? null, script);
}

/** Left-out fields take the values that harm least. */
function actionOf(draft: Draft, names: Names, dir: string): Action {
  const { spec } = draft;
  refuseUnstartable(draft, names.action(draft), dir);
  const { packages = null, resources = {} } = spec;
  return {
    id: names.action(draft),
    rule: spec.rule,
    command: spec.command,
    env: spec.env ?? {},
    inputs: inputsOf(draft, names),
    outputs: spec.outputs,
    within: spec.within ?? null,
    packages: packages && { ...packages, on: packages.on && names.target(packages.on) },
    tools: [...(spec.tools ?? []), ...(isText(spec) ? [SHELL] : [])],
    date: spec.date ?? false,
    collect: spec.collect ?? null,
    network: spec.network ?? false,
    interactive: spec.interactive ?? false,
    root: spec.root ?? false,
    native: spec.native ?? false,
    timeout: spec.timeout ?? null,
    guards: spec.guards ?? {},
    holds: spec.holds ?? [],
    resources: { cpu: resources.cpu ?? 1, memory: resources.memory ?? MEMORY, named: resources.named ?? [] },
    arch: spec.arch ?? null,
    at: short(draft.at, dir),
  };
}

/** Whether the host's shell runs it, whose version counts; within a tree it is the tree's own. */
const isText = ({ command, within }: ActionSpec): boolean =>
  command.kind === "shell" && (within ?? null) === null;

const inputsOf = ({ spec, at }: Draft, names: Names): readonly Input[] =>
  Object.entries(spec.inputs).map(([name, from]) => {
    if (!isHandle(from)) return { name, kind: "source", source: from };
    if (inside(from).kind === "verdict") {
      stop(Exit.usage, `${short(at)}: ${spec.rule}: input ${name} is a check, which has no output to read`);
    }
    return { name, kind: "artifact", target: names.target(from) };
  });

/** Exported targets in declared order, then the others in order of creation. */
function targetsIn(drafts: readonly Draft[], names: Names, exported: readonly Named[]): readonly Target[] {
  const ids = new Set(exported.map(({ id }) => id));
  const all = drafts.flatMap((draft) =>
    draft.spec.outputs.map((output): readonly [TargetId, Target] => {
      const id = names.output(draft, output.name);
      const exported = ids.has(id);
      const linked = output.kind === "file" && (exported || draft.spec.inner !== true);
      return [id, { ...targetOf(id, names.action(draft), output), exported, linked }];
    }),
  );
  const byId = new Map(all);
  return [...ids, ...all.map(([id]) => id).filter((id) => !ids.has(id))].flatMap((id) => byId.get(id) ?? []);
}

const targetOf = (id: TargetId, action: TargetId, output: Output): Omit<Target, "exported" | "linked"> => ({
  id,
  action,
  output: output.name,
  kind: output.kind,
  pattern: output.kind === "file" ? output.pattern : null,
});

/** Files that are not linked may have one name (`vmlinuz`, once for each image). */
function refuseOneFile(targets: readonly Target[], actions: readonly Action[]): void {
  const at = new Map(actions.map((action) => [action.id, action.at]));
  const first = new Map<string, Target>();
  // Exported ones come first.
  for (const target of targets) {
    if (target.pattern === null || !target.linked) continue;
    const other = first.get(target.pattern);
    if (other?.exported === true) {
      const [here, there] = [at.get(target.action) ?? "", at.get(other.action) ?? ""];
      const both = here === there ? here : `${there} and ${here}`;
      stop(Exit.usage, `${both}: ${other.id} and ${target.id} have the same output name, ${target.pattern}`);
    }
    if (other === undefined) first.set(target.pattern, target);
  }
  for (const [name, target] of first) {
    const dated = datedAlike(name).find((pattern) => first.has(pattern));
    const other = dated === undefined ? undefined : first.get(dated);
    if (other !== undefined)
      stop(
        Exit.usage,
        `${at.get(target.action) ?? ""}: ${target.id}, ${name}, has the name that ${other.id}, ${other.pattern ?? ""}, gets in the release of that date`,
        "one of the two needs another name, or {date}",
      );
  }
}

/** Patterns that in the release of some date are this name, which has that date spelled out. */
const datedAlike = (name: string): readonly string[] =>
  [...name.matchAll(/(?=(\d{8}(?:\.\d+)?))/g)].flatMap(({ index, 1: found = "" }) =>
    [found, found.slice(0, 8)].map(
      (date) => `${name.slice(0, index)}{date}${name.slice(index + date.length)}`,
    ),
  );

/** A group for each export, then for its sub-groups. */
function groupsOf(roots: readonly Exported[], targets: readonly Target[]): readonly Group[] {
  const words = new Map<string, string>(targets.map(({ id }) => [id, `target ${id}`]));
  const claim = (word: string, name: string): void => {
    const other = words.get(word);
    if (other !== undefined)
      stop(Exit.usage, `group ${name} and ${other} have the same name, ${word}; rename an export`);
    words.set(word, `group ${name}`);
  };
  return roots.flatMap((root) => {
    const id = root.kind === "target" ? root.id : root.name;
    return groupsIn(root).map((group) => {
      // What it is called on the command line; a bare name is the same thing as a target of that name only
      // where that is the export itself.
      const rest = group.name.slice(id.length);
      claim(`${id}-all${rest}`, group.name);
      claim(`${id}-all${rest}-print`, group.name);
      if (root.kind === "group") claim(group.name, group.name);
      return group;
    });
  });
}

const groupsIn = (root: Exported): readonly Group[] =>
  root.kind === "target" ? [{ name: root.id, members: [root.id] }] : subGroups(root);

const subGroups = (one: Exported): readonly Group[] =>
  one.kind === "target"
    ? []
    : [
        { name: one.name, members: membersOf(one, true) },
        ...one.members.flatMap(({ value }) => subGroups(value)),
      ];

// What project(…) says, with ids instead of handles, and what holds where it says nothing.

/**
 * Settings of the graph. VAR= narrows what a bare `imagemake` builds, never what a release holds. Throws
 * (exit 2) for a target that is neither an export nor reached by one, and for a gate that is not a check.
 */
function projectSettings(
  given: ProjectSpec | undefined,
  names: Names,
  targets: readonly Target[],
): ProjectSettings {
  const { default: bare = [], epoch, nativeOnly = [], release = {} } = given ?? {};
  const ids = (field: string, values: readonly unknown[], narrowed: boolean): readonly TargetId[] => {
    const handles = values.flatMap((value) => handlesOf(value, narrowed));
    return [...new Set(handles.map((handle) => idOf(field, handle, names)))];
  };
  const files = targets.filter(({ exported, kind }) => exported && kind === "file").map(({ id }) => id);
  const gate = ids("release.gate", release.gate ?? [], false);
  const other = gate.find((id) => targets.find((target) => target.id === id)?.kind !== "verdict");
  if (other !== undefined) stop(Exit.usage, `project: release.gate: ${other} is not a check`);
  return {
    default: ids("default", bare, true),
    epoch: epoch ?? null,
    nativeOnly,
    release: {
      of: release.of === undefined ? files : ids("release.of", release.of, false),
      gate,
      steps: release.steps ?? [],
      into: release.into ?? null,
      sums: { file: release.sums?.file ?? "sha256sum.txt", form: release.sums?.form ?? "bsd" },
      sign: signSettings(release.sign ?? {}),
    },
  };
}

function signSettings(given: Partial<SignSettings>): SignSettings {
  const { name = "{date}" } = given;
  return {
    ...{ tool: "signify", keys: "release-keys", name, passphrase: `${name}.pass` },
    comment: "This key is only valid for images with date {date}.",
    ...{ key: null, home: null, program: null, publicKey: null },
    ...given,
  };
}

function idOf(field: string, handle: Handle, names: Names): TargetId {
  if (names.has(handle)) return names.target(handle);
  stop(Exit.usage, `${short(inside(handle).draft.at)}: project: ${field}: this target is not exported`);
}
