// `imagemake release reject TARGET --because TEXT`: a person's failing verdict on what the target is now; --undo takes
// those on the target back.
import { digestOf } from "../../cache/store.js";
import { Exit, stop } from "../../engine/problem.js";
import { relationsOf } from "../../engine/relations.js";
import { moveRelease } from "../life.js";
import { judge, look } from "../look.js";
import type { Call } from "../call.js";

/** Its digest is never linked again, in no release; the target is out of date though its key is unchanged. */
export async function command(call: Call<"release reject">): Promise<number> {
  const [target = ""] = call.names;
  const because =
    call.options.because ??
    stop(Exit.usage, "a rejection is recorded with its reason", "--because TEXT gives it");
  const undo = call.options.undo === true;
  const does = undo ? "take back what was said of" : "reject";
  const would = ({ datecode }: { datecode: string }): string => `${does} ${target} of release ${datecode}`;
  return moveRelease(call, ["open"], would, async (release) => {
    const looking = await look({ ...call, options: { ...call.options, release: release.datecode } }, [
      target,
    ]);
    const found = relationsOf(looking.opened.graph).target(looking.targets[0]);
    const at = new Date().toISOString();
    if (undo) {
      const words = looking.session.decider.context.rejected.filter((word) => word.target === found?.id);
      if (words.length === 0)
        return stop(Exit.usage, `no verdict on ${target} stands that could be taken back`);
      const accepted = words.map((word) => ({ ...word, because, at }));
      return { ...release, accepted: [...release.accepted, ...accepted] };
    }
    const judged = (await judge(looking.session)).get(found?.action ?? "");
    const artifact = found === undefined ? undefined : judged?.made?.outputs[found.output];
    if (found === undefined || artifact === undefined)
      return stop(Exit.usage, `${target} is not built, so there is nothing to reject`);
    const word = { target: found.id, because, at, digest: digestOf(artifact) };
    return { ...release, rejected: [...release.rejected, word] };
  });
}
