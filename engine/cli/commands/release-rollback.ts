// `imagemake release rollback`: puts back what was current before; the release is withdrawn.
import { basename } from "node:path";
import { unwrap } from "../../problem.js";
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
      if (unwrap(readCurrent(link)) === basename(dir)) swapCurrent(link, release.previous);
      return changeState(release, "rollback", Date.now());
    },
  );
