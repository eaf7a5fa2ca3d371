// A person's verdict holds in every release until it is taken back; and a release that a wrong clock opened is not joined.
import { execFileSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { makeProject, type TestProject } from "./support/cli.js";

jest.setTimeout(120_000);

let project: TestProject;
beforeEach(() => {
  project = makeProject({
    "Imagefile.ts": `export const a = run({ inputs: { S: files("src") }, cmd: 'cat "$S" > "$OUT"', out: "a-{date}" });`,
    src: "one\n",
  });
});
afterEach(() => project.remove());

/** Under a clock that is this much off. */
const clock = (offset: string): { under: readonly string[] } => ({ under: ["faketime", "-f", offset] });

describe("what was rejected", () => {
  test.each([
    [
      "explicit",
      [["release", "start", "--release", "20260101"]],
      [
        ["release", "abandon"],
        ["release", "start", "--release", "20260202"],
      ],
    ],
    ["named", [], [["--release", "20270303", "-q", "a"]]],
  ])("is not linked in a later release, %s", async (_, before, after) => {
    for (const words of before) await project.good(...words);
    await project.good("a");
    await project.good("release", "reject", "a", "--because", "does not boot");
    for (const words of after) await project.run(...words);
    const dated = after.flat().includes("20270303") ? ["--release", "20270303"] : [];
    expect((await project.good("why", "a", ...dated)).stdout).toContain("was rejected: does not boot");
    const again = await project.run("a", ...dated);
    expect(again.stderr).toContain("again what was rejected");
    expect(again.status).toBe(1);
  });

  test("is not linked in the implicit release of another day, nor after gc; another content is", async () => {
    await project.good("a");
    await project.good("release", "reject", "a", "--because", "does not boot");
    const later = await project.call(clock("+2d"), "a");
    expect(later.stderr).toContain("again what was rejected");
    await project.call(clock("+4d"), "a");
    await project.call(clock("+4d"), "cache", "gc");
    const last = await project.call(clock("+4d"), "a");
    expect(last.stderr).toContain("again what was rejected");
    project.write("src", "two\n");
    expect(await project.call(clock("+4d"), "a")).toMatchObject({ status: 0 });
    project.write("src", "one\n");
    expect((await project.call(clock("+4d"), "a")).stderr).toContain("was rejected");
  });

  test("is linked again when the verdict was taken back, in a later release too", async () => {
    await project.good("a");
    await project.good("release", "reject", "a", "--because", "does not boot");
    expect((await project.run("a")).status).toBe(1);
    const nothing = await project.run("release", "reject", "a", "--undo");
    expect(nothing.stderr).toContain("--because");
    await project.good("release", "reject", "a", "--undo", "--because", "it was the cable");
    await project.good("a");
    expect(await project.call(clock("+2d"), "a")).toMatchObject({ status: 0 });
    const none = await project.run("release", "reject", "a", "--undo", "--because", "again");
    expect(none.stderr).toContain("no verdict on a stands");
    expect(none.status).toBe(2);
  });
});

describe("an implicit release from the future", () => {
  test("is not joined once the clock is right, and that is said, with the way out", async () => {
    await project.call(clock("+400d"), "a");
    const [wrong = ""] = project.names(".imagemake/releases");
    const { status, stderr } = await project.run("a");
    expect(stderr).toContain(`the implicit release ${wrong.replace(".json", "")} is from the future`);
    expect(stderr).toContain(`remove ${project.path(".imagemake/releases", wrong)}`);
    expect(status).toBe(0);
    const day = execFileSync("date", ["-u", "+%Y%m%d"], { encoding: "utf8" }).trim();
    expect(project.names("out")).toContain(`a-${day}`);
    expect((await project.good("a")).stderr).toContain(`release ${day}`);
  });

  test("nor by the record of a run with nothing to do", async () => {
    await project.call(clock("-1h"), "list");
    appendFileSync(project.path("src"), "more\n");
    execFileSync("touch", ["-d", "2020-01-01", project.path("src"), project.path("Imagefile.ts")]);
    for (let run = 0; run < 3; run++) await project.call(clock("+400d"), "a");
    const { stderr } = await project.run("a");
    expect(stderr).toContain("is from the future");
  });
});
