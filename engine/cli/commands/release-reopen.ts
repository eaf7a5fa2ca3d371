// `imagemake release reopen`: takes checksums and signature out of the collected directory; keys and verdicts stay.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { signatureName } from "../../release/check.js";
import { changeState } from "../../release/states.js";
import { moveRelease } from "../life.js";
import type { Call } from "../run.js";

export const command = (call: Call): Promise<number> =>
  moveRelease(
    call,
    "reopen",
    ({ datecode }) => `reopen release ${datecode}`,
    (release) => {
      const { collected } = release;
      if (collected !== null)
        for (const name of [signatureName(collected.sums), collected.sums])
          rmSync(join(collected.dir, name), { force: true });
      return changeState(release, "reopen", Date.now(), { signature: null });
    },
  );
