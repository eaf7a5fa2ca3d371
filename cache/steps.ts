// The steps of a build between which it may be killed, by name. Whoever listens to the channel is told of each as it
// is reached, before anything else is done (test/killed.test.ts stops there); without a listener a step costs nothing.
import { channel } from "node:diagnostics_channel";

/** Every step, in the order in which a build reaches them, and what is true by then. */
export const STEPS = {
  // A run, before its actions.
  "state made": "the directories of .imagemake are there",
  "file written": "a small file is whole under its temporary name, flushed",
  "file named": "it has its name",
  "graph kept": "the evaluated graph is saved",
  "lock taken": "the state directory is ours, and a note beside the lock says so",
  "leftovers cleared": "temporary files and half layers of a killed run are gone",
  "stages cleared": "stages of a killed run are gone",
  "index opened": "the index, the release and the sources are open",
  "release kept": "the release's file says when it was built in, and what it pins",
  "snapshot taken": "the metadata of a repository is stored; the release does not say so yet",
  "packages resolved": "a list is resolved; the release does not say so yet",
  "packages fetched": "package files are in the store; that they are verified is not written down yet",
  "packages verified": "that is written down",
  decided: "the key of an action is known, and so what becomes of it: of what is to wait, once that has run",
  "plan made": "what is to be built is decided and said; nothing runs",
  // An action.
  "looked at": "it is decided what becomes of the action",
  claimed: "it has a build id, a log, and a note that it is unfinished",
  "stage made": "its stage is there, empty",
  "sources staged": "its inputs lie in the stage, and its copies are digested",
  "packages staged": "repo/ lies in the stage, indexed",
  staged: "where its outputs go is there, what is to be mounted is said, its key is known",
  started: "it is asked for: its namespaces and mounts are made, its command runs",
  ended: "the command and all that it started are gone, and its mounts with them",
  digested: "a file that it made has passed its guards and is digested",
  "file sealed": "that file is read-only and flushed, still in the stage",
  stored: "it lies in the store under its digest",
  sealed: "a tree that it made is settled and digested; its manifest lies in the store",
  "layer recorded": "the layer has its record; the directory is still in the stage",
  "layer stored": "the layer lies in the store under its name",
  "outputs stored": "every output lies in the store; no row says so",
  recording: "its rows are written, the transaction is open",
  recorded: "the transaction is through",
  published: "later explanations compare with this build; it is no longer unfinished",
  "link made": "what goes into out/ is whole under its temporary name",
  "link named": "it has its name in out/; no row says so",
  linked: "the row of the link is written",
  "stage removed": "its stage is gone",
  // A run, after its actions.
  performed: "no action runs any more",
  "shared blob written": "a file is whole in the shared cache under its temporary name, flushed",
  "blob shared": "it has its name there",
  "shared result written": "what a key stands for is whole there under its temporary name",
  "result shared": "other machines find it",
  "lock released": "another run may begin",
  "run kept": "a record says that these words left nothing to do",
} as const satisfies Readonly<Record<string, string>>;

/** Name of a step. */
export type Step = keyof typeof STEPS;

/** What listeners get: the step, and of what: an action's id, its stage, an output's name, a file. */
export interface Reached {
  readonly step: Step;
  readonly of: string;
}

/** Name of the channel (node:diagnostics_channel). */
export const STEPS_CHANNEL = "imagemake:step";

const steps = channel(STEPS_CHANNEL);

/** The step is reached. */
export function reached(step: Step, of = ""): void {
  if (steps.hasSubscribers) steps.publish({ step, of } satisfies Reached);
}
