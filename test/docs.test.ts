// Pages that are made from the code are the code's.
import { expect, test } from "@jest/globals";
import { readFileSync } from "node:fs";
import { PAGE, rulesPage } from "../targets/document.js";

test("docs/rules.md says what the schemas say (npm run docs)", () => {
  expect(readFileSync(PAGE, "utf8")).toBe(rulesPage());
});
