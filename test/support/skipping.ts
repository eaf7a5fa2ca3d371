// Says why tests do not run here. Jest keeps the console of a suite that is skipped as a whole to itself.

/** One line on standard error. */
export const skipping = (suite: string, because: string): void =>
  void process.stderr.write(`${suite}: skipped, because ${because}\n`);
