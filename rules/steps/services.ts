// step.services: what is started when the system starts. Which init system the tree has, its recipe finds out.
import { z } from "zod";
import { check, option, typed } from "../options.js";
import { recipe } from "../recipes.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

const name = typed(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*$/), "the name of a service");

export const servicesSchema = z.strictObject({
  names: option(
    z.array(name).min(1),
    "an array of names",
    "Services that start with the system. Where the tree starts with runit, what is in `etc/sv`; where it starts with " +
      "systemd, units of any kind (`ssh`, `fstrim.timer`, `getty@tty2`), enabled as their [Install] sections say.",
  ),
});

/** Has services start with the system, by runit or by systemd. */
export function services(names: readonly string[]): Step {
  const given = check("step.services", servicesSchema, { names });
  return makeStep(() => ({
    rule: "step.services",
    command: recipe("services.mjs", ["services.mjs"], ["tree.mjs", "systemd.mjs"]),
    env: { SERVICES: given.names.join(" ") },
    inputs: {},
  }));
}
