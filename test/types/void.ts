// Void's preset as an Imagefile uses it, both ways, and what must not compile.
import { arg, preset, project, rule, run, step } from "imagemake";

export const { rootfs, platformfs, images, pxe, wsl, liveIso } = preset.voidLinux({
  build: "native",
  mklive: "../void-mklive",
  repository: arg("REPOSITORY", "/hostdir/binpkgs"),
});
export const mine = rule.platformfs({
  from: rootfs["x86_64-musl"],
  steps: [step.write("etc/motd", "mine\n")],
});
export const sums = run({
  inputs: { ISO: liveIso.asahi["xfce-wayland"] },
  cmd: 'sha256sum "$ISO" >"$OUT"',
  out: "s",
});

const scripts = preset.voidLinux({ build: "scripts" });
// The scripts make files; unpack gives the tree in one.
export const unpacked = rule.platformfs({ from: rule.unpack(scripts.rootfs.i686) });

// @ts-expect-error the scripts make files, not trees
rule.platformfs({ from: scripts.rootfs.i686 });
// @ts-expect-error unknown way to build
preset.voidLinux({ build: "make" });
// @ts-expect-error the way has to be said
preset.voidLinux({});
// @ts-expect-error misspelt option
preset.voidLinux({ build: "scripts", mkLive: "." });
// @ts-expect-error no such architecture
void rootfs.riscv64;
// @ts-expect-error no such platform
void platformfs["rock64"];
// @ts-expect-error no image is made for it
void images.sbc.asahi;
// @ts-expect-error no such flavour
void liveIso.x86_64.xcfe;

export default project({ default: [pxe], release: { of: [rootfs, platformfs, images, pxe, wsl, liveIso] } });
