// rule.convert through the real command line and qemu-img: every format holds the source's bytes, is what qemu-img calls sound,
// and is the same bytes each time, whatever the source's holes and packing are.
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { skipping } from "./support/skipping.js";

jest.setTimeout(180_000);

const FORMATS = { qcow2: "qcow2", vmdk: "vmdk", vhdx: "vhdx", vhd: "vpc", vdi: "vdi" } as const;
const names = Object.keys(FORMATS) as (keyof typeof FORMATS)[];

const has = spawnSync("qemu-img", ["--version"]).status === 0;
if (!has) skipping("rules-convert", "qemu-img is missing");
const here = has ? test : test.skip;

/** An image with what does and does not compress, a tail of nothing, and at its begin what another format begins with. */
const IMAGEFILE = `
const write = \`perl -e 'print "QFI\\\\xfb\\\\0\\\\0\\\\0\\\\3", "\\\\0" x 504; srand 7; print pack("N*", map { int rand 2**31 } 1..300000), \` +
  \`"\\\\0" x 9000000, "text " x 400000' > "$OUT"; truncate -s 24M "$OUT"\`;
export const raw = run({ inputs: {}, cmd: write, out: "disk.img" });
export const whole = run({ inputs: { IN: raw }, cmd: 'cp --sparse=never "$IN" "$OUT"', out: "whole.img" });
export const packed = run({ inputs: { IN: raw }, cmd: 'xz -0 < "$IN" > "$OUT"', out: "disk.img.xz" });
const formats = ${JSON.stringify(names)} as const;
export const made = each(formats, (format) => rule.convert({ from: raw, out: \`disk.\${format}\` }));
export const plain = each(["qcow2", "vmdk"], (format) => rule.convert({ from: raw, compress: false, out: \`plain.\${format}\` }));
`;

let project: TestProject;
beforeAll(async () => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
  if (has) await project.good("made", "plain", "whole", "packed");
});
afterAll(() => project.remove());

function qemu(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("qemu-img", words, { encoding: "utf8" });
  expect([words.join(" "), status, stderr]).toEqual([words.join(" "), 0, ""]);
  return stdout;
}
const made = (name: string): string => project.path("out", name);
const sizeOf = (name: string): number => statSync(made(name)).size;

for (const name of names) {
  const format = FORMATS[name];
  here(`${name} holds the source's bytes, has its size, and is sound`, () => {
    const image = made(`disk.${name}`);
    expect(qemu("compare", "-f", "raw", "-F", format, made("disk.img"), image)).toContain("identical");
    const info = JSON.parse(qemu("info", "--output=json", "-f", format, image)) as Record<string, unknown>;
    expect(info["virtual-size"]).toBe(24 * 1024 ** 2);
    expect(info["backing-filename"]).toBeUndefined();
    // qemu-img checks all but this one.
    if (name !== "vhd") qemu("check", "-f", format, image);
  });
}

here(
  "the same bytes each time: elsewhere, from an image without holes, and from one that is packed",
  async () => {
    const before = project.outputs();
    const again = await Promise.all(
      ["raw", "whole", "packed"].map(async (from) => {
        const other = makeProject({ "Imagefile.ts": IMAGEFILE.replaceAll("from: raw", `from: ${from}`) });
        try {
          await other.good("made", "plain");
          return Object.fromEntries(Object.entries(other.outputs()).filter(([name]) => !/\.img/.test(name)));
        } finally {
          other.remove();
        }
      }),
    );
    const first = Object.fromEntries(Object.entries(before).filter(([name]) => !/\.img/.test(name)));
    expect(Object.keys(first)).toHaveLength(names.length + 2);
    expect(again).toEqual([first, first, first]);
  },
);

here("two images of one project are told apart", async () => {
  const other = makeProject({
    "Imagefile.ts": `${IMAGEFILE}export const b = each(formats, (format) => rule.convert({ from: raw, out: \`b.\${format}\` }));`,
  });
  try {
    await other.good("made", "b");
    const sum = (name: string): string =>
      createHash("sha256")
        .update(readFileSync(other.path("out", name)))
        .digest("hex");
    const same = names.filter((name) => sum(`disk.${name}`) === sum(`b.${name}`));
    // What has no identifier cannot be told.
    expect(same).toEqual(["qcow2"]);
  } finally {
    other.remove();
  }
});

here("qcow2 and vmdk are compressed unless said", () => {
  for (const name of ["qcow2", "vmdk"]) {
    expect(sizeOf(`disk.${name}`)).toBeLessThan(sizeOf(`plain.${name}`) * 0.7);
    qemu("compare", "-f", "raw", "-F", name, made("disk.img"), made(`plain.${name}`));
  }
});

here(
  "another format under a disk's name is refused, and what cannot be unpacked is said in words",
  async () => {
    const from = (name: string, cmd: string, suffix = "img"): string => `
const ${name}Image = run({ inputs: {}, cmd: ${JSON.stringify(cmd)}, out: "${name}.${suffix}" });
export const ${name} = rule.convert({ from: ${name}Image, out: "${name}.vhdx" });`;
    const other = makeProject({
      "Imagefile.ts": [
        ...["qcow2", "vmdk", "vhdx", "vdi"].map((format) =>
          from(format, `truncate -s 8M disk; qemu-img convert -O ${format} disk "$OUT"`),
        ),
        from("gzip", 'truncate -s 8M disk; gzip -nc disk > "$OUT"'),
        from("xz", 'truncate -s 8M disk; xz -c disk > "$OUT"'),
        from("named", 'truncate -s 8M "$OUT"', "img.xz"),
      ].join(""),
    });
    try {
      const { status, stderr } = await other.run("-k", "*");
      expect(status).toBe(1);
      for (const said of [
        ...["qcow2", "vmdk", "vhdx", "vdi"].map(
          (format) => `${format}.img: it is a ${format}, not a disk image`,
        ),
        "gzip.img: it is packed by gzip, not a disk image as it is: give the file that makes it the suffix",
        "xz.img: it is packed by xz, not a disk image",
        "named.img.xz: cannot unpack it by xz (status 1)",
      ])
        expect(stderr).toContain(said);
      expect(stderr).not.toMatch(/at \S+ \(?node:|Error:/);
    } finally {
      other.remove();
    }
  },
);

const WRONG: readonly (readonly [options: string, said: string])[] = [
  [
    'from: raw, out: "disk.raw"',
    "out: expected a name that ends in .qcow2, .vmdk, .vhdx, .vhd, .vdi, or format",
  ],
  ['from: raw, format: "qed", out: "a"', 'format: expected qcow2, vmdk, vhdx, vhd, vdi, found "qed"'],
  ['from: raw, compress: true, out: "a.vhdx"', "compress: expected nothing, because vhdx has no compression"],
  ['from: raw, compres: true, out: "a.vmdk"', "unknown option compres; did you mean compress?"],
  [
    'from: tar, out: "a.vmdk"',
    "from: expected a disk image (.img, .img.xz, .img.gz, .img.zst), found a .tar.gz",
  ],
];
test.each(WRONG)("{ %s } is refused", async (options, said) => {
  const other = makeProject({
    "Imagefile.ts": `
const raw = run({ inputs: {}, cmd: "x", out: "a.img" });
const tar = run({ inputs: {}, cmd: "x", out: "a.tar.gz" });
export const x = rule.convert({ ${options} } as never);
export const y = { raw, tar };
`,
  });
  try {
    const { status, stderr } = await other.run("list");
    expect([status, stderr]).toEqual([2, expect.stringContaining(`convert: ${said}`)]);
  } finally {
    other.remove();
  }
});
