// What a step is: the action of its layer, as soon as the tree beneath is known.
import { z } from "zod";
import type { ActionSpec, Handle } from "../../engine/declare.js";
import { option, typed } from "../options.js";
import { arrayOf } from "../schema.js";
import type { Step } from "../types.js";

const STEP = Symbol.for("imagemake.step");

/** A layer's action, less what all layers have in common. */
export type Part = Omit<ActionSpec, "outputs" | "root" | "arch" | "suffix" | "guards" | "timeout">;

/** The action on `tree`; `rule` is the rule that has the step, for what it says of a wrong one. */
export type Layer = (tree: Handle, rule: string) => Part;

/** A step. The brand exists only for the compiler. */
export const makeStep = (layer: Layer): Step => Object.freeze({ [STEP]: layer }) as unknown as Step;

const isStep = (value: unknown): value is Step =>
  typeof value === "object" && value !== null && STEP in value;

/** What `makeStep` was given. */
export const layerOf = (step: Step): Layer => (step as unknown as { readonly [STEP]: Layer })[STEP];

/** Steps in an array. */
export const stepList = arrayOf(typed(z.custom<Step>(isStep), "a step (step.install, step.overlay, …)"));

/** The option `steps` of every rule that makes a tree. */
export const stepsOption = option(
  stepList.optional(),
  "an array of steps",
  "Changes to the tree, in order; each is a layer, and an edit rebuilds from its step on.",
);

/** A mode in octal digits. */
export const octal = z.string().regex(/^[0-7]{3,4}$/);
