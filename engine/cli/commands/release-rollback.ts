// `imagemake release rollback`: puts back what was current before; the release is withdrawn.
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { stop, unwrap } from "../../problem.js";
import { currentLink, readCurrent, swapCurrent } from "../../release/promote.js";
import { changeState } from "../../release/states.js";
import { moveRelease } from "../life.js";
import type { Call } from "../run.js";

export const command = (call: Call): Promise<number> =>
  moveRelease(
    call,
    "rollback",
    ({ datecode }) => `withdraw release ${datecode}`,
    (release) => {
      const dir = release.collected?.dir ?? "";
      const link = currentLink(dir);
      const { previous } = release;
      if (unwrap(readCurrent(link)) === basename(dir)) {
        if (previous !== null && !existsSync(join(dirname(link), previous)))
          return stop(
            2,
            `${join(dirname(link), previous)}, which was current before, is gone`,
            "put it back first",
          );
        swapCurrent(link, previous);
      }
      return changeState(release, "rollback", Date.now());
    },
  );
