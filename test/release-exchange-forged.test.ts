// Exports by somebody who means harm: whose index and checksums agree with each other, and with nothing else. None of it is
// published, printed or waited for.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { forgeIndex, makeMachines } from "./support/exchange.js";

jest.setTimeout(180_000);

const DATE = "20310203";
const IMAGE = `image-${DATE}.bin`;
const machines = makeMachines(["there", "here"], {
  "Imagefile.ts": `export const image = run({ inputs: {}, cmd: 'printf 0123456789 > "$OUT"', out: "image-{date}.bin", guards: { minSize: 10 } });`,
});
const { at, between } = machines;
const [good, bad] = [between("good"), between("bad")];
const file = join(bad, "files", IMAGE);

beforeAll(async () => {
  for (const project of [at.there, at.here]) await project.good("release", "start", "--release", DATE);
  await at.there.good("image");
  await at.there.good("release", "export", "image", good);
});
beforeEach(() => {
  rmSync(bad, { recursive: true, force: true });
  cpSync(good, bad, { recursive: true });
});
afterAll(() => machines.remove());

const digest = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Hands over other bytes as what was made there. */
function forgeFile(bytes: string): void {
  const before = readFileSync(file);
  writeFileSync(file, bytes);
  forgeIndex(bad, (text) =>
    text.replaceAll(digest(before), digest(bytes)).replace(/"size": \d+/, `"size": ${bytes.length}`),
  );
}

async function refused(says: string): Promise<void> {
  // What is waited for is killed.
  const soon = { under: ["timeout", "--signal=KILL", "60"] };
  const { status, stdout, stderr } = await at.here.call(soon, "release", "import", bad);
  expect([stderr, status]).toEqual([expect.stringContaining(says), 2]);
  // eslint-disable-next-line no-control-regex -- that is what must not be there
  expect(stdout + stderr).not.toMatch(/\x1b/);
  expect(at.here.names("out")).toEqual([]);
}

describe("an export is refused", () => {
  test("whose file the target's guards refuse", async () => {
    forgeFile("short");
    await refused(`${IMAGE}: it has 5 bytes, at least 10 are demanded`);
  });

  test.each(["x\\u001b[2J\\nimagemake: all is well", "sha256sum.txt"])(
    "whose file is called something else: %s",
    async (name) => {
      forgeIndex(bad, (text) => text.replace(`"name": "${IMAGE}"`, `"name": "${name}"`));
      renameSync(file, join(bad, "files", JSON.parse(`"${name}"`) as string));
      await refused(`the file of image is not called ${IMAGE} in its index`);
    },
  );

  test("whose artifact says another date than its key, or none that there is", async () => {
    forgeIndex(bad, (text) => text.replace(/"epoch": \d+/, '"epoch": 5'));
    await refused("image");
    forgeIndex(bad, (text) => text.replace(/"started": \d+/, '"started": 9000000000000000'));
    await refused("index.json");
  });

  test("whose index has another size", async () => {
    forgeIndex(bad, (text) => text.replace(/"size": \d+/, '"size": 11'));
    await refused(`${IMAGE} was changed after it was exported`);
  });

  test.each(["sha256sum.txt", "index.json", "release.json"])(
    "whose %s is a pipe, or a device",
    async (name) => {
      rmSync(join(bad, name));
      execFileSync("mkfifo", [join(bad, name)]);
      await refused(`${name} is not a regular file`);
      rmSync(join(bad, name));
      symlinkSync("/dev/zero", join(bad, name));
      await refused(`${name} is not a regular file`);
    },
  );
});
