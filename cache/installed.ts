// Where imagemake is installed: what it has beside its code (recipes, init, documents) and programs that it starts lie
// beneath. Found from here, so that it is right in the compiled files and in what they are bundled into.
import { readFileSync } from "node:fs";

/** The package's own directory. Both `dist/cache/` and `dist/run/` are two beneath it. */
export const PACKAGE = new URL("../../", import.meta.url);

/** A program of ours as it is started; bundle.js has them all. */
export const programUrl = (name: "imagemake" | "hash-worker" | "seal-main"): URL =>
  new URL(`dist/run/${name}.js`, PACKAGE);

/** As package.json has it. */
export function version(): string {
  const text = readFileSync(new URL("package.json", PACKAGE), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
