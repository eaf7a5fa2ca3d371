// Looks at the remote cache: whether it answers, what it can, how fast it is. It writes one blob there where uploads are asked for.
import { randomBytes } from "node:crypto";
import type { Link } from "../../cache/remote/link.js";
import { problemIn } from "../../cache/io.js";
import { formatBytes } from "../render/numbers.js";
import type { RemoteAccess } from "../remote.js";
import { fine, lacking, poor, type Finding } from "./finding.js";

/** What is sent and read back to see how fast it goes, in bytes. */
const TRIAL = 8 << 20;

/** A few lines about the server; the first says whether it is there at all. */
export async function remote(access: RemoteAccess, upload: boolean): Promise<Finding[]> {
  const { linkTo } = await import("../remote.js");
  const link = await linkTo(access);
  try {
    return await look(link, upload);
  } catch (error) {
    const problem = problemIn(error);
    if (problem === null) throw error;
    return [lacking(problem.message, problem.hint ?? "start it, or build with --no-remote")];
  }
}

async function look(link: Link, upload: boolean): Promise<Finding[]> {
  const { Blobs, blobOf } = await import("../../cache/remote/blobs.js");
  const blobs = new Blobs(link);
  const { largest, results } = await blobs.limits();
  const { name } = link.address;
  const since = performance.now();
  await blobs.missing([blobOf(Buffer.from(name))]);
  const ms = performance.now() - since;
  const size = largest < Number.MAX_SAFE_INTEGER ? `, files up to ${formatBytes(largest)}` : "";
  const found = [fine(`${name}: Remote Execution cache, answers in ${ms.toFixed(1)} ms${size}`)];
  if (!results)
    found.push(
      poor(`${name} takes no results from clients`, "leave out --remote-upload; somebody else fills it"),
    );
  if (!upload) return found;
  const bytes = randomBytes(TRIAL);
  const blob = blobOf(bytes);
  const begun = performance.now();
  await blobs.put([{ blob, from: bytes }]);
  const sent = performance.now();
  const back = await blobs.look(blob);
  const read = performance.now();
  const speed = (ms: number): string => `${formatBytes(Math.round((TRIAL / ms) * 1000))}/s`;
  found.push(
    back === "whole"
      ? fine(
          `${formatBytes(TRIAL)} went there at ${speed(sent - begun)}, and came back at ${speed(read - sent)}`,
        )
      : lacking(`${name} gives back other bytes than it was sent`, "do not use it"),
  );
  return found;
}
