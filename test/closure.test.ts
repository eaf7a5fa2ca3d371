// What differs between two closures, where several packages have one name.
import { describe, expect, test } from "@jest/globals";
import { packageChanges } from "../engine/packages/closure.js";
import type { Package } from "../engine/packages/driver.js";

/** `app 1.0 x86_64 aa`: name, version, architecture, digest. */
const packages = (...words: readonly string[]): Package[] =>
  words.map((line) => {
    const [name = "", version = "", arch = "", sha256 = ""] = line.split(" ");
    return { name, version, arch, sha256, size: 1, location: "" };
  });
const words = (before: readonly string[], after: readonly string[]): readonly string[] =>
  packageChanges(packages(...before), packages(...after)).map(
    (one) => `${one.name}: ${one.before ?? "none"}, ${one.after ?? "none"}`,
  );

describe("what became of packages of one name", () => {
  test("in two architectures: which of them changed", () => {
    const before = ["lib 1 x86_64 a", "lib 1 i686 b"];
    expect(words(before, before)).toEqual([]);
    expect(words(before, ["lib 2 x86_64 c", "lib 1 i686 b"])).toEqual(["lib.x86_64: 1, 2"]);
    expect(words(before, ["lib 1 x86_64 a"])).toEqual(["lib.i686: 1, none"]);
    expect(words(before, ["lib 1 x86_64 c", "lib 1 i686 d"])).toEqual(["lib.x86_64: 1, 1", "lib.i686: 1, 1"]);
  });

  test("in several versions, as a mirror has them", () => {
    const before = ["app 1 noarch a", "app 2 noarch b"];
    expect(words(before, [...before, "app 3 noarch c"])).toEqual(["app: none, 3"]);
    expect(words(before, ["app 1 noarch z", "app 2 noarch b"])).toEqual(["app: 1, 1"]);
    expect(words(before, ["app 2 noarch b", "app 3 noarch c"])).toEqual(["app: 1, 3"]);
  });

  test("alone: another version, the same one built again, another architecture", () => {
    expect(words(["app 1 noarch a"], ["app 2 noarch b"])).toEqual(["app: 1, 2"]);
    expect(words(["app 1 noarch a"], ["app 1 noarch b"])).toEqual(["app: 1, 1"]);
    expect(words(["app 1 noarch a"], ["app 2 x86_64 b"])).toEqual(["app: 1, 2"]);
    expect(words([], ["app 1 noarch a"])).toEqual(["app: none, 1"]);
  });
});
