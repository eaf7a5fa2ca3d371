// section 8's general rule, as it stands, and what the bars use
import { run, files, list, each } from "imagemake";
export const greeting = run({
  inputs: { SRC: files("src/*.txt"), NAMES: list("names.txt") },
  cmd: `cat $SRC > "$OUT"`,
  out: "greeting-{date}.txt",
  env: { LANG: "C" },
  timeout: 600,
  guards: { minSize: 1 },
});
export const upper = run({ inputs: { IN: greeting }, cmd: `tr a-z A-Z < "$IN" > "$OUT"`, out: "upper.txt" });
export const many = each(["a", "b"], (name) =>
  run({ inputs: {}, cmd: `echo ${name} > "$OUT"`, out: `many-${name}.txt` }),
);
export const two = run({
  inputs: {},
  cmd: `echo k > "$KERNEL"; echo i > "$INITRD"`,
  outs: { KERNEL: "k-{date}", INITRD: "i-{date}" },
});
export const dir = run({ inputs: { K: two.KERNEL }, cmd: ["cp", "$K", "$OUT/k"], tree: true });
const ids = (n: number) => Array.from({ length: n }, (_, i) => String(i));
const ten = (from: any, i: string) =>
  Object.fromEntries(ids(10).map((j) => [`I${j}`, from[String(Number(i) * 10 + Number(j))]]));
export const a = each(ids(1000), (i) =>
  run({ inputs: { S: files(`src/s${i}`) }, cmd: `cat "$S" > "$OUT"`, out: `a${i}` }),
);
export const b = each(ids(100), (i) => run({ inputs: ten(a, i), cmd: "x", out: `b${i}` }));
export const rootfs = each(["x86_64"] as const, (x) =>
  run({ inputs: {}, cmd: "true", out: `void-${x}-{date}.tar`, guards: { minSize: "1MiB" } }),
);
export const pxe = each(["x86_64"] as const, (x) =>
  run({ inputs: { BASE: rootfs[x] }, cmd: "true", out: x }),
);
