// A reporter for jest that prints TAP (version 13, testanything.org), for `prove` and others: `npm run --silent test:tap`.
// A test that failed has its message below it, in YAML.
import type { Reporter, Test, TestResult } from "@jest/reporters";

/** One line a test, as each suite ends; the plan comes last, when it is known. */
export default class Tap implements Pick<Reporter, "onRunStart" | "onTestResult" | "onRunComplete"> {
  #count = 0;

  onRunStart(): void {
    process.stdout.write("TAP version 13\n");
  }

  onTestResult(test: Test, result: TestResult): void {
    const suite = test.path.replace(/^.*\/|\.test\.js$/g, "");
    if (result.testExecError !== undefined) this.#line(false, suite, "", result.failureMessage ?? "");
    for (const one of result.testResults) {
      const skip = one.status === "pending" || one.status === "todo" ? " # SKIP" : "";
      const passed = one.status === "passed" || skip !== "";
      this.#line(passed, `${suite}: ${one.fullName}`, skip, one.failureMessages.join("\n"));
    }
  }

  onRunComplete(): void {
    process.stdout.write(`1..${this.#count}\n`);
  }

  #line(passed: boolean, name: string, skip: string, message: string): void {
    const text = name.replaceAll("#", "\\#").replaceAll("\n", " ");
    process.stdout.write(`${passed ? "ok" : "not ok"} ${++this.#count} - ${text}${skip}\n`);
    if (passed || message === "") return;
    const lines = message.split("\n").map((line) => `      ${line}\n`);
    process.stdout.write(`  ---\n  message: |\n${lines.join("")}  ...\n`);
  }
}
