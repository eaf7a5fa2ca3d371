// A remote cache, put together: the two interfaces on one connection.
import type { ActionCache } from "../action-cache.js";
import type { ContentStore } from "../content-store.js";
import { RemoteActions } from "./actions.js";
import { Blobs } from "./blobs.js";
import { RemoteContents, type Known } from "./contents.js";
import type { Link } from "./link.js";

/** What is used of a server. Nothing is asked of it before the first call. */
export interface Remote {
  readonly actions: ActionCache;
  readonly contents: ContentStore;
}

/** `makeScratch` makes an empty directory for what is to be sent; `doubt` is told by name of what cannot be believed. */
export function remoteOn(link: Link, makeScratch: () => string, doubt: (message: string) => void): Remote {
  const blobs = new Blobs(link);
  const known: Known = new Map();
  return {
    actions: new RemoteActions(link, blobs, known, doubt),
    contents: new RemoteContents(link, blobs, known, makeScratch),
  };
}
