// What an action made, as data: all that those who read it see of it.
import type { ArtifactId } from "../cache/index.js";

/** What an action made: its outputs by name, and the SOURCE_DATE_EPOCH that it saw, in seconds. */
export interface Produced {
  readonly outputs: Readonly<Record<string, ArtifactId>>;
  readonly epoch: number;
  /** The build that made it; null where a person brought it. */
  readonly build: string | null;
}

/** Whether they are one to who reads them. */
export const sameProduct = (a: Produced, b: Produced): boolean =>
  a.epoch === b.epoch &&
  Object.keys(a.outputs).length === Object.keys(b.outputs).length &&
  Object.entries(a.outputs).every(([name, id]) => b.outputs[name] === id);
