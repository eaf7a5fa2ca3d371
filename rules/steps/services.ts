// step.services: what is started when the system starts. Which init system the tree has, its recipe finds out.
import { z } from "zod";
import { wrongOption } from "../../engine/declare.js";
import { option, typed } from "../options.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { arrayOf } from "../schema.js";
import { recipe } from "../recipes.js";
import type { Step } from "../types.js";
import { makeStep } from "./step.js";

const name = typed(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*$/), "the name of a service");

const declared = declaration(
  "step.services",
  "Has services start with the system, by runit or by systemd.",
  {
    names: option(
      arrayOf(name),
      "an array of names",
      "Services that start with the system. Where the tree starts with runit, what is in `etc/sv`; where it starts with " +
        "systemd, units of any kind (`ssh`, `fstrim.timer`, `getty@tty2`), enabled as their [Install] sections say.",
    ),
    disable: option(
      arrayOf(name).optional(),
      "an array of names",
      "Services that do not start with the system, whatever their packages say; one that is not enabled, or not there, is no error.",
    ),
  },
  ["names"],
);

export const services = callable(
  declared,
  (names: Given<typeof declared>["names"], o: Others<typeof declared, "names"> = {}): Step => {
    const given = declared.check({ names, ...o });
    const disable = given.disable ?? [];
    if (given.names.length + disable.length === 0) {
      wrongOption("step.services", "expected the name of a service, found none");
    }
    return makeStep(() => ({
      rule: "step.services",
      command: recipe("services.mjs", ["services.mjs"], ["tree.mjs", "systemd.mjs"]),
      env: { SERVICES: given.names.join(" "), DISABLED: disable.join(" ") },
      inputs: {},
    }));
  },
);
