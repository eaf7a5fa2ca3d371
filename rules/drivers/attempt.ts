// What all drivers do with what the file system refuses.
import { asError, fail, type Result } from "../../engine/problem.js";

/** A full disk or a lack of permission is a problem of the environment like any other; `driver` is its name. */
export async function attempt<T>(driver: string, work: Promise<Result<T>>): Promise<Result<T>> {
  try {
    return await work;
  } catch (thrown) {
    return fail(3, `the ${driver} driver cannot work: ${asError(thrown).message}`);
  }
}
