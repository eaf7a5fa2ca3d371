// `imagemake release rollback`: puts back what was current before; the release is withdrawn.
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isDatecode } from "../../engine/names.js";
import { Exit, stop, unwrap } from "../../engine/problem.js";
import { currentLink, isLimited, readCurrent, swapCurrent } from "../../engine/release/place.js";
import type { Release } from "../../engine/release/record.js";
import { changeState, from } from "../../engine/release/states.js";
import { collectedOf, moveRelease, tellLine } from "../life.js";
import type { Call } from "../call.js";

export const command = (call: Call<"release rollback">): Promise<number> =>
  moveRelease(
    call,
    from("rollback"),
    async (release, project) =>
      `withdraw release ${release.datecode}; ${fateOf(release, unwrap(await collectedOf(call, project, release)).dir)}`,
    async (release, project) => {
      const { dir } = unwrap(await collectedOf(call, project, release));
      const { link, isOurs, previous } = currentOf(release, dir);
      const said = fateOf(release, dir);
      if (isOurs) {
        if (previous !== null && isLimited(project) && !isDatecode(previous))
          stop(
            Exit.usage,
            `${previous}, which was current before, is not a release`,
            "under sudo nothing else is made current",
          );
        const before = previous === null ? null : join(dirname(link), previous);
        if (before !== null && !existsSync(before))
          return stop(Exit.usage, `${before}, which was current before, is gone`, "put it back first");
        unwrap(swapCurrent(project, link, previous));
      }
      tellLine(call, said);
      return changeState(release, "rollback", Date.now());
    },
  );

/** The link `current`, whether it points to this release, and what it pointed to before. */
function currentOf(
  { previous }: Release,
  dir: string,
): {
  readonly link: string;
  readonly now: string | null;
  readonly isOurs: boolean;
  readonly previous: string | null;
} {
  const link = currentLink(dir);
  const now = unwrap(readCurrent(link));
  return { link, now, isOurs: now === basename(dir), previous };
}

/** What becomes of the link: nobody should find out later that it is gone. */
function fateOf(release: Release, dir: string): string {
  const { link, now, isOurs, previous } = currentOf(release, dir);
  if (isOurs)
    return previous === null
      ? `${link}: removed, since nothing was current before ${release.datecode}`
      : `${link}: ${previous} again`;
  return now === null ? `${link}: not there` : `${link}: ${now}, as before`;
}
