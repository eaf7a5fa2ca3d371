// What `npm run check` says: of shell that is made of parts, of a checker that finds something, of one that is not there.
import { describe, expect, test } from "@jest/globals";
import { runCheckers, type Checker } from "../check/checkers.js";
import { partsOf } from "../check/compositions.js";
import { scriptOf, shellcheck } from "../check/shell.js";

describe("shell that is made of parts", () => {
  const PARTS = new Map([
    ["lib.sh", "# A library.\nunused=\n"],
    ["one.sh", 'echo "$unused"\n'],
    ["two.sh", "echo two\ncd $TREE\n"],
  ]);
  const composed = (...names: string[]) => {
    const text = names.map((name) => PARTS.get(name) ?? "").join("\n");
    return scriptOf({ name: names.at(-1) ?? "", text, parts: partsOf(text, PARTS) });
  };

  test("is told apart again", () => {
    expect(partsOf("# A library.\nunused=\n\necho two\ncd $TREE\n", PARTS)).toEqual([
      { file: "lib.sh", before: 0 },
      { file: "two.sh", before: 3 },
    ]);
    expect(() => partsOf("# A library.\nused=\n", PARTS)).toThrow("of no known parts");
  });

  test("is checked as it is run, and what is found is told at the part's own line, once", () => {
    expect(shellcheck([composed("lib.sh", "one.sh"), composed("lib.sh", "two.sh")])).toEqual([
      "rules/recipes/two.sh:2:4: info: Double quote to prevent globbing and word splitting. [SC2086] (in two.sh)",
    ]);
  });

  test("has a variable too much only where no recipe makes use of it", () => {
    expect(shellcheck([composed("lib.sh", "two.sh")]).join("\n")).toMatch(
      /^rules\/recipes\/lib\.sh:2:1: warning: unused appears unused.*\[SC2034\] \(in two\.sh\)$/m,
    );
  });
});

describe("checkers", () => {
  const node = (what: string, text: string): Checker => ({ what, argv: [process.execPath, "-e", text] });
  async function outcome(...checkers: Checker[]): Promise<{ clean: boolean; said: string[] }> {
    const said: string[] = [];
    const clean = await runCheckers(checkers, (text) => said.push(text));
    return { clean, said };
  }

  test("say nothing where nothing is found, and otherwise what it is", async () => {
    expect(await outcome(node("quiet", "console.log('fine')"))).toEqual({ clean: true, said: [] });
    const { clean, said } = await outcome(
      node("loud", "console.log('line 7'); process.exit(1)"),
      node("quiet", ""),
    );
    expect([clean, said.length, said[0]]).toEqual([
      false,
      1,
      expect.stringMatching(/^loud \(.*\):\nline 7$/s),
    ]);
  });

  test("that are not on this machine are named, with what was not checked and how they come here", async () => {
    const tool = { name: "no-such-checker", package: "checker" };
    expect(await outcome({ what: "poems", argv: ["no-such-checker"], tool })).toEqual({
      clean: true,
      said: [
        "not checked: poems; this machine lacks no-such-checker (package checker): apt-get install checker",
      ],
    });
  });
});
