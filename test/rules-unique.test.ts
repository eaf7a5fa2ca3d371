// What must differ from machine to machine: it is in no image, what somebody put there stays, and whose distribution does not
// make host keys when a machine starts gets a service that does. The trees have the layouts of the distributions, and nothing
// in them that runs; real ones start in started-disks.test.ts.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { execFileSync } from "node:child_process";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

const UNIT = (more: string): string => `[Unit]\\n${more}\\n[Service]\\nExecStart=/usr/sbin/sshd -D\\n`;
/** Files of each tree; what ends in a slash is a directory. */
const LAYOUTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  debian: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/ssh.service": UNIT("After=network.target"),
    "usr/lib/systemd/system/ssh.socket": "",
  },
  fedora: {
    "usr/sbin/sshd": "",
    "usr/lib/systemd/systemd": "",
    "usr/lib/systemd/system/sshd.service": UNIT("Wants=sshd-keygen.target"),
    "usr/lib/systemd/system/sshd@.service": UNIT("Wants=sshd-keygen.target"),
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
export const lacks = rule.unique({ from: bases["debian"]! });
`;

let project: TestProject;
beforeAll(async () => {
  project = makeProject({
    "Imagefile.ts": IMAGEFILE,
    "make.sh": `cd "$1"\nfor f in ${SECRETS} ${MORE}; do mkdir -p "$(dirname $f)"; [ -e $f ] || echo secret >$f; done\n`,
  });
  await project.good("trees", "off", "kept");
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
    ["fedora", ["etc/machine-id 0"]],
    ["arch", ["etc/machine-id 0"]],
    ["void", []],
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

  test("is missed by the check where nothing would make it", async () => {
    expect((await project.run("lacks")).status).toBe(1);
    expect((await project.run("log", "lacks")).stdout).toContain("no service makes any: it does not start");
  });
});
