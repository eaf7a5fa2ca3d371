// What all drivers do with what the file system refuses.
import { asError, Exit, fail, type Result } from "../../engine/problem.js";

/** A full disk or a lack of permission is a problem of the environment like any other; `driver` is its name. */
export async function attempt<T>(driver: string, work: Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work;
  } catch (thrown) {
    return fail(Exit.environment, `the ${driver} driver cannot work: ${asError(thrown).message}`);
  }
}
