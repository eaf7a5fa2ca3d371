// What is mounted for an action, as data, and in the words that init.pl reads. It mounts nothing itself.
import { layerPath } from "../../../cache/layers.js";
import { Exit, fail, ok, type Result } from "../../problem.js";

/**
 * A mount inside an action's namespace; paths absolute. `to` is made where it is missing. A bind leaves out
 * what is mounted below `from` unless `recursive`. An overlay's `layers` are names relative to
 * `Job.layersDir`, topmost first; `upper` and `work` null: read-only.
 */
export type Mount =
  | {
      readonly kind: "bind";
      readonly from: string;
      readonly to: string;
      readonly readOnly: boolean;
      readonly recursive?: boolean;
    }
  | {
      readonly kind: "overlay";
      readonly layers: readonly string[];
      readonly upper: string | null;
      readonly work: string | null;
      readonly to: string;
    };

/** mount(2) takes one page of options, with the zero at their end. */
const OPTIONS_MAX = 4095;

/** Overlay splits options at commas and layers at colons; a backslash takes the meaning from both. */
const escaped = (path: string): string => path.replace(/[\\,:]/g, "\\$&");

/**
 * Words for init.pl. `userxattr` is for overlays made in a user namespace: they may not use trusted.*.
 * A Problem where a mount cannot be written down.
 */
export function mountWords(
  mounts: readonly Mount[],
  layersDir: string,
  userxattr: boolean,
): Result<readonly string[]> {
  const words: string[] = [];
  for (const mount of mounts) {
    const overlay = mount.kind === "overlay" && (mount.upper !== null || mount.layers.length > 1);
    if (overlay) {
      const options = overlayOptions(mount, userxattr);
      if (Buffer.byteLength(options) > OPTIONS_MAX) {
        return fail(
          Exit.environment,
          `${mount.to}: ${mount.layers.length} layers are too many for one mount`,
        );
      }
      words.push("overlay", options, mount.to);
    } else if (mount.kind === "bind") {
      const flags = (mount.readOnly ? "r" : "") + (mount.recursive === true ? "R" : "");
      words.push("bind", flags === "" ? "-" : flags, mount.from, mount.to);
    } else if (mount.layers[0] !== undefined) {
      // One layer without an upper directory is that layer: overlay before Linux 6.x wants two.
      words.push("bind", "r", layerPath(layersDir, mount.layers[0]), mount.to);
    } else {
      return fail(Exit.environment, `${mount.to}: an overlay without layers`);
    }
  }
  return ok(words);
}

/**
 * `redirect_dir=off,metacopy=off,index=off`: a layer stays what it looks like, and can be read without its
 * lower ones. `volatile`: no sync ever reaches the upper directory (dpkg asks for thousands); whoever keeps
 * the layer syncs it once.
 */
function overlayOptions(mount: Mount & { kind: "overlay" }, userxattr: boolean): string {
  const options = [`lowerdir=${mount.layers.map(escaped).join(":")}`];
  if (mount.upper !== null) {
    options.push(`upperdir=${escaped(mount.upper)}`, `workdir=${escaped(mount.work ?? "")}`, "volatile");
  }
  options.push("metacopy=off", "index=off");
  // With userxattr the kernel refuses `off`, which still follows the redirects of lower layers.
  options.push(...(userxattr ? ["redirect_dir=nofollow", "userxattr"] : ["redirect_dir=off"]));
  return options.join(",");
}
