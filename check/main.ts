// `npm run check`: everything that is checked without running it, each kind by its own program. The slowest come first. Of
// files that did not change two remember what they found, in dist/: a clean checkout is checked as a whole.
import { runCheckers, type Checker } from "./checkers.js";

/** A program out of node_modules. */
const ours = (what: string, program: string, ...words: string[]): Checker => ({
  what,
  argv: [`node_modules/.bin/${program}`, ...words],
});

const INIT = "engine/execute/local/init.pl";

const CHECKERS: readonly Checker[] = [
  ours("TypeScript and JavaScript", "eslint", "--cache", "--cache-location", "dist/.eslint", "."),
  {
    what: "shell",
    argv: [process.execPath, "dist/check/shell-main.js"],
    tool: { name: "shellcheck", package: "shellcheck" },
  },
  ours(
    "how everything is laid out",
    "prettier",
    ...["--cache", "--cache-location", "dist/.prettier", "--check", "--log-level", "warn", "."],
  ),
  ours("what nobody makes use of", "knip", "--no-progress"),
  ours("types of Imagefiles", "tsc", "-p", "tsconfig.imagefiles.json"),
  ours("types of recipes in JavaScript", "tsc", "-p", "tsconfig.recipes.json"),
  { what: "types of recipes in Python", argv: ["mypy"], tool: { name: "mypy", package: "mypy" } },
  {
    what: "the process around an action",
    argv: ["perl", "-Mstrict", "-Mwarnings", "-c", INIT],
    tool: { name: "perl", package: "perl-base" },
  },
  {
    what: "how the process around an action is written",
    argv: ["perlcritic", "--quiet", INIT],
    tool: { name: "perlcritic", package: "libperl-critic-perl" },
  },
  {
    what: "completion for zsh",
    argv: ["zsh", "-n", "cli/completion/imagemake.zsh"],
    tool: { name: "zsh", package: "zsh" },
  },
  {
    what: "completion for fish",
    argv: ["fish", "-n", "cli/completion/imagemake.fish"],
    tool: { name: "fish", package: "fish" },
  },
];

const clean = await runCheckers(CHECKERS, (text) => process.stdout.write(`${text}\n`));
process.exitCode = clean ? 0 : 1;
