// Whether what was promised still stands: artifacts in the store, whole, and files in the output directory as they
// were linked there.
import { hashFile } from "../cache/hash.js";
import type { ArtifactId, ArtifactRow, Index } from "../cache/index.js";
import { isThere } from "../cache/io.js";
import { digestOf, linkedMode, type Store } from "../cache/store.js";
import { layerPath } from "../cache/layers.js";
import { hasManifest } from "../cache/manifests.js";
import { isDiskImage } from "./names.js";
import type { Project } from "./project.js";
import { type Facts, isOwnDoubtful, ownStamp } from "./sources/stamp.js";
import type { Whole } from "./whole.js";

/** The form of layers that this process can mount. */
const OWN_FORM = process.getuid?.() === 0 ? "root" : "user";

/** What looking needs. */
export interface PresenceContext {
  readonly project: Project;
  readonly index: Index;
  readonly store: Store;
  readonly facts: Facts;
  /** A dry run: nothing is written, not even a stamp. */
  readonly readOnly: boolean;
}

/** Looks at the store and the output directory; notes stamps unless it may only look. */
export class Presence {
  constructor(
    private readonly context: PresenceContext,
    private readonly whole: Whole,
  ) {}

  /** Names of known outputs that the store does not hold. */
  absent(outputs: Readonly<Record<string, ArtifactId>>): string[] {
    return Object.entries(outputs).flatMap(([output, id]) => {
      const row = this.context.index.artifact(id);
      return row === undefined || !this.holds(row) ? [output] : [];
    });
  }

  /**
   * Name of the first file output whose bytes in the store are no longer what they were: where links are hard
   * links, an edit in place went into the store as well. `edited`: do not believe the stamp.
   */
  async damaged(outputs: Readonly<Record<string, ArtifactId>>, edited: boolean): Promise<string | null> {
    for (const [output, id] of Object.entries(outputs)) {
      const row = this.context.index.artifact(id);
      if (row?.kind !== "file" || !this.holds(row)) continue;
      if (!(await this.whole.fileIsWhole(id, edited))) return output;
    }
    return null;
  }

  /** Whether the store holds what the row promises, down to the layers beneath. */
  holds(row: ArtifactRow): boolean {
    if (this.whole.lost.has(row.id)) return false;
    switch (row.kind) {
      case "verdict":
        return true;
      case "file":
        return this.context.store.has(row.id, row.size);
      case "tree": {
        // A layer is only mounted in the form it was made in: in the other one its owners would be wrong.
        if (row.form !== OWN_FORM) return false;
        if (row.layer === null || !isThere(layerPath(this.context.project.layers, row.layer))) return false;
        if (!hasManifest(this.context.project.manifests, row.id)) return false;
        const parent = row.parent === null ? null : this.context.index.artifact(row.parent);
        return parent === null || (parent !== undefined && this.holds(parent));
      }
    }
  }

  /** Whether a linked output is still what was linked there. */
  async linkState(
    path: string,
    artifact: ArtifactId,
  ): Promise<"good" | "edited" | "missing" | "new-name" | "other"> {
    const stamp = ownStamp(path);
    const link = this.context.index.link(path);
    this.context.facts.file(path, stamp);
    if (stamp === null) return link === undefined ? "new-name" : "missing";
    if (link === undefined || link.artifact !== artifact) return "other";
    if (stamp.size !== link.size || stamp.mtime !== link.mtime || stamp.ino !== link.ino) return "edited";
    if (stamp.ctime === link.ctime) return "good";
    if ((stamp.mode & 0o7777) !== linkedMode(artifact, isDiskImage(path))) return "edited";
    // Only the change time differs: a link was made or removed elsewhere, or somebody edited and put the time back.
    if ((await hashFile(path, stamp.size)) !== digestOf(artifact)) return "edited";
    if (!this.context.readOnly && !isOwnDoubtful(path, stamp, this.context.project.state))
      this.context.index.setLink({ ...link, ctime: stamp.ctime });
    return "good";
  }
}
