// Speaks to a Remote Execution server: calls with deadlines that are tried again, and streams of bytes. What it answers is
// believed by nobody here. When it was tried in vain it is left alone from then on.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Client, credentials, Metadata, status as Code, type ServiceError } from "@grpc/grpc-js";
import { Exit, asError, ProblemError, type Problem } from "../problem.js";
import type { Address } from "./address.js";
import { PATIENCE, trying, type Patience, type Spent } from "./tries.js";

/** What it takes to be let in. */
export interface Access {
  /** Certificates of who is believed, PEM; null for those that the system believes. */
  readonly ca: Buffer | null;
  /** Who this client is, PEM. */
  readonly identity: { readonly cert: Buffer; readonly key: Buffer } | null;
  /** Sent with each call: tokens, and the like. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** How long a call may take, in milliseconds; of a stream, how long nothing may come. */
const DEADLINE_MS = 60_000;

/** No message that is larger is taken. Bytes. */
const MOST_MESSAGE = 16 << 20;

/** Ends of calls that may be others at the next try. */
const PASSING = new Set<Code>([
  ...[Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.ABORTED],
  ...[Code.RESOURCE_EXHAUSTED, Code.INTERNAL, Code.CANCELLED],
]);

const isServiceError = (thrown: unknown): thrown is ServiceError =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "number" && "details" in thrown;

/** How a server said that something is not there. */
const isNotFound = (thrown: unknown): boolean => isServiceError(thrown) && thrown.code === Code.NOT_FOUND;

/** A connection, made at the first call. */
export class Link {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  /** Why it is not asked any more. */
  #gone: Problem | null = null;

  constructor(
    readonly address: Address,
    { ca, identity, headers }: Access,
    private readonly patience: Patience = PATIENCE,
    private readonly deadline = DEADLINE_MS,
  ) {
    const { host, port, secure } = address;
    const how = secure
      ? credentials.createSsl(ca, identity?.key ?? null, identity?.cert ?? null)
      : credentials.createInsecure();
    this.#client = new Client(`${host}:${port}`, how, {
      "grpc.max_receive_message_length": MOST_MESSAGE,
      // No pings: many servers end connections on which they come more often than every five minutes, and each call and
      // each stream has a deadline.
      "grpc.enable_retries": 0,
      "grpc.service_config_disable_resolution": 1,
    });
    for (const [name, value] of headers) this.#metadata.add(name, value);
  }

  /** Whether it was tried in vain. */
  get isGone(): boolean {
    return this.#gone !== null;
  }

  close(): void {
    this.#client.close();
  }

  /** Calls; null where the server says that it does not have what is asked for. `deadline` in milliseconds. Throws problems. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    message: MessageInitShape<I>,
    deadline = this.deadline,
  ): Promise<MessageShape<O> | null> {
    const request = create(method.input, message);
    return this.#persist(
      () =>
        new Promise<MessageShape<O> | null>((resolve, reject) => {
          this.#client.makeUnaryRequest(
            pathOf(method),
            writer(method.input),
            reader(method.output),
            request,
            this.#metadata,
            { deadline: Date.now() + Math.min(deadline, this.deadline) },
            (error, answer) => {
              if (error !== null) reject(error);
              else resolve(answer ?? null);
            },
          );
        }),
    );
  }

  /** Does what makes calls by itself, as `call` does; null for what is not there. */
  async #persist<T>(work: () => Promise<T>): Promise<T | null> {
    if (this.#gone !== null) throw new ProblemError(this.#gone);
    const passes = (error: unknown): boolean =>
      this.#gone === null && isServiceError(error) && PASSING.has(error.code);
    const gaveUp = (error: unknown, spent: Spent): Error => {
      this.#gone ??= this.#problem(error as ServiceError, spent);
      return new ProblemError(this.#gone);
    };
    try {
      return await trying(work, passes, gaveUp, this.patience);
    } catch (error) {
      if (isNotFound(error)) return null;
      if (isServiceError(error)) throw new ProblemError(this.#problem(error, null));
      throw error;
    }
  }

  /**
   * Reads what a stream brings, from where it broke off where it does; `take` is given it in order, and says how many bytes
   * there are so far. Null where the server does not have it.
   */
  receive<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: () => MessageInitShape<I>,
    take: (message: MessageShape<O>) => void | Promise<void>,
  ): Promise<true | null> {
    return this.#persist(async () => {
      const stream = this.#client.makeServerStreamRequest(
        pathOf(method),
        writer(method.input),
        reader(method.output),
        create(method.input, request()),
        this.#metadata,
      );
      const watch = this.#watch(() => stream.cancel());
      try {
        for await (const message of stream) {
          watch.again();
          await take(message as MessageShape<O>);
        }
        return true as const;
      } catch (error) {
        stream.cancel();
        throw watch.isOver ? late(error) : error;
      } finally {
        watch.end();
      }
    });
  }

  /** Sends what `messages` gives, from the beginning at each try. */
  send<I extends DescMessage, O extends DescMessage>(
    method: { readonly input: I; readonly output: O; readonly name: string; readonly parent: Parent },
    messages: () => AsyncIterable<MessageInitShape<I>>,
  ): Promise<MessageShape<O> | null> {
    return this.#persist(async () => {
      let stop = (): void => undefined;
      const watch = this.#watch(() => stop());
      try {
        return await new Promise<MessageShape<O> | null>((resolve, reject) => {
          let ended = false;
          const stream = this.#client.makeClientStreamRequest(
            pathOf(method),
            writer(method.input),
            reader(method.output),
            this.#metadata,
            (error, answer) => {
              ended = true;
              stream.emit("drain");
              if (error !== null) reject(watch.isOver ? (late(error) as Error) : error);
              else resolve(answer ?? null);
            },
          );
          stop = () => stream.cancel();
          // The callback has it too.
          stream.on("error", () => undefined);
          const give = async (): Promise<void> => {
            for await (const message of messages()) {
              // A server that has it already answers before it was sent.
              if (ended) return;
              watch.again();
              if (!stream.write(create(method.input, message)))
                await new Promise<void>((resolve) => {
                  stream.once("drain", resolve);
                });
            }
            stream.end();
          };
          give().catch((error: unknown) => {
            stream.cancel();
            reject(asError(error));
          });
        });
      } finally {
        watch.end();
      }
    });
  }

  /** Does `stop` when nothing was said for long. */
  #watch(stop: () => void): {
    readonly again: () => void;
    readonly end: () => void;
    readonly isOver: boolean;
  } {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      stop();
    }, this.deadline);
    return {
      again: () => void timer.refresh(),
      end: () => clearTimeout(timer),
      get isOver() {
        return over;
      },
    };
  }

  #problem({ code, details }: ServiceError, spent: Spent | null): Problem {
    const { name } = this.address;
    const said = plain(details);
    const waited =
      spent === null ? "" : ` (tried ${spent.tries} times, for ${(spent.ms / 1000).toFixed(1)} s)`;
    switch (code) {
      case Code.UNAVAILABLE:
        return { exit: Exit.environment, message: `${name} cannot be reached: ${said}${waited}` };
      case Code.DEADLINE_EXCEEDED:
        return { exit: Exit.environment, message: `${name} does not answer in time${waited}` };
      case Code.UNAUTHENTICATED:
      case Code.PERMISSION_DENIED:
        return {
          ...{ exit: Exit.environment, message: `${name} does not allow this: ${said}` },
          hint: "remote.headers, remote.cert and remote.key say who you are",
        };
      case Code.RESOURCE_EXHAUSTED:
        return {
          exit: Exit.environment,
          message: `${name} is full, or takes no more for now: ${said}${waited}`,
        };
      default:
        return { exit: Exit.environment, message: `${name} answers ${Code[code]}: ${said}${waited}` };
    }
  }
}

interface Parent {
  readonly typeName: string;
}

const pathOf = ({ name, parent }: { readonly name: string; readonly parent: Parent }): string =>
  `/${parent.typeName}/${name}`;

const writer =
  <D extends DescMessage>(schema: D) =>
  (message: MessageShape<D>): Buffer => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  };

const reader =
  <D extends DescMessage>(schema: D) =>
  (bytes: Buffer): MessageShape<D> =>
    fromBinary(schema, bytes);

/** A stream that was stopped because nothing came. */
const late = <T>(error: T): T =>
  isServiceError(error) ? Object.assign(error, { code: Code.DEADLINE_EXCEEDED }) : error;

/** What a server said, fit to be shown: one line, and not endless. */
const plain = (text: string): string => {
  const line = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
};
