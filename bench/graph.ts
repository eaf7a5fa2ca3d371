// The layered graph that every program here builds, and how each is told about it: N leaves `cat src > out`, every ten
// joined by one more, up to one root.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How many targets of a layer one target of the next joins. */
const FAN_IN = 10;

/** One target: `cat` of its inputs. A leaf reads `src/s<i>`, the others targets of the layer before. */
export interface GraphNode {
  /** Also the output's file name, under `out/`. */
  readonly id: string;
  readonly inputs: readonly string[];
  readonly leaf: boolean;
}

/** Sizes of the layers from the leaves up; the last is always 1, and never the leaves themselves. */
export function layerSizes(leaves: number): readonly number[] {
  const sizes = [leaves];
  let width = leaves;
  do {
    width = Math.ceil(width / FAN_IN);
    sizes.push(width);
  } while (width > 1);
  return sizes;
}

/** Every target, each after what it reads; the last one is `root`. */
export function layered(leaves: number): readonly GraphNode[] {
  const nodes: GraphNode[] = [];
  let before: readonly string[] = [];
  for (const [depth, width] of layerSizes(leaves).entries()) {
    const ids = range(width).map((i) => (depth > 0 && width === 1 ? "root" : `l${depth}-${i}`));
    for (const [i, id] of ids.entries()) {
      const inputs = depth === 0 ? [`s${i}`] : before.slice(i * FAN_IN, (i + 1) * FAN_IN);
      nodes.push({ id, inputs, leaf: depth === 0 });
    }
    before = ids;
  }
  return nodes;
}

/** The graph as a person would write it in an Imagefile: one `each` a layer. */
export function imagefile(leaves: number): string {
  const lines = [
    'import { each, files, run } from "imagemake";',
    "const ids = n => Array.from({ length: n }, (_, i) => String(i));",
    `const ten = (from, n, i) => ids(n).slice(i * ${FAN_IN}, (i + 1) * ${FAN_IN}).map(k => from[k]);`,
    "const join = (handles, out) => run({",
    "  inputs: Object.fromEntries(handles.map((handle, i) => [`I${i}`, handle])),",
    '  cmd: `cat ${handles.map((_, i) => `"$I${i}"`).join(" ")} > "$OUT"`,',
    "  out,",
    "});",
    `export const l0 = each(ids(${leaves}), i => run({`,
    '  inputs: { S: files(`src/s${i}`) }, cmd: `cat "$S" > "$OUT"`, out: `l0-${i}`,',
    "}));",
  ];
  const sizes = layerSizes(leaves);
  for (const [depth, width] of sizes.entries()) {
    if (depth === 0) continue;
    const below = `l${depth - 1}, ${sizes[depth - 1] ?? 0}`;
    lines.push(
      width === 1
        ? `export const root = join(ten(${below}, 0), "root");`
        : `export const l${depth} = each(ids(${width}), i => join(ten(${below}, Number(i)), \`l${depth}-\${i}\`));`,
    );
  }
  return `${lines.join("\n")}\n`;
}

/** The graph as a Makefile; its first target is `out/root`. */
function makefile(leaves: number): string {
  const rules = layered(leaves).map((node) => {
    const inputs = inputPaths(node).join(" ");
    return `out/${node.id}: ${inputs}\n\tcat ${inputs} > out/${node.id}\n`;
  });
  return `all: out/root\n${rules.join("")}`;
}

/** The graph as a build.ninja. */
function ninjaFile(leaves: number): string {
  const rules = layered(leaves).map((node) => `build out/${node.id}: cat ${inputPaths(node).join(" ")}\n`);
  return `rule cat\n  command = cat $in > $out\n${rules.join("")}default out/root\n`;
}

/** The graph as a package.json with one wireit script a target. */
export function wireitPackage(leaves: number): string {
  const nodes = layered(leaves);
  const wireit = nodes.map((node) => {
    const paths = inputPaths(node);
    const command = `cat ${paths.join(" ")} > out/${node.id}`;
    const output = [`out/${node.id}`];
    return [
      node.id,
      node.leaf
        ? { command, files: paths, output }
        : { command, dependencies: node.inputs, files: [], output },
    ];
  });
  return JSON.stringify({
    name: "layered",
    private: true,
    scripts: Object.fromEntries(nodes.map((node) => [node.id, "wireit"])),
    wireit: Object.fromEntries(wireit) as unknown,
  });
}

/** Programs that the graph can be written for. */
export type Form = "imagemake" | "make" | "ninja" | "wireit";

const FORMS: Record<Form, { readonly file: string; readonly write: (leaves: number) => string }> = {
  imagemake: { file: "Imagefile.ts", write: imagefile },
  make: { file: "Makefile", write: makefile },
  ninja: { file: "build.ninja", write: ninjaFile },
  wireit: { file: "package.json", write: wireitPackage },
};

/** Writes the sources and the one file that `form` reads into the new directory `dir`. */
export function writeProject(dir: string, form: Form, leaves: number): void {
  mkdirSync(join(dir, "src"), { recursive: true });
  // imagemake makes out/ itself; for the others it is part of the project, as in any that builds there.
  if (form !== "imagemake") mkdirSync(join(dir, "out"));
  for (const i of range(leaves)) writeFileSync(join(dir, "src", `s${i}`), `leaf ${i}\n`);
  writeFileSync(join(dir, FORMS[form].file), FORMS[form].write(leaves));
}

const inputPaths = (node: GraphNode): string[] =>
  node.inputs.map((input) => (node.leaf ? `src/${input}` : `out/${input}`));

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
