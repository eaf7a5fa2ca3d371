// step.hostname, step.timezone, step.locale and step.alternatives: what an installer asks for. Each distribution keeps it
// elsewhere and makes it by programs of its own; what one has none of is refused when the Imagefile is loaded.
import { z } from "zod";
import { wrongOption, type Handle } from "../../engine/declare.js";
import { callable, declaration, type Given, type Others } from "../declaration.js";
import { cpuOf, emulation } from "../distributions.js";
import { toolOf } from "../drivers/tools.js";
import { option, typed } from "../options.js";
import { INSIDE, recipe } from "../recipes.js";
import { arrayOf } from "../schema.js";
import type { Step, StepBut } from "../types.js";
import { makeStep, type Part } from "./step.js";

const declaredHostname = declaration(
  "step.hostname",
  "Gives the system a name: `etc/hostname`, and in Debian the line for it in `etc/hosts`.",
  {
    name: option(
      z
        .string()
        .regex(
          /^(?=.{1,64}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/,
        ),
      "at most 64 letters, digits, - and .",
      "The name. With a domain, Debian has what stands before it in `etc/hostname`, and the others all of it.",
    ),
  },
  ["name"],
);

export const hostname = callable(declaredHostname, (name: Given<typeof declaredHostname>["name"]): Step => {
  const given = declaredHostname.check({ name });
  return makeStep(() => setting("step.hostname", { NAME: given.name }));
});

const declaredTimezone = declaration(
  "step.timezone",
  "Sets the time zone: the link `etc/localtime`, and `etc/timezone` where the tree has one.",
  {
    zone: option(
      z.string().regex(/^[A-Za-z0-9_+-]+(?:\/[A-Za-z0-9_+-]+)*$/),
      "a name such as Europe/Zurich",
      "The zone, one of `usr/share/zoneinfo` of the tree: its package tzdata has to be there.",
    ),
  },
  ["zone"],
);

export const timezone = callable(declaredTimezone, (zone: Given<typeof declaredTimezone>["zone"]): Step => {
  const given = declaredTimezone.check({ zone });
  return makeStep(() => setting("step.timezone", { ZONE: given.zone }));
});

const setting = (rule: string, env: Readonly<Record<string, string>>): Part => ({
  rule,
  command: recipe("settings.mjs", ["settings.mjs"], ["tree.mjs"]),
  env,
  inputs: {},
});

const localeName = typed(
  z.string().regex(/^(?:C|[a-z]{2,3}(?:_[A-Z]{2})?)(?:\.[A-Za-z0-9-]+)?(?:@[a-z]+)?$/),
  "a name such as de_CH.UTF-8",
);
const declaredLocale = declaration(
  "step.locale",
  "Sets the language of the system (`LANG`), and makes it with the distribution's own program: locale-gen of Debian's package `locales` " +
    "and of Arch, `glibc-locales` of Void. In RPM systems it comes in a package, `glibc-langpack-de`. Void's musl has none.",
  {
    lang: option(localeName, "a name such as de_CH.UTF-8", "The locale of the system."),
    also: option(arrayOf(localeName).optional(), "names in an array", "Others that are made."),
  },
  ["lang"],
);

export const locale = callable(
  declaredLocale,
  (lang: Given<typeof declaredLocale>["lang"], o: Others<typeof declaredLocale, "lang"> = {}): Step => {
    const given = declaredLocale.check({ lang, ...o });
    return makeStep((tree, rule) => {
      if (tree.lineage?.driver === "xbps" && tree.lineage.arch.endsWith("-musl"))
        wrongOption(rule, `step.locale: ${tree.lineage.arch}: musl has no locales; leave the step out`);
      const all = [...new Set([given.lang, ...(given.also ?? [])])];
      return inside("step.locale", "locale.sh", tree, { LANGUAGE: given.lang, LOCALES: all.join("\n") });
    });
  },
);

const declaredAlternatives = declaration(
  "step.alternatives",
  "Chooses between programs that do the same, as update-alternatives (Debian), alternatives (RPM) and xbps-alternatives (Void) keep them. " +
    "Arch has nothing of the kind.",
  {
    choices: option(
      z.record(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/), z.string().regex(/^[^\s-]\S*$/)),
      "{ name: choice }",
      'What is chosen, by the name of the group: the program (`{ editor: "/usr/bin/vim.basic" }`), in Void the package (`{ sh: "dash" }`).',
    ),
  },
  ["choices"],
);

export const alternatives = callable(
  declaredAlternatives,
  (choices: Given<typeof declaredAlternatives>["choices"]): StepBut<"pacman"> => {
    const given = declaredAlternatives.check({ choices });
    const step = makeStep((tree, rule) => {
      const driver = tree.lineage?.driver;
      if (driver === "pacman")
        wrongOption(rule, "step.alternatives: pacman knows no alternatives; step.link makes a link");
      const lines = Object.entries(given.choices).map(([name, choice]) => `${name} ${choice}`);
      const part = inside("step.alternatives", "alternatives.sh", tree, { CHOICES: lines.join("\n") });
      return driver === "xbps"
        ? { ...part, tools: [...(part.tools ?? []), toolOf("xbps-alternatives")] }
        : part;
    });
    // The brand exists only for the compiler.
    return step as StepBut<"pacman">;
  },
);

/** A recipe that runs programs of the tree. */
function inside(
  rule: string,
  name: string,
  { lineage }: Handle,
  env: Readonly<Record<string, string>>,
): Part {
  const { driver, arch } = lineage ?? { driver: "", arch: "" };
  const cpu = lineage === undefined ? "" : (cpuOf(driver, arch) ?? "");
  return {
    rule,
    command: recipe(name, [...INSIDE, name]),
    env: { ...env, ARCH: arch, CPU: cpu },
    inputs: {},
    tools: lineage === undefined ? [] : emulation(driver, arch),
  };
}
