// Results in the action cache of a server. A key stands there as an Action of its own, made of nothing but the key; the result is
// a file beside the outputs, which are named so that a server keeps or loses all of it together.
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { sameOutputs, type ActionCache, type Disagreement, type Made } from "../action-cache.js";
import type { ArtifactId } from "../index.js";
import { saidOf } from "../io.js";
import { MOST_RESULT, resultIn, textOf } from "../made.js";
import { Exit, fail, ok, ProblemError, stop, type Result } from "../problem.js";
import { digestOf } from "../store.js";
import { blobFrom, blobOf, digestFrom, type Blob, type Blobs, type Outgoing } from "./blobs.js";
import type { Known, Parts } from "./contents.js";
import type { Link } from "./link.js";
import {
  ActionCache as Service,
  ActionSchema,
  CommandSchema,
  DirectorySchema,
  type ActionResult,
  type ActionResultSchema,
} from "./protocol/build/bazel/remote/execution/v2/remote_execution_pb.js";
import { atOnce } from "../at-once.js";

/** The file of the result. */
const RESULT = "result.json";

/** Calls that are under way at once. */
const AT_ONCE = 8;

/** The Action that stands for a key, and what it is made of. */
function actionOf(key: string): { readonly action: Blob; readonly messages: readonly Outgoing[] } {
  const outgoing = (bytes: Uint8Array): Outgoing => ({ blob: blobOf(bytes), from: bytes });
  const text = outgoing(Buffer.from(key));
  const command = outgoing(
    toBinary(CommandSchema, create(CommandSchema, { arguments: ["imagemake", "perform"] })),
  );
  const files = [{ name: "key", digest: digestFrom(text.blob) }];
  const root = outgoing(toBinary(DirectorySchema, create(DirectorySchema, { files })));
  const action = outgoing(
    toBinary(
      ActionSchema,
      create(ActionSchema, {
        commandDigest: digestFrom(command.blob),
        inputRootDigest: digestFrom(root.blob),
      }),
    ),
  );
  return { action: action.blob, messages: [text, command, root, action] };
}

/** The results of a server. `doubt` is told by name of what cannot be believed. */
export class RemoteActions implements ActionCache {
  constructor(
    private readonly link: Link,
    private readonly blobs: Blobs,
    private readonly known: Known,
    private readonly doubt: (message: string) => void,
  ) {}

  async find(keys: readonly string[]): Promise<ReadonlyMap<string, Made>> {
    const found = new Map<string, Made>();
    if (keys.length > 0) await this.blobs.limits();
    await atOnce(keys, AT_ONCE, async (key) => {
      const made = await this.#read(key);
      if (made !== null) found.set(key, made);
    });
    return found;
  }

  async #read(key: string): Promise<Made | null> {
    const { name, instance } = this.link.address;
    const answer = await this.link.call(Service.method.getActionResult, {
      instanceName: instance,
      actionDigest: digestFrom(actionOf(key).action),
      inlineOutputFiles: [RESULT],
    });
    if (answer === null) return null;
    try {
      const json = await this.#resultFile(answer);
      if (json === null) return null;
      const made = resultIn(json, key);
      // What another result said of it counts only where it was held against its manifest.
      for (const [id, parts] of partsOf(made, answer))
        if ((this.known.get(id)?.files ?? null) === null) this.known.set(id, parts);
      return made;
    } catch (error) {
      if (this.link.isGone) throw error;
      this.doubt(`the result ${key} in ${name} cannot be used: ${saidOf(error)}`);
      return null;
    }
  }

  /** Its text, where it is whole; null where it is not there any more. */
  async #resultFile({ outputFiles, exitCode }: ActionResult): Promise<string | null> {
    if (exitCode !== 0) throw new Error(`it is that of an action that failed (exit status ${exitCode})`);
    const file = outputFiles.find(({ path }) => path === RESULT);
    const blob = blobFrom(file?.digest);
    if (file === undefined || blob === null) throw new Error("it is not a result of an imagemake");
    if (blob.size > MOST_RESULT) throw new Error("it is too large");
    if (file.contents.length === 0) return (await this.blobs.read(blob))?.toString("utf8") ?? null;
    const { hash, size } = blobOf(file.contents);
    if (hash !== blob.hash || size !== blob.size) throw new Error("it is not what its digest says");
    return Buffer.from(file.contents).toString("utf8");
  }

  /** What is there stays. What was written is read once more: a server may keep nothing, and say nothing. */
  async put(results: readonly Made[]): Promise<Result<readonly Disagreement[]>> {
    const { name } = this.link.address;
    const disagreements: Disagreement[] = [];
    const before = await this.find(results.map(({ key }) => key));
    if (results.length > before.size && !(await this.blobs.limits()).results)
      return fail(
        Exit.environment,
        `${name} takes no results from clients`,
        "leave out --remote-upload here",
      );
    for (const made of results) {
      const known = before.get(made.key);
      if (known !== undefined) {
        const { key, action, machine } = known;
        if (!sameOutputs(known, made)) disagreements.push({ key, action, machine });
        continue;
      }
      try {
        await this.#write(made);
      } catch (error) {
        if (!(error instanceof ProblemError) || this.link.isGone) throw error;
        return { ok: false, problem: error.problem };
      }
    }
    return ok(disagreements);
  }

  async #write(made: Made): Promise<void> {
    const { name, instance } = this.link.address;
    const bytes = Buffer.from(textOf(made));
    if (bytes.length > MOST_RESULT)
      throw new ProblemError({
        ...{ exit: Exit.environment, ofOne: true },
        message: `the result of ${made.action} is too large for a cache`,
      });
    const { action, messages } = actionOf(made.key);
    const all = [...messages, { blob: blobOf(bytes), from: bytes }];
    const missing = new Set((await this.blobs.missing(all.map(({ blob }) => blob))).map(({ hash }) => hash));
    await this.blobs.put(all.filter(({ blob }) => missing.has(blob.hash)));
    await this.link.call(Service.method.updateActionResult, {
      instanceName: instance,
      actionDigest: digestFrom(action),
      actionResult: this.#messageOf(made, blobOf(bytes)),
    });
    if ((await this.find([made.key])).size === 0)
      stop(Exit.environment, `${name} did not keep the result of ${made.action}`);
  }

  #messageOf(made: Made, result: Blob): MessageInitShape<typeof ActionResultSchema> {
    const outputs = outputsOf(made).map(({ id, size, at }) => ({ id, at, parts: this.#partsOf(id, size) }));
    return {
      outputFiles: [
        { path: RESULT, digest: digestFrom(result) },
        ...outputs.map(({ id, at, parts }) => ({
          path: `${at}/${parts.bag === null ? "file" : "manifest"}`,
          digest: digestFrom(parts.blob),
          isExecutable: id.startsWith("x:"),
        })),
      ],
      outputDirectories: outputs.flatMap(({ at, parts: { bag } }) =>
        bag === null ? [] : [{ path: `${at}/blobs`, treeDigest: digestFrom(bag) }],
      ),
      executionMetadata: { worker: made.machine },
    };
  }

  #partsOf(id: ArtifactId, size: number): Parts {
    const parts = this.known.get(id);
    if (parts !== undefined) return parts;
    if (id.startsWith("t:"))
      stop(Exit.environment, `the contents of ${id} are not in the cache ${this.link.address.name}`);
    return { blob: { hash: digestOf(id), size }, bag: null, files: null };
  }
}

/** The outputs in their order, and where each stands in a result. A verdict has no contents. */
const outputsOf = ({ outputs }: Made): readonly { id: ArtifactId; size: number; at: string }[] =>
  Object.keys(outputs)
    .sort()
    .flatMap((name, at) => {
      const { id = "v:", size = 0 } = outputs[name] ?? {};
      return id.startsWith("v:") ? [] : [{ id, size, at: `outputs/${at}` }];
    });

/** What a result says of the blobs of its outputs. Throws where it does not fit to what was made. */
function partsOf(made: Made, answer: ActionResult): ReadonlyMap<ArtifactId, Parts> {
  const found = new Map<ArtifactId, Parts>();
  for (const { id, size, at } of outputsOf(made)) {
    const isTree = id.startsWith("t:");
    const path = `${at}/${isTree ? "manifest" : "file"}`;
    const blob = blobFrom(answer.outputFiles.find((file) => file.path === path)?.digest);
    if (blob?.hash !== digestOf(id) || (!isTree && blob.size !== size))
      throw new Error(`it has no ${path} of ${id}`);
    const directory = answer.outputDirectories.find((one) => one.path === `${at}/blobs`);
    const bag = isTree ? blobFrom(directory?.treeDigest) : null;
    if (isTree && bag === null) throw new Error(`it has no ${at}/blobs of ${id}`);
    found.set(id, { blob, bag, files: null });
  }
  return found;
}
