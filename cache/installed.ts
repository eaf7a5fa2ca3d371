// Where imagemake is installed: what it has beside its code (recipes, init, documents) and programs that it starts lie
// beneath. Found from here, so that it is right in the compiled files and in what they are bundled into.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The package's own directory. Both `dist/cache/` and `dist/run/` are two beneath it. */
export const PACKAGE = new URL("../../", import.meta.url);

/** What is started, and what it finds beside it. */
export const RUN = new URL("dist/run/", PACKAGE);

/** All recipes, by name. */
export const RECIPES = new URL("recipes.json", RUN);

/** A program of ours as it is started; bundle.js has them all. */
export const programUrl = (name: "imagemake" | "hash-worker" | "seal-main"): URL =>
  new URL(`${name}.js`, RUN);

/** The types of an Imagefile, without their suffix. */
const TYPES = fileURLToPath(new URL("dist/imagemake", PACKAGE));

/**
 * The text of a file that stands for our types wherever it lies: they, and node's where they are installed with us. It is
 * as good as the place where we are.
 */
export function typesText(): string {
  const node = fileURLToPath(new URL("node_modules/@types/node/index.d.ts", PACKAGE));
  const reference = existsSync(node) ? `/// <reference path=${JSON.stringify(node)} />\n` : "";
  return `${reference}export * from ${JSON.stringify(TYPES)};\n`;
}

/** As package.json has it. */
export function version(): string {
  const text = readFileSync(new URL("package.json", PACKAGE), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
