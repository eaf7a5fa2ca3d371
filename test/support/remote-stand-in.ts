// A stand-in for a Remote Execution cache, in memory: what it does wrong is up to a test.
import { create, fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { Server, ServerCredentials, status as Code, type ServiceDefinition } from "@grpc/grpc-js";
import type {
  handleUnaryCall,
  ServerReadableStream,
  ServerWritableStream,
  sendUnaryData,
} from "@grpc/grpc-js";
import { hashBytes } from "../../cache/hash.js";
import {
  ActionCache,
  ActionResultSchema,
  BatchReadBlobsResponseSchema,
  BatchUpdateBlobsResponseSchema,
  Capabilities,
  ContentAddressableStorage,
  DigestFunction_Value,
  FindMissingBlobsResponseSchema,
  ServerCapabilitiesSchema,
  type ActionResult,
} from "../../cache/remote/protocol/build/bazel/remote/execution/v2/remote_execution_pb.js";
import {
  ByteStream,
  ReadResponseSchema,
  WriteResponseSchema,
  type ReadRequest,
  type ReadResponse,
  type WriteRequest,
} from "../../cache/remote/protocol/google/bytestream/bytestream_pb.js";

/** What is wrong with it. */
interface Faults {
  /** This many calls fail so, whatever they are. */
  failing?: { times: number; readonly code: Code };
  /** It answers nothing. */
  silent?: boolean;
  /** What it gives of blobs. */
  changes?: (bytes: Buffer) => Buffer;
  /** Streams go on and on. */
  endless?: boolean;
  /** A stream breaks off after so many bytes, once. */
  cutAt?: number;
  /** Calls of this method are refused. */
  forbids?: string;
  /** Results are not kept, although it says so. */
  forgets?: boolean;
  /** Calls of this method are answered once so many of them wait, the first time. */
  gathers?: { readonly method: string; readonly many: number };
  /** The largest blob that it takes, in bytes. */
  largest?: number;
}

/** One that runs. */
export interface StandIn {
  readonly url: string;
  readonly blobs: Map<string, Buffer>;
  readonly results: Map<string, ActionResult>;
  readonly faults: Faults;
  /** The methods that were called, in their order. */
  readonly calls: string[];
  /** The headers of the last call. */
  readonly headers: () => Readonly<Record<string, unknown>>;
  readonly stop: () => void;
}

interface Method {
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly name: string;
  readonly methodKind: string;
  readonly parent: { readonly typeName: string };
}

const definitionOf = (methods: readonly Method[]): ServiceDefinition =>
  Object.fromEntries(
    methods.map(({ input, output, name, methodKind, parent }) => [
      name,
      {
        path: `/${parent.typeName}/${name}`,
        requestStream: methodKind === "client_streaming",
        responseStream: methodKind === "server_streaming",
        requestSerialize: (message: MessageShape<DescMessage>) => Buffer.from(toBinary(input, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(input, bytes),
        responseSerialize: (message: MessageShape<DescMessage>) => Buffer.from(toBinary(output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
      },
    ]),
  );

const CHUNK = 64 << 10;

const digestOf = (bytes: Uint8Array): { hash: string; sizeBytes: bigint } => ({
  hash: hashBytes(bytes),
  sizeBytes: BigInt(bytes.length),
});

/** Starts it on a port of its own; `key` makes it one that speaks TLS. */
export async function standIn(tls?: {
  readonly ca: Buffer | null;
  readonly key: Buffer;
  readonly cert: Buffer;
}): Promise<StandIn> {
  const blobs = new Map<string, Buffer>();
  const results = new Map<string, ActionResult>();
  const faults: Faults = {};
  const calls: string[] = [];
  const waiting: (() => void)[] = [];
  let headers: Readonly<Record<string, unknown>> = {};

  /** Whether the call is to go on; what stands in its way has been said otherwise. */
  const begins = (name: string, fails: (error: { code: Code; details: string }) => void): boolean => {
    calls.push(name);
    if (faults.silent === true) return false;
    if (faults.failing !== undefined && faults.failing.times-- > 0) {
      fails({ code: faults.failing.code, details: "said the stand-in" });
      return false;
    }
    if (faults.forbids === name) fails({ code: Code.PERMISSION_DENIED, details: "said the stand-in" });
    return faults.forbids !== name;
  };
  const given = (bytes: Buffer): Buffer => faults.changes?.(bytes) ?? bytes;

  const unary = <I extends DescMessage, O extends DescMessage>(
    method: { readonly input: I; readonly output: O; readonly name: string },
    answer: (request: MessageShape<I>) => MessageShape<O> | null,
  ): [string, handleUnaryCall<MessageShape<I>, MessageShape<O>>] => [
    method.name,
    ({ request, metadata }, done): void => {
      headers = metadata.getMap();
      if (!begins(method.name, (error) => done(error))) return;
      const answered = (): void => {
        const made = answer(request);
        if (made === null) done({ code: Code.NOT_FOUND, details: "not here" });
        else done(null, made);
      };
      if (faults.gathers?.method !== method.name) {
        answered();
        return;
      }
      waiting.push(answered);
      if (waiting.length < faults.gathers.many) return;
      delete faults.gathers;
      for (const one of waiting.splice(0)) one();
    },
  ];

  const server = new Server({ "grpc.max_receive_message_length": 4 << 20 });
  const add = (methods: readonly Method[], ...handlers: readonly [string, unknown][]): void =>
    server.addService(definitionOf(methods), Object.fromEntries(handlers) as never);

  add(
    [Capabilities.method.getCapabilities],
    unary(Capabilities.method.getCapabilities, () =>
      create(ServerCapabilitiesSchema, {
        cacheCapabilities: {
          digestFunctions: [DigestFunction_Value.SHA256],
          actionCacheUpdateCapabilities: { updateEnabled: true },
          maxCasBlobSizeBytes: BigInt(faults.largest ?? 0),
        },
      }),
    ),
  );
  const cas = ContentAddressableStorage.method;
  add(
    [cas.findMissingBlobs, cas.batchReadBlobs, cas.batchUpdateBlobs],
    unary(cas.findMissingBlobs, ({ blobDigests }) =>
      create(FindMissingBlobsResponseSchema, {
        missingBlobDigests: blobDigests.filter(
          ({ hash, sizeBytes }) => blobs.get(hash)?.length !== Number(sizeBytes),
        ),
      }),
    ),
    unary(cas.batchReadBlobs, ({ digests }) =>
      create(BatchReadBlobsResponseSchema, {
        responses: digests.map((digest) => {
          const bytes = blobs.get(digest.hash);
          return bytes === undefined
            ? { digest, status: { code: Code.NOT_FOUND } }
            : { digest, data: given(bytes) };
        }),
      }),
    ),
    unary(cas.batchUpdateBlobs, ({ requests }) =>
      create(BatchUpdateBlobsResponseSchema, {
        responses: requests.flatMap(({ digest, data }) => {
          if (digest === undefined) return [];
          const right = digestOf(data).hash === digest.hash;
          if (right) blobs.set(digest.hash, Buffer.from(data));
          return [{ digest, status: { code: right ? 0 : Code.INVALID_ARGUMENT } }];
        }),
      }),
    ),
  );
  const actions = ActionCache.method;
  /** As servers do that look whether all is there. */
  const isWhole = ({ outputFiles }: ActionResult): boolean =>
    outputFiles.every(
      ({ digest }) => digest === undefined || digest.sizeBytes === 0n || blobs.has(digest.hash),
    );
  add(
    [actions.getActionResult, actions.updateActionResult],
    unary(actions.getActionResult, ({ actionDigest }) => {
      const found = results.get(actionDigest?.hash ?? "");
      return found !== undefined && isWhole(found) ? found : null;
    }),
    unary(actions.updateActionResult, ({ actionDigest, actionResult }) => {
      const result = actionResult ?? create(ActionResultSchema);
      if (faults.forgets !== true) results.set(actionDigest?.hash ?? "", result);
      return result;
    }),
  );
  add(
    [ByteStream.method.read, ByteStream.method.write],
    [
      "Read",
      (call: ServerWritableStream<ReadRequest, ReadResponse>): void => {
        if (!begins("Read", (error) => void call.emit("error", error))) return;
        const [, hash = ""] = /blobs\/([0-9a-f]+)\//.exec(call.request.resourceName) ?? [];
        const bytes = blobs.get(hash);
        if (bytes === undefined) {
          call.emit("error", { code: Code.NOT_FOUND, details: "not here" });
          return;
        }
        const data = given(bytes);
        const cut = faults.cutAt;
        const from = Number(call.request.readOffset);
        for (let at = from; at < data.length; at += CHUNK) {
          if (cut !== undefined && at >= cut && from < cut) {
            delete faults.cutAt;
            call.emit("error", { code: Code.UNAVAILABLE, details: "cut off" });
            return;
          }
          call.write(create(ReadResponseSchema, { data: data.subarray(at, at + CHUNK) }));
        }
        if (faults.endless !== true) {
          call.end();
          return;
        }
        const more = (): void => {
          while (
            !call.cancelled &&
            call.write(create(ReadResponseSchema, { data: data.subarray(0, CHUNK) }))
          );
        };
        call.on("drain", more);
        more();
      },
    ],
    [
      "Write",
      (call: ServerReadableStream<WriteRequest, never>, done: sendUnaryData<unknown>): void => {
        if (!begins("Write", (error) => done(error))) return;
        let name = "";
        const parts: Uint8Array[] = [];
        call.on("data", ({ resourceName, data }: WriteRequest) => {
          name ||= resourceName;
          parts.push(data);
        });
        call.on("end", () => {
          const bytes = Buffer.concat(parts);
          const [, hash] = /uploads\/[^/]+\/blobs\/([0-9a-f]+)\//.exec(name) ?? [];
          if (hashBytes(bytes) !== hash) {
            done({ code: Code.INVALID_ARGUMENT, details: "other bytes" });
            return;
          }
          blobs.set(hash, bytes);
          done(null, create(WriteResponseSchema, { committedSize: BigInt(bytes.length) }));
        });
      },
    ],
  );
  const how =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          tls.ca,
          [{ private_key: tls.key, cert_chain: tls.cert }],
          tls.ca !== null,
        );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", how, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    }),
  );
  return {
    ...{ url: `${tls === undefined ? "grpc" : "grpcs"}://localhost:${port}`, blobs, results, faults, calls },
    headers: () => headers,
    stop: () => server.forceShutdown(),
  };
}
