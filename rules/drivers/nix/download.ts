// Brings a tarball of expressions to this machine, or the head of one. It verifies nothing.
import { createWriteStream } from "node:fs";
import { copyFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { fileURLToPath } from "node:url";
import { asError, Exit, fail, ok, type Result } from "../../../engine/problem.js";
import { HEAD } from "./tarball.js";

/** Brings `url` to `file`. */
export const download = (url: string, file: string, signal: AbortSignal): Promise<Result<void>> =>
  reaching(url, async () => {
    if (url.startsWith("file:")) await copyFile(fileURLToPath(url), file);
    else await pipeline(Readable.fromWeb(await bodyOf(url, signal)), createWriteStream(file), { signal });
  });

/** The first bytes of what lies at `url`. */
export const headOf = (url: string, signal: AbortSignal): Promise<Result<Uint8Array>> =>
  reaching(url, async () => {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of Readable.fromWeb(await bodyOf(url, signal))) {
      pieces.push(piece as Uint8Array);
      bytes += (piece as Uint8Array).length;
      if (bytes >= HEAD) break;
    }
    return Buffer.concat(pieces).subarray(0, HEAD);
  });

async function bodyOf(url: string, signal: AbortSignal): Promise<ReadableStream> {
  const answer = await fetch(url, { signal });
  if (!answer.ok || answer.body === null) throw new Error(`${answer.status} ${answer.statusText}`.trim());
  // node's own type of the same thing.
  return answer.body;
}

async function reaching<T>(url: string, work: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await work());
  } catch (thrown) {
    const { message, cause } = asError(thrown);
    return fail(
      Exit.environment,
      `${url} cannot be fetched: ${cause instanceof Error ? cause.message : message}`,
    );
  }
}
