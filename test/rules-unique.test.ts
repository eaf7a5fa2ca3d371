// What must differ from machine to machine: it is in no image, what somebody put there stays, and whose distribution does not
// make host keys when a machine starts gets a service that does. The trees have the layouts of the distributions, and nothing
// in them that runs; real ones start in started-disks.test.ts.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const UNIT = (more: string): string => `[Unit]\\n${more}\\n[Service]\\nExecStart=/usr/sbin/sshd -D\\n`;
const KEYGEN = (command: string): string =>
  `[Unit]\\nConditionFileNotEmpty=|!/etc/ssh/ssh_host_rsa_key\\n[Service]\\nType=oneshot\\nExecStart=${command}\\n`;
/** Files of each tree; what ends in a slash is a directory. */
const LAYOUTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  debian: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/ssh.service": UNIT("After=network.target"),
    "usr/lib/systemd/system/ssh.socket": "",
  },
  // Since 13 it has a service of its own, which waits for a machine without /etc/machine-id.
  debian13: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/ssh.service": UNIT("After=network.target\\nWants=sshd-keygen.service"),
    "usr/lib/systemd/system/sshd-keygen.service":
      "[Unit]\\nConditionFirstBoot=yes\\n[Service]\\nExecStart=ssh-keygen -A\\n",
  },
  fedora: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/sshd.service": UNIT("Wants=sshd-keygen.target"),
    "usr/lib/systemd/system/sshd@.service": UNIT("Wants=sshd-keygen.target"),
    "usr/lib/systemd/system/sshd-keygen.target": "[Unit]\\nWants=sshd-keygen@rsa.service\\n",
    "usr/lib/systemd/system/sshd-keygen@.service": KEYGEN("/usr/libexec/openssh/sshd-keygen %%i"),
  },
  // CentOS 7, and dom0 of XCP-ng.
  centos: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/sshd.service": UNIT("Wants=sshd-keygen.service"),
    "usr/lib/systemd/system/sshd@.service": UNIT("Wants=sshd-keygen.service"),
    "usr/lib/systemd/system/sshd-keygen.service": KEYGEN("/usr/sbin/sshd-keygen"),
  },
  keyless: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "etc/sysconfig/sshd": 'AUTOCREATE_SERVER_KEYS=""\\n',
    "usr/lib/systemd/system/sshd.service": UNIT("Wants=sshd-keygen.service"),
    "usr/lib/systemd/system/sshd-keygen.service": KEYGEN("/usr/sbin/sshd-keygen"),
  },
  arch: {
    "usr/bin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/sshd.service": UNIT("Wants=sshdgenkeys.service"),
  },
  void: {
    "usr/bin/sshd": "",
    "etc/runit/core-services/": "",
    "etc/sv/sshd/run": "#!/bin/sh\\nssh-keygen -A >/dev/null 2>&1\\nexec /usr/sbin/sshd -D\\n",
  },
  dropbear: {
    "usr/bin/dropbear": "",
    "etc/runit/core-services/": "",
    "etc/sv/dropbear/run": "#!/bin/sh\\n[ -r conf ] && . ./conf\\nexec dropbear ${OPTS:=-F -R -g}\\n",
  },
  runit: {
    "usr/bin/sshd": "",
    "etc/runit/core-services/": "",
    "etc/sv/sshd/run": "#!/bin/sh\\nexec sshd -D\\n",
  },
  other: { "usr/sbin/dropbear": "" },
  none: {},
};
const SECRETS =
  "etc/ssh/ssh_host_rsa_key etc/ssh/ssh_host_rsa_key.pub etc/machine-id var/lib/dbus/machine-id";
const MORE = "var/lib/systemd/random-seed var/lib/random-seed etc/dropbear/dropbear_rsa_host_key";

const made = (files: Readonly<Record<string, string>>): string =>
  Object.entries(files)
    .map(([path, text]) =>
      path.endsWith("/")
        ? `mkdir -p "$OUT/${path}"`
        : `mkdir -p "$OUT/$(dirname ${path})"; printf '${text}' >"$OUT/${path}"; chmod 755 "$OUT/${path}"`,
    )
    .join("; ");

/** What each thing is called, and files that have it. */
const LEFT: Readonly<Record<string, string>> = {
  "etc/ssh/ssh_host_ed25519_key": "host-key",
  "etc/ssh/ssh_host_dsa_key": "host-key",
  "etc/ssh/ssh_host_key": "host-key",
  "root/.ssh/id_ed25519": "key",
  "etc/machine-id": "machine-id",
  "etc/popularity-contest.conf": "machine-id",
  "var/lib/dbus/machine-id": "dbus-id",
  "var/lib/systemd/random-seed": "seed",
  "var/lib/NetworkManager/secret_key": "secret",
  "etc/iscsi/initiatorname.iscsi": "name",
  "var/lib/cloud/data/instance-id": "cloud-id",
  "etc/mdadm/mdadm.conf": "array",
  "etc/passwd-": "backup",
  "etc/shadow-": "backup",
};
const TEXTS: Readonly<Record<string, string>> = {
  "etc/popularity-contest.conf": `PARTICIPATE=yes\\nMY_HOSTID="${"0123456789abcdef".repeat(2)}"\\n`,
  "etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1993-08.org.debian:01:abc\\n",
  "etc/mdadm/mdadm.conf": "MAILADDR root\\nARRAY /dev/md0 UUID=1:2:3:4\\n",
};
const planted = (): string =>
  made({
    ...Object.fromEntries(Object.keys(LEFT).map((path) => [path, TEXTS[path] ?? "secret\\n"])),
    "etc/hostid": "host",
    // What is said of it in words that look like it.
    "etc/mdadm.conf": "# ARRAY <ignore> UUID=\\n",
    "boot/cmdline.txt": "root=/dev/sda1\\n",
  });

const IMAGEFILE = `
import { each, rule, run, step } from "imagemake";
const layouts: Record<string, string> = ${JSON.stringify(Object.fromEntries(Object.entries(LAYOUTS).map(([name, files]) => [name, made(files)])))};
const bases = Object.fromEntries(Object.entries(layouts).map(([name, cmd]) => [name, run({ inputs: {}, tree: true, cmd: cmd || ":" })]));
const names = ${JSON.stringify(Object.keys(LAYOUTS))};
export const trees = each(names, (name) => rule.platformfs({ from: bases[name]!, steps: [step.hook("make.sh")], out: name + ".tar" }));
export const clean = each(names, (name) => rule.unique({ from: trees[name]! }));
const off = rule.platformfs({ from: bases["debian"]!, steps: [step.hook("make.sh"),
  step.services([], { disable: ["imagemake-host-keys"] }), step.hook("make.sh")], out: "off.tar" });
export { off };
const kept = rule.platformfs({ from: bases["debian"]!, steps: [
  step.write("etc/ssh/ssh_host_rsa_key", "mine"), step.write("etc/machine-id", "mine"), step.hook("make.sh")], out: "kept.tar" });
export { kept };
export const told = rule.unique({ from: kept });
export const allowed = rule.unique({ from: kept, allow: ["etc/ssh/ssh_host_rsa_key", "/etc/machine-id"] });
export const lacks = each(["debian", "keyless"], (name) => rule.unique({ from: bases[name]! }));
// A server that makes its keys when somebody connects.
export const makes = rule.unique({ from: bases["dropbear"]! });

const left = run({ inputs: {}, tree: true, cmd: ${JSON.stringify(planted())} });
const file = run({ inputs: {}, cmd: 'echo kernel >"$OUT"', out: "some" });
const squashfs = rule.squashfs({ from: left, level: 1, guards: { minSize: 1 }, out: "left.squashfs" });
const images = {
  tree: left,
  tar: run({ inputs: { TREE: left }, cmd: 'tar -C "$TREE" -cJf "$OUT" .', out: "left.tar.xz" }),
  squashfs,
  iso: rule.iso({ kernel: file, initrd: file, contents: { "live/filesystem.squashfs": squashfs }, label: "LEFT", out: "left.iso" }),
  disk: rule.disk({ from: left, out: "left.img" }),
  packed: rule.disk({ from: left, boot: "rpi", bootSize: "16MiB", out: "left.img.xz" }),
  btrfs: rule.disk({ from: left, fs: "btrfs", out: "btrfs.img" }),
  cloud: rule.disk({ from: left, out: "left.tar.gz" }),
};
export const found = each(Object.keys(images), (name) => rule.unique({ from: images[name as keyof typeof images], allow: ["etc/hostid"] }));
export const nothing = rule.unique({ from: file });
export const fine = rule.unique({ from: rule.disk({ from: bases["fedora"]!, out: "fine.img" }) });

const names2 = ["derived", "plain"];
const own: Record<string, string> = { derived: ${JSON.stringify(made({ "lib/open-iscsi/startup-checks.sh": "grep -q GenerateName=yes\n" }))}, plain: ":" };
export const more = each(names2, (name) => rule.platformfs({ from: run({ inputs: {}, tree: true, cmd: own[name]! }),
  steps: [step.hook("more.sh")], out: "more-" + name + ".tar" }));
`;

let project: TestProject;
beforeAll(async () => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "make.sh": `cd "$1"\nfor f in ${SECRETS} ${MORE}; do mkdir -p "$(dirname $f)"; [ -e $f ] || echo secret >$f; done\n`,
    "more.sh": `cd "$1"\n${made(Object.fromEntries(["etc/popularity-contest.conf", "etc/iscsi/initiatorname.iscsi", "etc/mdadm/mdadm.conf", "etc/passwd-"].map((path) => [path, TEXTS[path] ?? "old"]))).replaceAll("$OUT/", "")}\n`,
  });
  await project.good("trees", "off", "kept", "more");
});
afterAll(() => project.remove());

/** Files and links of a tree with their sizes, but for those of the layout. */
function left(name: string, layout: string): string[] {
  const listed = execFileSync("tar", ["-tvf", project.path(`out/${name}.tar`)], { encoding: "utf8" });
  const own = LAYOUTS[layout] ?? {};
  return listed
    .split("\n")
    .flatMap((line) => /^[^d]\S+ \S+ +(\d+) \S+ \S+ \.\/(.*)$/.exec(line)?.slice(1).reverse().join(" ") ?? [])
    .filter((line) => own[line.split(" ")[0] ?? ""] === undefined)
    .sort();
}
const UNITS = [
  "etc/systemd/system/ssh.service.wants/imagemake-host-keys.service -> /usr/lib/systemd/system/imagemake-host-keys.service 0",
  expect.stringMatching(/^usr\/lib\/imagemake\/host-keys \d+$/),
  expect.stringMatching(/^usr\/lib\/systemd\/system\/imagemake-host-keys\.service \d+$/),
];

describe("what must differ from machine to machine", () => {
  test.each([
    ["debian", ["etc/machine-id 0", ...UNITS]],
    ["debian13", ["etc/machine-id 0", ...UNITS]],
    ["fedora", ["etc/machine-id 0"]],
    ["centos", ["etc/machine-id 0"]],
    ["arch", ["etc/machine-id 0"]],
    ["void", []],
    ["dropbear", []],
    [
      "runit",
      [
        expect.stringMatching(/^etc\/runit\/core-services\/09-imagemake-host-keys\.sh \d+$/),
        expect.stringMatching(/^usr\/lib\/imagemake\/host-keys \d+$/),
      ],
    ],
    ["other", []],
    ["none", []],
  ] as const)(
    "is taken out of a tree like that of %s, and made by a service where its own do not",
    async (name, files) => {
      expect(left(name, name)).toEqual(files);
      const { stdout } = await project.run("log", `trees-${name}.tree`);
      expect(stdout).toContain("etc/ssh/ssh_host_rsa_key is for each machine to make, and is taken out");
      if (name === "other") expect(stdout).toContain("nothing makes them, so its daemon does not start");
      const checked = await project.run(`clean-${name}`);
      expect([name, checked.status]).toEqual([name, name === "other" ? 1 : 0]);
    },
  );

  test("is made by a service that stays off once it was turned off", () => {
    expect(left("off", "debian")).toEqual(["etc/machine-id 0", ...UNITS.slice(1)]);
  });

  test("stays where somebody put it there, and the check tells of it unless it is allowed", async () => {
    expect(left("kept", "debian")).toEqual(
      expect.arrayContaining(["etc/machine-id 4", "etc/ssh/ssh_host_rsa_key 4"]),
    );
    const { status } = await project.run("told");
    const { stdout } = await project.run("log", "told");
    expect(status).toBe(1);
    expect(stdout).toContain("etc/machine-id (machine-id) would be the same on all machines");
    expect(stdout).toContain("etc/ssh/ssh_host_rsa_key (host-key) would be the same on all machines");
    await project.good("allowed");
  });

  test.each(["tree", "tar", "squashfs", "iso", "disk", "packed", "btrfs", "cloud"])(
    "is listed by the check in an image that is a %s",
    async (kind) => {
      expect((await project.run(`found-${kind}`)).status).toBe(1);
      const { stdout } = await project.run("log", `found-${kind}`);
      const lines = stdout.split("\n").flatMap((line) => /(\S+ \([a-z-]+\)) would be/.exec(line)?.[1] ?? []);
      expect(lines.sort()).toEqual(
        Object.entries(LEFT)
          .map(([path, what]) => `${path} (${what})`)
          .sort(),
      );
      expect(stdout).toMatch(/allowed: .*etc\/hostid \(name\)/);
    },
  );

  test("is not in an image that has nothing of it, and a file that is none is an error", async () => {
    await project.good("fine", "makes");
    expect((await project.run("nothing")).status).toBe(1);
    expect((await project.run("log", "nothing")).stdout).toContain("expected a tarball, a squashfs, an ISO");
  });

  test("is a line of a configuration for some, which the machine fills in or is without", () => {
    const text = (name: string, path: string): string =>
      execFileSync("tar", ["-xOf", project.path(`out/more-${name}.tar`), `./${path}`], { encoding: "utf8" });
    const listed = execFileSync("tar", ["-tf", project.path("out/more-plain.tar")], { encoding: "utf8" });
    expect(listed).not.toContain("passwd-");
    expect(text("derived", "etc/iscsi/initiatorname.iscsi")).toBe("GenerateName=yes\n");
    expect(text("plain", "etc/iscsi/initiatorname.iscsi")).toContain("InitiatorName=iqn");
    expect(text("plain", "etc/mdadm/mdadm.conf")).toContain("ARRAY");
    const config = text("plain", "etc/popularity-contest.conf");
    expect(config).toContain("PARTICIPATE=yes\n");
    const said = execFileSync("sh", ["-c", `${config}echo "$MY_HOSTID"`], { encoding: "utf8" });
    const id = execFileSync(
      "sh",
      ["-c", "cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null | md5sum"],
      { encoding: "utf8" },
    );
    expect(said.trim()).toBe(id.split(" ")[0]);
  });

  test.each(["debian", "keyless"])("is missed by the check where nothing would make it: %s", async (name) => {
    expect((await project.run(`lacks-${name}`)).status).toBe(1);
    const { stdout } = await project.run("log", `lacks-${name}`);
    expect(stdout).toContain("no service makes any: it does not start");
  });
});

// blkid knows all of them by their first bytes; nothing here can read them.
test.each([
  ["crypto_LUKS", "printf 'LUKS\\\\272\\\\276\\\\0\\\\1'"],
  ["erofs", "head -c 1024 /dev/zero; printf '\\\\342\\\\341\\\\365\\\\340'"],
])(
  "a partition that cannot be looked into fails the check, whatever lies beside it: %s",
  async (what, bytes) => {
    const own = makeProject({
      "Imagefile.ts": `
const image = (other: string) => run({ inputs: {}, out: "disk.img", cmd: \`
  mkdir clean; truncate -s 8M root; mke2fs -q -t ext4 -d clean root; truncate -s 32M "$OUT"
  printf 'label: gpt\\nstart=2048, size=16384\\nstart=20480, size=16384\\n' | sfdisk -q "$OUT"
  dd if=root of="$OUT" bs=512 seek=2048 conv=notrunc status=none
  { \${other}; } | dd of="$OUT" bs=512 seek=20480 conv=notrunc status=none\` });
export const closed = rule.unique({ from: image("${bytes}") });
export const empty = rule.unique({ from: image(":") });
`,
    });
    try {
      const { status, stderr } = await own.run("closed");
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`partition at sector 20480: this is ${what}, which cannot be looked into`),
      ]);
      await own.good("empty");
    } finally {
      own.remove();
    }
  },
);
