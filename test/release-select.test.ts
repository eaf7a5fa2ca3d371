// Which release a build joins where one was signed or promoted meanwhile: names never go back.
import { describe, expect, test } from "@jest/globals";
import type { Release, ReleaseState } from "../engine/release/record.js";
import { newRelease, selectRelease } from "../engine/release/release.js";

describe("which release a build joins", () => {
  const NOW = Date.parse("2031-05-06T20:00:00Z");
  const releaseOf = (datecode: string, state: ReleaseState, more: Partial<Release> = {}): Release =>
    newRelease(datecode, NOW - 3600 * 1000, { state, ...more });
  const published = (datecode: string, state: ReleaseState = "promoted"): Release =>
    releaseOf(datecode, state, { explicit: true });

  test.each([
    [
      "none before the one that was promoted",
      [releaseOf("20310506.1", "open"), published("20310506.2")],
      "20310506.3",
    ],
    [
      "none before the one that was signed",
      [releaseOf("20310506", "open"), published("20310506.9", "signed")],
      "20310506.10",
    ],
    ["not yesterday's", [releaseOf("20310505", "open"), published("20310506")], "20310506.1"],
    [
      "not the one by today's name",
      [releaseOf("20310506", "open", { byName: true }), published("20310506.1")],
      "20310506.2",
    ],
    ["the one after it", [published("20310506"), releaseOf("20310506.1", "open")], "20310506.1"],
    [
      "the tenth respin after the ninth",
      [published("20310506.9"), releaseOf("20310506.10", "open")],
      "20310506.10",
    ],
    ["whatever a later day has", [releaseOf("20310506", "open"), published("20310507")], "20310506"],
    [
      "one before what was given up",
      [releaseOf("20310506", "open"), published("20310506.1", "withdrawn")],
      "20310506",
    ],
  ])("%s", (_, releases, expected) => {
    expect(selectRelease(releases, null, NOW)).toMatchObject({ value: { release: { datecode: expected } } });
  });
});
