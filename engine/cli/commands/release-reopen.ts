// `imagemake release reopen`: takes checksums and signature out of the collected directory; keys and verdicts stay.
import { rmSync } from "node:fs";
import { unwrap } from "../../problem.js";
import { signatureName } from "../../release/check.js";
import { isElsewhere, isLimited, ownFiles } from "../../release/place.js";
import { changeState } from "../../release/states.js";
import { collectedOf } from "../collected.js";
import { tellLine } from "../exchange.js";
import { moveRelease } from "../life.js";
import type { Call } from "../run.js";

export const command = (call: Call): Promise<number> =>
  moveRelease(
    call,
    "reopen",
    ({ datecode }) => `reopen release ${datecode}`,
    async (release, project) => {
      const { collected, datecode } = release;
      const more = { signature: null };
      if (collected === null) return changeState(release, "reopen", Date.now(), more);
      if (isElsewhere(project, collected) && !isLimited(project)) {
        tellLine(
          call,
          `warning: release ${datecode} was collected elsewhere (${collected.dir}): this copy of the project leaves that alone; collect again`,
        );
        return changeState(release, "reopen", Date.now(), { ...more, collected: null });
      }
      const place = unwrap(await collectedOf(call, project, release));
      for (const file of ownFiles(place, release, signatureName(place.sums))) rmSync(file, { force: true });
      return changeState(release, "reopen", Date.now(), more);
    },
  );
