// `--cache URL[,ro]` and `--remote-cache URL`: a cache that several machines share, opened. What is wrong with the words is
// exit 2; what is wrong with the share is a warning, and the build goes on without it.
import { lstatSync } from "node:fs";
import { resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { DirectoryActions } from "../cache/directory/actions.js";
import { DirectoryContents } from "../cache/directory/contents.js";
import { Share } from "../cache/directory/place.js";
import { leadsTo, makeScratch } from "../cache/layout.js";
import { Shared, type SharedCache } from "../engine/build/shared.js";
import type { Emit } from "../engine/events.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import type { Project } from "../engine/project.js";
import { requireOwner } from "../engine/release/place.js";
import type { CallWith } from "./call.js";
import type { Settings } from "./settings.js";

/** Where a share is, as its words say. */
interface CacheUrl {
  readonly dir: string;
  readonly name: string;
  readonly readOnly: boolean;
}

/** The options that say what is shared, and how. */
export type SharedOption = "cache" | "isolation" | "remoteCache" | "remoteUpload" | "remote";

/** The cache that a call names; null for none, and for one that cannot be used. */
export async function sharedOf(
  { options, settings }: CallWith<SharedOption>,
  project: Project,
  emit: Emit,
  changes: boolean,
): Promise<Result<Shared | null>> {
  const remote = options.remote === false ? undefined : options.remoteCache;
  if (options.cache === undefined && remote === undefined) return ok(null);
  if (options.cache !== undefined && remote !== undefined)
    return fail(
      Exit.usage,
      "a build has one cache, and two are named: a directory and a remote one",
      NO_REMOTE,
    );
  // What a cache says that a key stands for is believed, and root would build on it.
  const owner = requireOwner(project, "name a cache");
  if (!owner.ok) return owner;
  // A result is looked up for the plan, before it is taken, and before another is sent.
  const said = new Set<string>();
  const warn = (message: string): void => {
    if (!said.has(message)) emit({ type: "notice", level: "warning", message, at: Date.now() });
    said.add(message);
  };
  const opened =
    options.cache === undefined
      ? await remoteCache(remote ?? "", settings, project, changes && options.remoteUpload === true, warn)
      : await directoryCache(options.cache, project, changes, warn);
  if (!opened.ok || opened.value === null) return opened.ok ? ok(null) : opened;
  const cache = opened.value;
  if (!options.isolation) {
    warn(`the cache ${cache.name} is not used: what is made without isolation is shared with nobody`);
    return ok(null);
  }
  const say = (detail: string): void => emit({ type: "phase", phase: "fetch", detail, at: Date.now() });
  return ok(new Shared(cache, warn, say));
}

const NO_REMOTE = "--no-remote leaves out the remote one";

/** A server is asked nothing before something is wanted of it. */
async function remoteCache(
  url: string,
  settings: Settings | null,
  project: Project,
  upload: boolean,
  warn: (message: string) => void,
): Promise<Result<SharedCache>> {
  const { accessOf, linkTo } = await import("./remote.js");
  const access = accessOf(url, settings);
  if (!access.ok) return access;
  const link = await linkTo(access.value);
  const { remoteOn } = await import("../cache/remote/open.js");
  const remote = remoteOn(link, () => makeScratch(project, "take"), warn);
  return ok({ name: link.address.name, readOnly: !upload, ...remote });
}

/** Null where the directory cannot be used, which has been said. */
async function directoryCache(
  text: string,
  project: Project,
  changes: boolean,
  warn: (message: string) => void,
): Promise<Result<SharedCache | null>> {
  const url = cacheUrlOf(text, project);
  if (!url.ok) return url;
  const { dir, name, readOnly } = url.value;
  const owners = process.getuid?.() === 0 ? [0, lstatSync(project.dir).uid] : null;
  const share = await Share.open(dir, name, { readOnly: readOnly || !changes, owners });
  if (!share.ok) {
    const { message, hint } = share.problem;
    warn(`the cache ${name} is not used: ${message}${hint === undefined ? "" : ` (${hint})`}`);
    return ok(null);
  }
  const actions = new DirectoryActions(share.value, warn);
  const contents = new DirectoryContents(share.value);
  return ok({ name, readOnly: share.value.readOnly, actions, contents });
}

const FORM = "file:///srv/imagemake, or file:///srv/imagemake,ro to write nothing there";

function cacheUrlOf(text: string, project: Project): Result<CacheUrl> {
  const [, name = "", mode] = /^(.*?)(?:,(ro|rw))?$/s.exec(text) ?? [];
  if (!URL.canParse(name)) return fail(Exit.usage, `${text} is not the URL of a cache`, FORM);
  const url = new URL(name);
  if (url.protocol !== "file:")
    return fail(Exit.usage, `${url.protocol}// is not a kind of cache that this imagemake supports`, FORM);
  if (url.host !== "" || url.search !== "" || url.hash !== "" || url.pathname === "/")
    return fail(Exit.usage, `${text} names no directory of this machine`, FORM);
  const dir = resolve(fileURLToPath(url));
  const place = leadsTo(dir) ?? dir;
  for (const own of [project.state, project.out])
    if (place === own || place.startsWith(`${own}${sep}`))
      return fail(Exit.usage, `${dir} is imagemake's own place`, "name a directory elsewhere");
  return ok({ dir, name, readOnly: mode === "ro" });
}
