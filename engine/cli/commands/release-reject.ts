// `imagemake release reject TARGET --because TEXT`: a person's failing verdict on what the target is now.
import { stop, unwrap } from "../../problem.js";
import { requireOpen } from "../../release/states.js";
import { moveRelease, text } from "../life.js";
import { judge, look } from "../look.js";
import type { Call } from "../run.js";

/** Its digest is never linked again; the target is out of date though its key is unchanged. */
export async function command(call: Call): Promise<number> {
  const [target = ""] = call.names;
  const because =
    text(call, "because") ?? stop(2, "a rejection is recorded with its reason", "--because TEXT gives it");
  const would = ({ datecode }: { datecode: string }): string => `reject ${target} of release ${datecode}`;
  return moveRelease(call, null, would, async (given) => {
    const release = unwrap(requireOpen(given));
    const looking = await look({ ...call, options: { ...call.options, release: release.datecode } }, [
      target,
    ]);
    const found = looking.opened.graph.targets.find(({ id }) => id === looking.targets[0]);
    const judged = (await judge(looking.session)).get(found?.action ?? "");
    const artifact = found === undefined ? undefined : judged?.made?.outputs[found.output];
    if (found === undefined || artifact === undefined)
      return stop(2, `${target} is not built, so there is nothing to reject`);
    const word = { target: found.id, because, at: new Date().toISOString(), digest: artifact.slice(2) };
    return { ...release, rejected: [...release.rejected, word] };
  });
}
