// A tree's files as a directory of blobs that are called by their digests (`ab/abcd…`): a server counts what belongs to a result
// and lets it go as a whole, and no name, owner or attribute of an image meets the protocol.
import { create, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { blobOf, digestFrom, type Blob } from "./blobs.js";
import {
  DirectorySchema,
  type TreeSchema,
} from "./protocol/build/bazel/remote/execution/v2/remote_execution_pb.js";

/** The Tree message of these blobs: the same for the same blobs. */
export function bagOf(blobs: Iterable<Blob>): MessageInitShape<typeof TreeSchema> {
  const shards = new Map<string, Blob[]>();
  for (const blob of blobs) {
    const name = blob.hash.slice(0, 2);
    const shard = shards.get(name);
    if (shard === undefined) shards.set(name, [blob]);
    else shard.push(blob);
  }
  const named = [...shards]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, shard]) => {
      const files = shard
        .sort((a, b) => (a.hash < b.hash ? -1 : 1))
        .map((blob) => ({ name: blob.hash, digest: digestFrom(blob) }));
      return { name, child: create(DirectorySchema, { files }) };
    });
  const directories = named.map(({ name, child }) => ({
    name,
    digest: digestFrom(blobOf(toBinary(DirectorySchema, child))),
  }));
  return { root: { directories }, children: named.map(({ child }) => child) };
}
