// The place of a collected release for a command that changes something there. Who calls sudo and may not edit the
// Imagefile is held to what that says.
import { ok, type Result } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { collectedPlace, isLimited, ownPlace } from "../engine/release/place.js";
import type { Collected, Release } from "../engine/release/record.js";
import { openImagefile } from "./open.js";
import type { CallWith } from "./call.js";

/** The place, with its directory absolute, or why it is not believed. */
export async function collectedOf(
  call: CallWith<"directory" | "file" | "release">,
  project: Project,
  release: Release,
): Promise<Result<Collected>> {
  const own = await ownOf(call, project, release);
  return own.ok ? collectedPlace(project, release, own.value) : own;
}

async function ownOf(
  { options, args }: CallWith<"directory" | "file" | "release">,
  project: Project,
  { datecode }: Release,
): Promise<Result<string | null>> {
  if (!isLimited(project)) return ok(null);
  const opened = await openImagefile(options, args, false);
  return opened.ok ? ok(ownPlace(project, opened.value.graph.project.release.into, datecode)) : opened;
}
