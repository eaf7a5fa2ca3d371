// convert: a disk image in the format of a hypervisor, by qemu-img, and the same bytes each time. What qemu-img makes up
// (identifiers, times, the name of the file) is settled by its recipe.
import { createHash } from "node:crypto";
import { z } from "zod";
import { declareOne, inside, wrongOption, type Handle } from "../engine/declare.js";
import type { Tool } from "../engine/model.js";
import { rule } from "./declaration.js";
import { option } from "./options.js";
import { recipe } from "./recipes.js";
import { common, fileTarget, guardsOf, limits, out } from "./schema.js";
import { asFile, type FileTarget } from "./types.js";

/** Formats by the end of a file's name: its first bytes, and whether it can be compressed. */
const FORMATS = {
  qcow2: { magic: "514649fb", compressed: true },
  vmdk: { magic: "4b444d56", compressed: true },
  vhdx: { magic: "7668647866696c65", compressed: false },
  vhd: { magic: "636f6e6563746978", compressed: false },
  vdi: { magic: "3c3c3c20", compressed: false },
} as const;
type Format = keyof typeof FORMATS;
const names = Object.keys(FORMATS) as Format[];

/** What unpacks an image, by the end of its name. */
const PACKED: Readonly<Record<string, Tool>> = {
  xz: { name: "xz", package: "xz-utils" },
  gz: { name: "gzip", package: "gzip" },
  zst: { name: "zstd", package: "zstd" },
};

export const convert = rule(
  "rule.convert",
  "A disk image in the format of a hypervisor: qcow2 (QEMU, OpenStack), vmdk (VMware), vhdx and vhd (Hyper-V, Azure), vdi " +
    "(VirtualBox). The same image gives the same bytes each time.",
  {
    from: option(
      fileTarget,
      "a file target",
      "The disk image as it is (`.img`), or packed by xz, gzip or zstd (`.img.xz`), as `rule.disk` makes both.",
    ),
    format: option(
      z.enum(names).optional(),
      names.join(", "),
      "The format, where the suffix of `out` does not say it.",
    ),
    compress: option(
      z.boolean().optional(),
      "true or false",
      "Whether what is in it is compressed; qcow2 and vmdk are (vmdk as `streamOptimized`) unless said. The others cannot be.",
    ),
    out,
    ...common,
  },
  (o): FileTarget => {
    const format = o.format ?? names.find((name) => o.out.endsWith(`.${name}`));
    if (format === undefined) {
      const ends = names.map((name) => `.${name}`).join(", ");
      wrongOption("convert", `out: expected a name that ends in ${ends}, or format; found "${o.out}"`);
    }
    const { magic, compressed } = FORMATS[format];
    if (o.compress === true && !compressed) {
      wrongOption("convert", `compress: expected nothing, because ${format} has no compression, found true`);
    }
    const packed = packedAs(o.from);
    const unpacks = packed === "" ? undefined : PACKED[packed];
    return asFile(
      declareOne({
        rule: "convert",
        command: recipe("convert.mjs"),
        env: {
          FORMAT: format,
          COMPRESS: compressed && o.compress !== false ? "yes" : "",
          PACKED: packed,
          // Images of one project are not mistaken for each other, and the same one is the same bit for bit.
          ID: createHash("sha256")
            .update(JSON.stringify(["convert", format, o.out]))
            .digest("hex"),
        },
        inputs: { IMAGE: o.from },
        outputs: [{ name: "OUT", kind: "file", pattern: o.out }],
        tools: [{ name: "qemu-img", package: "qemu-utils" }, ...(unpacks === undefined ? [] : [unpacks])],
        guards: guardsOf(o.guards, { minSize: 4096, magic }),
        resources: { cpu: 2, memory: 512 * 1024 ** 2 },
        ...limits(o),
      }),
    );
  },
);

/** How the image is packed, by its name; empty where it is not. What holds other files than an image is refused. */
function packedAs(from: Handle): string {
  const { draft, output } = inside(from);
  const found = draft.spec.outputs.find(({ name }) => name === output);
  const name = found?.kind === "file" ? found.pattern : "";
  const archive = /\.(?:tar(?:\.\w+)?|iso|squashfs|cpio\.\w+|qcow2|vmdk|vhdx?|vdi)$/.exec(name)?.[0];
  if (archive !== undefined) {
    wrongOption(
      "convert",
      `from: expected a disk image (.img, .img.xz, .img.gz, .img.zst), found a ${archive}`,
    );
  }
  return Object.keys(PACKED).find((suffix) => name.endsWith(`.${suffix}`)) ?? "";
}
