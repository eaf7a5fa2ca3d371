// `imagemake release drop TARGET --because TEXT`: takes a target off the roster, recorded.
import { Exit, stop } from "../../engine/problem.js";
import { moveRelease } from "../life.js";
import type { Call } from "../call.js";

export function command(call: Call<"release drop">): Promise<number> {
  const [target = ""] = call.names;
  const because =
    call.options.because ?? stop(Exit.usage, "a drop is recorded with its reason", "--because TEXT gives it");
  return moveRelease(
    call,
    ["open"],
    ({ datecode }) => `drop ${target} from release ${datecode}`,
    (release) => {
      if (release.roster?.includes(target) !== true)
        return stop(
          Exit.usage,
          `${target} is not on the roster of release ${release.datecode}`,
          "imagemake release status shows it",
        );
      const word = { target, because, at: new Date().toISOString() };
      return {
        ...release,
        roster: release.roster.filter((id) => id !== target),
        dropped: [...release.dropped, word],
      };
    },
  );
}
