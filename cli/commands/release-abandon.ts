// `imagemake release abandon`: it is given up; its files stay where they are.
import { changeState, from } from "../../engine/release/states.js";
import { moveRelease } from "../life.js";
import type { Call } from "../call.js";

export const command = (call: Call<"release abandon">): Promise<number> =>
  moveRelease(
    call,
    from("abandon"),
    ({ datecode }) => `abandon release ${datecode}`,
    (release) => changeState(release, "abandon", Date.now()),
  );
