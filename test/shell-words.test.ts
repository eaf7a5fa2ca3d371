// Which words of a shell script name a file that it sources: hooks are read by this before they run.
import { expect, test } from "@jest/globals";
import { sourcings } from "../rules/steps/shell-words.js";

const found = (text: string): readonly string[] => sourcings(text).map(({ word, line }) => `${line} ${word}`);

test.each<[string, string, readonly string[]]>([
  ["a command", ". a.sh", ["1 a.sh"]],
  ["bash's word", "source a.sh arg", ["1 a.sh"]],
  ["quotes as they are", `. "$(dirname "$0")/a b.sh"`, [`1 "$(dirname "$0")/a b.sh"`]],
  ["after others", "set -e; . a\nx && . b || . c\n(. d)\n! . e", ["1 a", "2 b", "2 c", "3 d", "4 e"]],
  [
    "in compound commands",
    "if . a; then . b; fi\nfor x in . y; do { . c; }; done\ncase x in x) . d ;; esac",
    ["1 a", "1 b", "2 c", "3 d"],
  ],
  [
    "after assignments and words that run others",
    "A=1 . a\ncommand . b\nbuiltin source c",
    ["1 a", "2 b", "3 c"],
  ],
  ["in functions", "f() {\n  . a\n}\nf2() { . b; }", ["2 a", "4 b"]],
  ["over a continued line", ". \\\n  a", ["2 a"]],
  ["in a nested command", 'x=$(. a; f) y="$(. b)"', ["1 a", "1 b"]],
  ["not as an argument", "echo . a; ls . b; find . -name x; x=.; cd .", []],
  ["not in a comment", "# . a\nx # . b\nx#. c", []],
  ["not in quotes", `echo ' . a\n. b' "\n. c" \\\n. d`, []],
  ["not in a here-document", "cat <<EOF; . a\n. b\nEOF\ncat <<-'X' >f\n\t. c\n\tX\n. d", ["1 a", "7 d"]],
  ["two here-documents", "cat <<A <<B\n. a\nA\n. b\nB\n. c", ["6 c"]],
  ["not a here-string", "cat <<<. a\n. b", ["2 b"]],
  ["after a redirection", "x >f 2>&1; . a <g", ["1 a"]],
  ["with parameters in it", '. "${0%/*}/a}" "${x:-)}"; . b', ['1 "${0%/*}/a}"', "1 b"]],
  ["not arithmetic", "x=$((1 + (2)))\n. a", ["2 a"]],
  ["however broken the script is", `. a\n"`, ["1 a"]],
  ["however broken its brackets are", ". a\n$( (", ["1 a"]],
])("%s", (_, text, words) => {
  expect(found(text)).toEqual(words);
});
