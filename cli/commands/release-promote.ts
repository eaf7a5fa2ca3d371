// `imagemake release promote`: verifies, and makes the release the current one.
import { basename } from "node:path";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { verifyDirectory } from "../../engine/release/check.js";
import { currentLink, readCurrent, swapCurrent } from "../../engine/release/place.js";
import { saveRelease } from "../../engine/release/release.js";
import { changeState, from } from "../../engine/release/states.js";
import { collectedOf, moveRelease } from "../life.js";
import type { Call } from "../call.js";

export const command = (call: Call<"release promote">): Promise<number> =>
  moveRelease(
    call,
    from("promote"),
    ({ datecode }) => `make release ${datecode} the current one`,
    async (release, project) => {
      const { signature } = release;
      if (signature === null) return stop(Exit.usage, `release ${release.datecode} is not signed`);
      const { dir, sums } = unwrap(await collectedOf(call, project, release));
      unwrap(await verifyDirectory({ dir, sums, publicKey: signature.publicKey, keyFile: null }));
      const link = currentLink(dir);
      const before = unwrap(readCurrent(link));
      // A run that was killed after the swap has written down what was there before.
      const previous = before === basename(dir) ? release.previous : before;
      saveRelease(project, { ...release, previous });
      unwrap(swapCurrent(project, link, basename(dir)));
      return changeState(release, "promote", Date.now(), { previous });
    },
  );
