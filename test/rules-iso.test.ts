// rule.iso through the real command line: what is in the image, menus of the user's, and mistakes in them. Whether it starts is in
// live-boots.test.ts and iso-menus.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { makeProject, type TestProject } from "./support/cli.js";
import { failures } from "./support/shell-trees.js";

const IA32 = existsSync("/usr/lib/grub/i386-efi/kernel.img");
const SYSTEMD = existsSync("/usr/lib/systemd/boot/efi/systemd-bootx64.efi");

const PRELUDE = `
import { apt, files, rule, run } from "imagemake";
const made = (text: string) => run({ inputs: {}, cmd: "echo " + text + ' >"$OUT"', out: text });
const kernel = made("kernel"), initrd = made("initrd");
const plain = { kernel, initrd, contents: {}, label: "X" };
`;
/** The least of a picture. */
const PNG = "\u0089PNG\r\n";

let project: TestProject;
/** Where the image's files are. */
const opened = (name: string): string => {
  const dir = project.path(`opened-${name}`);
  mkdirSync(dir);
  const words = ["-osirrox", "on", "-indev", project.path("out", `${name}.iso`), "-extract", "/", dir];
  execFileSync("xorriso", words, { stdio: "ignore" });
  // As on a medium: directories that nobody may write to.
  execFileSync("chmod", ["-R", "u+w", dir]);
  return `opened-${name}`;
};
const about = (name: string): string =>
  execFileSync("xorriso", ["-indev", project.path("out", `${name}.iso`), "-pvd_info"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });

describe("an image of two kernels, with all that there is to say", () => {
  let at: string;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `${PRELUDE}
export const full = rule.iso({ ...plain, contents: { "d/": files("docs/**"), t: run({ inputs: {}, tree: true, cmd: "mkdir $OUT/a; echo b >$OUT/a/b" }) },
  kernels: { lts: { kernel: made("old-kernel"), initrd: made("old-initrd") } }, cmdline: "quiet", loopback: "findiso={iso} ro",
  publisher: "US", application: "IMAGES 1", sums: "sha256", splash: files("splash.png"), efi: [${IA32 ? '"x64", "ia32"' : '"x64"'}],
  label: "FULL", out: "full.iso" });
export const picked = rule.iso({ ...plain, kernels: { lts: { kernel: made("other"), initrd } }, menu: [
  { title: "New" }, { title: "Old", kernel: "lts", cmdline: "old=1" } ], sums: "md5", out: "picked.iso" });`,
      "docs/one": "1\n",
      "docs/deep/two": "2\n",
    });
    writeFileSync(project.path("splash.png"), PNG, "latin1");
    await project.good("full", "picked");
    at = opened("full");
  });
  afterAll(() => project.remove());

  test("has each kernel at its place, an entry for each, and one for a GRUB that mounts the file", () => {
    expect(
      ["vmlinuz", "initrd.img", "lts/vmlinuz", "lts/initrd.img"].map((name) =>
        project.read(`${at}/boot/${name}`),
      ),
    ).toEqual(["kernel\n", "initrd\n", "old-kernel\n", "old-initrd\n"]);
    const [bios, uefi, loop] = ["isolinux/isolinux.cfg", "boot/grub/grub.cfg", "boot/grub/loopback.cfg"].map(
      (name) => project.read(`${at}/${name}`),
    );
    expect(bios).toContain("UI vesamenu.c32\nMENU BACKGROUND splash.png\n");
    expect(bios).toMatch(/MENU LABEL FULL \(lts\)\n KERNEL \/boot\/lts\/vmlinuz\n/);
    expect(uefi).toContain("menuentry 'FULL (lts)' {\n    linux ($root)/boot/lts/vmlinuz 'quiet'\n");
    expect(loop).toContain(`linux /boot/lts/vmlinuz 'quiet' "findiso=\${iso_path}" 'ro'\n`);
    expect(project.names(`${at}/boot/grub`)).toEqual(
      expect.arrayContaining(["splash.png", "fonts", "x86_64-efi"]),
    );
    expect(project.names(`${at}/EFI/BOOT`)).toEqual([...(IA32 ? ["BOOTIA32.EFI"] : []), "BOOTX64.EFI"]);
  });

  test("says who made it, and holds checksums that its own files pass", () => {
    expect(about("full")).toMatch(/^Publisher Id : US$[^]*^App Id {7}: IMAGES 1$/m);
    const sums = execFileSync("sha256sum", ["-c", "sha256sum.txt"], {
      cwd: project.path(at),
      encoding: "utf8",
    });
    for (const name of ["./boot/lts/vmlinuz", "./d/deep/two", "./t/a/b", "./boot/grub/efi.img"])
      expect(sums).toContain(`${name}: OK`);
  });

  test("has the entries that the menu says, with the kernel that each names", () => {
    const dir = opened("picked");
    expect(project.read(`${dir}/isolinux/isolinux.cfg`)).toMatch(
      /KERNEL \/boot\/vmlinuz\n[^]*MENU LABEL Old\n KERNEL \/boot\/lts\/vmlinuz\n INITRD \/boot\/lts\/initrd.img\n APPEND old=1\n/,
    );
    execFileSync("md5sum", ["-c", "--quiet", "md5sum.txt"], { cwd: project.path(dir) });
  });
});

describe("menus of the user's", () => {
  const OWN = `${PRELUDE}
const contents = { "arch/vmlinuz": kernel, "arch/initrd": initrd };
const fill = { "%DIR%": "arch", "@UUID@": "{uuid}" };
const own = { contents, label: "OWN" };
`;
  beforeAll(async () => {
    project = makeProject({
      "Imagefile.ts": `${OWN}
export const own_ = rule.iso({ ...own, menus: { isolinux: files("bios/**"), grub: files("grub/**"), fill }, out: "own.iso" });
export const mixed = rule.iso({ ...plain, cmdline: "quiet", menus: { grub: files("mixed/**"), fill: { "@ENTRIES@": "{menu}" } }, out: "mixed.iso" });
${SYSTEMD ? 'export const systemd = rule.iso({ ...own, menus: { isolinux: files("bios/**"), systemdBoot: files("loader/**"), fill }, out: "systemd.iso" });' : ""}
export const wrong = {
  open: rule.iso({ ...own, menus: { isolinux: files("bios/**"), grub: files("grub/**") }, out: "w1.iso" }),
  lost: rule.iso({ ...own, contents: { "arch/vmlinux": kernel }, menus: { isolinux: files("bios/**"), grub: files("grub/**"), fill }, out: "w2.iso" }),
  name: rule.iso({ ...own, menus: { isolinux: files("bios/**", "!bios/isolinux.cfg"), grub: files("grub/**"), fill }, out: "w3.iso" }),
  fill: rule.iso({ ...own, menus: { isolinux: files("bios/**"), grub: files("grub/**"), fill: { ...fill, "%DRI%": "x" } }, out: "w4.iso" }),
  splash: rule.iso({ ...plain, splash: files("bios/isolinux.cfg"), out: "w5.iso" }),
};`,
      "bios/isolinux.cfg": "INCLUDE head.cfg\nDEFAULT a\n",
      "bios/head.cfg":
        "LABEL a\n LINUX /%DIR%/vmlinuz\n APPEND initrd=/%DIR%/initrd uuid=@UUID@\nLABEL off\n COM32 poweroff.c32\n",
      "grub/grub.cfg":
        "insmod png\nif [ -f /memtest ]; then\n  menuentry m {\n    linux /memtest\n  }\nfi\n" +
        "menuentry a {\n linux /%DIR%/vmlinuz uuid=@UUID@ $more\n initrd ($root)/%DIR%/initrd\n}\n",
      "mixed/grub.cfg": "set timeout=9\n@ENTRIES@\n",
      "loader/loader.conf": "timeout 3\n",
      "loader/entries/a.conf": "title A\nlinux /%DIR%/vmlinuz\ninitrd /%DIR%/initrd\noptions uuid=@UUID@\n",
    });
    await project.good("own_", "mixed", ...(SYSTEMD ? ["systemd"] : []));
  });
  afterAll(() => project.remove());

  test("are where their boot loaders look, filled, with all modules beside them, and need no kernel of the rule's own", () => {
    const at = opened("own");
    const uuid = /Creation Time: (\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/
      .exec(about("own"))
      ?.slice(1)
      .join("-");
    expect(project.read(`${at}/isolinux/head.cfg`)).toContain(
      `LINUX /arch/vmlinuz\n APPEND initrd=/arch/initrd uuid=${uuid}\n`,
    );
    expect(project.read(`${at}/boot/grub/grub.cfg`)).toContain(`linux /arch/vmlinuz uuid=${uuid} $more\n`);
    expect(project.names(`${at}/isolinux`)).toEqual(
      expect.arrayContaining(["isolinux.bin", "poweroff.c32", "hdt.c32"]),
    );
    expect(project.names(`${at}/boot/grub/x86_64-efi`)).toEqual(
      expect.arrayContaining(["play.mod", "command.lst"]),
    );
    expect(project.names(`${at}/boot`)).toEqual(["grub"]);
  });

  test("may hold the entries of the menu, and what has none of the user's has the generated one", () => {
    const at = opened("mixed");
    expect(project.read(`${at}/boot/grub/grub.cfg`)).toBe(
      "set timeout=9\nmenuentry 'X' {\n    linux ($root)/boot/vmlinuz 'quiet'\n    initrd ($root)/boot/initrd.img\n}\n\n",
    );
    expect(project.read(`${at}/isolinux/isolinux.cfg`)).toContain("APPEND quiet");
  });

  (SYSTEMD ? test : test.skip)("for systemd-boot lie with their kernels where it can read them", () => {
    const at = opened("systemd");
    const inside = execFileSync("mdir", ["-i", project.path(`${at}/boot/grub/efi.img`), "-/", "-b", "::/"], {
      encoding: "utf8",
    });
    for (const name of ["EFI/BOOT/BOOTX64.EFI", "loader/entries/a.conf", "arch/vmlinuz", "arch/initrd"])
      expect(inside).toContain(`::/${name}`);
    expect(project.exists(`${at}/boot/grub/grub.cfg`)).toBe(false);
  });

  test("are looked through: what is left open, lost or misspelt is named with its line", async () => {
    const said = await failures(project, "wrong");
    expect(Object.fromEntries([...said].map(([id, text]) => [id, text.split("\n").slice(0, 2)]))).toEqual({
      "wrong-open": [
        "menus: isolinux/head.cfg: %DIR% is left open; menus.fill says what it is",
        "isolinux/head.cfg: @UUID@ is left open; menus.fill says what it is",
      ],
      "wrong-lost": [
        expect.stringMatching(
          /^menus: isolinux\/head.cfg:2: the image has no \/arch\/vmlinuz \(did you mean .*arch\/vmlinux/,
        ),
        "isolinux/head.cfg:3: the image has no /arch/initrd",
      ],
      "wrong-name": [
        expect.stringContaining(
          "isolinux: there is no isolinux.cfg or syslinux.cfg among its files (head.cfg",
        ),
      ],
      "wrong-fill": ['menus: fill: "%DRI%" is in none of the files'],
      "wrong-splash": ["splash: bios/isolinux.cfg is neither PNG nor JPEG"],
    });
  });

  test.each([
    ["{ contents, label: 'X' }", "iso: kernel: expected a file target, found nothing"],
    ["{ contents, label: 'X', initrd }", "iso: kernel: expected a file target, found nothing"],
    [
      "{ ...plain, menu: [{ title: 'a', kernel: 'tls' }], kernels: { lts: plain0 } }",
      "iso: menu: a: kernels has no tls\n  it has lts",
    ],
    [
      "{ contents, label: 'X', kernels: { lts: plain0 }, menu: [{ title: 'a' }] }",
      "iso: menu: a: expected the name of one of kernels",
    ],
    [
      "{ ...plain, menus: { grub: files('grub/**'), systemdBoot: files('loader/**') } }",
      "iso: menus: grub and systemdBoot",
    ],
    [
      "{ ...plain, cmdline: 'x', menus: { isolinux: files('bios/**'), grub: files('grub/**') } }",
      "iso: cmdline: all menus are files of yours",
    ],
    [
      "{ ...plain, loopback: 'a={iso}', menus: { grub: files('grub/**') } }",
      "iso: loopback: put a loopback.cfg of yours",
    ],
    ["{ ...plain, loopback: 'findiso' }", "iso: loopback: expected text of one line with {iso} in it"],
    ["{ ...plain, publisher: 'é' }", "iso: publisher: expected text of at most 128 characters of ASCII"],
    ["{ ...plain, efi: ['x86'] }", "iso: efi[0]: expected an array of x64, ia32, aa64"],
    ["{ ...plain, kernels: { grub: plain0 } }", "iso: kernels.grub: expected a name of letters"],
    [
      "{ ...plain, ...rule.extract(arm, { kernel: 'x' }), menus: { isolinux: files('bios/**') } }",
      "iso: menus.isolinux: machines with this processor have no BIOS",
    ],
    ["{ ...plain, contents: { loader: kernel } }", "iso: contents: loader is what the image has for itself"],
  ])("%s is refused", async (options, words) => {
    project.write(
      "Imagefile.ts",
      `${OWN} const plain0 = { kernel, initrd };
const arm = rule.rootfs({ repo: apt({ url: "http://localhost/", suite: "s" }), arch: "arm64", packages: [] });\nexport const a = rule.iso({ ...(${options} as never), out: "a.iso" });`,
    );
    const { status, stderr } = await project.run("list");
    expect([status, stderr]).toEqual([2, expect.stringContaining(words)]);
  });
});
