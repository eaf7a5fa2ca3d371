// `imagemake release rollback`: puts back what was current before; the release is withdrawn.
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { stop, unwrap } from "../../problem.js";
import { currentLink, readCurrent, swapCurrent } from "../../release/promote.js";
import type { Release } from "../../release/release.js";
import { changeState } from "../../release/states.js";
import { tellLine } from "../exchange.js";
import { moveRelease } from "../life.js";
import type { Call } from "../run.js";

export const command = (call: Call): Promise<number> =>
  moveRelease(
    call,
    "rollback",
    (release) => `withdraw release ${release.datecode}; ${fateOf(release)}`,
    (release) => {
      const { link, isOurs, previous } = currentOf(release);
      const said = fateOf(release);
      if (isOurs) {
        const before = previous === null ? null : join(dirname(link), previous);
        if (before !== null && !existsSync(before))
          return stop(2, `${before}, which was current before, is gone`, "put it back first");
        swapCurrent(link, previous);
      }
      tellLine(call, said);
      return changeState(release, "rollback", Date.now());
    },
  );

/** The link `current`, whether it points to this release, and what it pointed to before. */
function currentOf({ collected, previous }: Release): {
  readonly link: string;
  readonly now: string | null;
  readonly isOurs: boolean;
  readonly previous: string | null;
} {
  const dir = collected?.dir ?? "";
  const link = currentLink(dir);
  const now = unwrap(readCurrent(link));
  return { link, now, isOurs: now === basename(dir), previous };
}

/** What becomes of the link: nobody should find out later that it is gone. */
function fateOf(release: Release): string {
  const { link, now, isOurs, previous } = currentOf(release);
  if (isOurs)
    return previous === null
      ? `${link}: removed, since nothing was current before ${release.datecode}`
      : `${link}: ${previous} again`;
  return now === null ? `${link}: not there` : `${link}: ${now}, as before`;
}
