// What an action's key is made from, found out: its inputs' contents, its packages, its tools' versions, what dates it. Who
// asks says what is behind a target. It decides nothing.
import { hashBytes } from "../cache/hash.js";
import type { KeyFacts, KeyInput } from "./key.js";
import type { Action, TargetId } from "./model.js";
import type { Pins } from "./packages/pins.js";
import { ok, type Result } from "./problem.js";
import type { Sources } from "./sources/resolve.js";
import type { ResolvedSource, SourceFile } from "./sources/resolved.js";
import type { ToolVersions } from "./tools.js";

/** Where facts come from; the same for a whole run. */
export interface FactContext {
  readonly sources: Sources;
  readonly pins: Pins;
  readonly tools: ToolVersions;
  readonly datecode: string;
}

/** What is the project's: where an artifact lies in the stage, and the epoch of what nothing dates, in seconds. */
export interface Defaults {
  stagePathOf(name: string, target: TargetId): string;
  plainEpoch(): number;
}

/** The facts of an action's key; the contents and the epochs of the targets that it reads are asked for. */
export async function keyFactsOf(
  { sources, pins, tools, datecode }: FactContext,
  stage: Defaults,
  action: Action,
  contentOfTarget: (target: TargetId) => Result<string> | Promise<Result<string>>,
  epochOfTarget: (target: TargetId) => number | null,
): Promise<Result<KeyFacts>> {
  const inputs: KeyInput[] = [];
  let read: number | null = null;
  for (const input of action.inputs) {
    if (input.kind === "artifact") {
      const content = await contentOfTarget(input.target);
      if (!content.ok) return content;
      // What an action runs within is nowhere in its stage, and dates nothing.
      const within = input.name === action.within;
      const path = within ? "" : stage.stagePathOf(input.name, input.target);
      inputs.push({ input: input.name, path, content: content.value });
      const epoch = within ? null : epochOfTarget(input.target);
      if (epoch !== null) read = Math.max(read ?? 0, epoch);
    } else {
      const resolved = await sources.resolve(input.source, input.name);
      if (!resolved.ok) {
        const { problem } = resolved;
        return {
          ok: false,
          problem: {
            ...problem,
            message: `${action.at}: ${action.id}: input ${input.name}: ${problem.message}`,
          },
        };
      }
      for (const content of contentOf(input.name, resolved.value)) inputs.push(content);
    }
  }
  const closure = await pins.closure(action);
  if (!closure.ok) return closure;
  const versions: Record<string, string> = {};
  for (const tool of action.tools) versions[tool.name] = await tools.version(tool.name);
  return ok({
    inputs,
    closure: closure.value?.digest ?? null,
    tools: versions,
    datecode,
    epoch: read ?? ((closure.value?.packages.length ?? 0) > 0 ? null : stage.plainEpoch()),
  });
}

/** A resolved source as components of the key. */
export function contentOf(input: string, resolved: ResolvedSource): KeyInput[] {
  if (resolved.kind === "value") {
    return [
      { input, path: "", content: resolved.value === null ? "not set" : `e:${hashBytes(resolved.value)}` },
    ];
  }
  // A variable that is there and empty is not a variable that is not there.
  if (resolved.files.length === 0) return [{ input, path: "", content: "no files" }];
  return [
    ...resolved.files.map((file) => ({ input, path: file.stage, content: contentOfFile(file) })),
    ...resolved.along.map((file) => ({ input, path: file.stage, content: asAlong(contentOfFile(file)) })),
  ];
}

/** The content of what a link brought along: it lies in the stage, and the input's variable does not name it. */
export const asAlong = (content: string): string => `along ${content}`;

function contentOfFile(file: SourceFile): string {
  switch (file.kind) {
    case "link":
      return `l:${file.to}`;
    case "directory":
      return "d:";
    case "text":
      return `f:${file.digest}`;
    case "file":
      return `${file.executable ? "x" : "f"}:${file.digest}`;
  }
}
