// `imagemake release reopen`: takes checksums and signature out of the collected directory; keys and verdicts stay.
import { existsSync, rmSync } from "node:fs";
import { unwrap } from "../../engine/problem.js";
import { signatureName } from "../../engine/release/check.js";
import type { Project } from "../../engine/project.js";
import { inPlace, isElsewhere, isLimited, ownFiles } from "../../engine/release/place.js";
import type { Collected, Release } from "../../engine/release/record.js";
import { changeState, from } from "../../engine/release/states.js";
import { collectedOf, moveRelease, tellLine } from "../life.js";
import type { Call } from "../call.js";

export const command = (call: Call<"release reopen">): Promise<number> =>
  moveRelease(
    call,
    from("reopen"),
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
      removeOwn(project, place, release);
      return changeState(release, "reopen", Date.now(), more);
    },
  );

function removeOwn(project: Project, place: Collected, release: Release): void {
  if (!existsSync(place.dir)) return;
  inPlace(project, place.dir, (dir) => {
    for (const file of ownFiles({ ...place, dir }, release, signatureName(place.sums)))
      rmSync(file, { force: true });
  });
}
