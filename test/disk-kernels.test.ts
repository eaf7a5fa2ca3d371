// What a disk image starts, on trees with the layouts of several distributions: which initrd is made, by which tool, under
// which name, and what the menu and the system's own GRUB are told. Nothing starts here; see live-boots and started-disks.
// The generators are stand-ins that write down how they were called.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";
import { staticBusybox } from "./support/tiny-debian.js";

jest.setTimeout(180_000);

/** A generator: the file is its last word but one, or the word after a name. */
const GENERATOR = (name: string, file: string): string =>
  `mkdir -p $OUT/usr/bin; printf '#!/bin/sh\\n# stand-in\\n${file}\\necho "${name} $*" >"$f"\\n' >$OUT/usr/bin/${name}; chmod 755 $OUT/usr/bin/${name}`;
const AFTER = (word: string): string => `for w; do [ "$p" != ${word} ] || f=$w; p=$w; done`;
const KERNEL = "mkdir -p $OUT/boot $OUT/usr/lib/modules/1.0; echo kernel >$OUT/boot/vmlinuz-1.0";
const TREES: Readonly<Record<string, string>> = {
  debian: `${KERNEL}; ln -s boot/vmlinuz-1.0 $OUT/vmlinuz; mkdir -p $OUT/var/lib/dpkg $OUT/etc/initramfs-tools; echo >$OUT/var/lib/dpkg/status
    ${GENERATOR("mkinitramfs", AFTER("-o"))}`,
  dracut: `${KERNEL}; ${GENERATOR("dracut", "for w; do f=$p; p=$w; done")}`,
  arch: `mkdir -p $OUT/boot $OUT/usr/lib/modules/1.0; echo kernel >$OUT/usr/lib/modules/1.0/vmlinuz
    echo linux >$OUT/usr/lib/modules/1.0/pkgbase; ${GENERATOR("mkinitcpio", AFTER("--generate"))}`,
  whole: `${KERNEL}; echo own >$OUT/boot/initramfs-1.0.img; ${GENERATOR("dracut", "exit 1")}`,
  without: KERNEL,
  empty: "mkdir $OUT/boot",
  grub: `${KERNEL}; echo own >$OUT/boot/initrd.img-1.0; mkdir -p $OUT/usr/sbin
    echo '. /etc/default/grub.d/x.cfg' >$OUT/usr/sbin/grub-mkconfig; chmod 755 $OUT/usr/sbin/grub-mkconfig`,
  grubless: `${KERNEL}; echo own >$OUT/boot/initrd.img-1.0; mkdir -p $OUT/usr/bin $OUT/etc/default
    echo GRUB_DEFAULT=0 >$OUT/etc/default/grub; echo >$OUT/usr/bin/grub-mkconfig; chmod 755 $OUT/usr/bin/grub-mkconfig`,
};

const IMAGEFILE = `
import { each, files, rule, run } from "imagemake";
const commands: Record<string, string> = ${JSON.stringify(TREES)};
const shell = "mkdir -p $OUT/bin $OUT/usr; cp $BUSYBOX $OUT/bin/busybox; for p in sh mkdir mktemp; do ln -s busybox $OUT/bin/$p; done; ";
export const disks = each(${JSON.stringify(Object.keys(TREES))}, (name) => rule.disk({
  from: run({ inputs: { BUSYBOX: files("busybox") }, tree: true, root: true, cmd: shell + commands[name] }),
  boot: "grub-bios", cmdline: 'quiet x="a;b"', menu: [{ title: "One" }, { title: "Two", cmdline: "two=2" }], out: name + ".img" }));
const generator = (name: string, more: string) => run({ inputs: { BUSYBOX: files("busybox") }, tree: true, root: true, cmd: shell + commands[name] + "; " + more });
const debian = generator("debian", \`printf '#!/bin/sh\\nfor w; do last=$w; done; [ "$last" != nosuch ]\\n' >$OUT/usr/bin/modprobe; chmod 755 $OUT/usr/bin/modprobe\`);
const dracut = generator("dracut", "mkdir -p $OUT/usr/lib/dracut/modules.d/90crypt");
const small = { guards: { minSize: 1 } };
export const modules = {
  debian: rule.initramfs({ from: debian, with: "initramfs-tools", modules: ["loop", "nosuch"], out: "d1.img", ...small }),
  dracut: rule.initramfs({ from: dracut, with: "dracut", modules: ["crypt", "nosuch"], out: "d2.img", ...small }),
};
`;

let project: TestProject;
beforeAll(() => {
  project = makeProject({ "Imagefile.ts": IMAGEFILE });
  execFileSync("cp", [staticBusybox(), project.path("busybox")]);
});
afterAll(() => project.remove());

/** A file of the root file system of an image; empty where there is none. */
const inside = (name: string, path: string): string => asked(name, `cat ${path}`);

function asked(name: string, question: string): string {
  const image = project.path(`out/${name}.img`);
  const { partitiontable } = JSON.parse(execFileSync("sfdisk", ["--json", image], { encoding: "utf8" })) as {
    partitiontable: { partitions: { start: number }[] };
  };
  const offset = (partitiontable.partitions.at(-1)?.start ?? 0) * 512;
  return execFileSync("debugfs", ["-R", question, `${image}?offset=${offset}`], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
}

describe("the initrd of a tree's kernel", () => {
  test.each([
    ["debian", "boot/initrd.img-1.0", /^mkinitramfs -d \/tmp\/conf -c zstd -o \S+ 1\.0\n$/],
    ["dracut", "boot/initramfs-1.0.img", /^dracut --no-hostonly --reproducible .* 1\.0\n$/],
    ["arch", "boot/initramfs-linux.img", /^mkinitcpio --kernel 1\.0 --generate \S+\n$/],
    ["whole", "boot/initramfs-1.0.img", /^own\n$/],
  ])("is made by its own tool under its own name, where there is none: %s", async (name, path, words) => {
    await project.good(`disks-${name}`);
    expect(inside(name, path)).toMatch(words);
  });

  test("goes with the kernel that Arch leaves beside its modules, and with Debian's links", async () => {
    await project.good("disks-arch", "disks-debian");
    expect(inside("arch", "boot/vmlinuz-linux")).toBe("kernel\n");
    expect(asked("debian", "stat initrd.img")).toContain('link dest: "boot/initrd.img-1.0"');
  });

  test.each([
    [
      "without",
      "the tree has a kernel and no initial RAM file system for it, nor what makes one: install initramfs-tools,",
    ],
    ["empty", "the tree has no kernel (boot/vmlinuz-<version>): install one, or give kernel and initrd"],
  ])("is asked for where nothing makes it: %s", async (name, words) => {
    const { status, stderr } = await project.run(`disks-${name}`);
    expect([status, stderr]).toEqual([1, expect.stringContaining(words)]);
  });
});

test.each([
  ["debian", "kernel 1.0 has no module nosuch\n"],
  ["dracut", "dracut has no module nosuch in the tree (usr/lib/dracut/modules.d)\n"],
])("a module that a generator would leave out in silence is refused by name: %s", async (name, words) => {
  const { status, stderr } = await project.run(`modules-${name}`);
  expect([status, stderr]).toEqual([1, expect.stringContaining(words)]);
});

describe("GRUB of the system itself", () => {
  test("is told the command line, the wait and the other entries where Debian looks for them", async () => {
    await project.good("disks-grub");
    const settings = inside("grub", "etc/default/grub.d/imagemake.cfg");
    expect(settings).toContain(`GRUB_CMDLINE_LINUX='quiet x=\\"a\\;b\\"'\n`);
    expect(settings).toContain("GRUB_TIMEOUT=5\n");
    expect(inside("grub", "etc/grub.d/42_imagemake")).toMatch(
      /^#!\/bin\/sh\nexec tail [^]*menuentry 'Two' \{/,
    );
    expect(inside("grub", "boot/grub/fallback.cfg")).toBe(inside("grub", "boot/grub/grub.cfg"));
  });

  test("is told so in its one file of settings where others have that", async () => {
    await project.good("disks-grubless");
    expect(inside("grubless", "etc/default/grub")).toMatch(/^GRUB_DEFAULT=0\n[^]*GRUB_CMDLINE_LINUX='quiet/);
  });

  test("has a menu without a mistake, with each word as it was given", async () => {
    await project.good("disks-grubless");
    const menu = inside("grubless", "boot/grub/grub.cfg");
    project.write("grub.cfg", menu);
    execFileSync("grub-script-check", [project.path("grub.cfg")]);
    expect(menu).toMatch(/linux "\$kernel" 'root=UUID=[0-9a-f-]{36}' 'quiet' 'x="a;b"' 'two=2'\n/);
  });
});
