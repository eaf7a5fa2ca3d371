import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  {
    ignores: [
      "dist/",
      "node_modules/",
      "Imagefile.ts",
      "test/types/",
      "fixtures/",
      ".imagemake/",
      "out/",
      "cache/remote/protocol/",
    ],
  },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { project: "./tsconfig.json" } } },
  {
    rules: {
      // Numbers and booleans in messages are what a message is made of.
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      // `Readonly` discriminated unions make many checks look needless to the rule under noUncheckedIndexedAccess.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ["*.js", "rules/recipes/*.mjs"],
    languageOptions: { parserOptions: { project: "./tsconfig.recipes.json" } },
    // tsc knows better which names there are.
    rules: { "no-undef": "off" },
  },
);
