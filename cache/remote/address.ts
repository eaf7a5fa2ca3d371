// Where a Remote Execution cache is: `grpc://host:port/instance`, or `grpcs://` with TLS. No secret stands in it.
import { Exit, fail, ok, type Result } from "../problem.js";

/** A server, and the part of it that is meant. */
export interface Address {
  /** As people wrote it, without a slash at the end. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** The instance name; empty for a server that has one. */
  readonly instance: string;
}

/** What is expected, in words. */
const ADDRESS_FORM = "grpc://host:9092, grpcs://host:443 with TLS, or either with /instance behind it";

const HTTPS_PORT = 443;

/** Words of resource names: an instance that has one would be read as another thing. */
const RESERVED = new Set([
  ...["blobs", "uploads", "actions", "actionResults"],
  ...["operations", "capabilities", "compressed-blobs"],
]);

/** Reads it; exit 2 for what is not one. */
export function addressOf(text: string): Result<Address> {
  if (!URL.canParse(text)) return fail(Exit.usage, `${text} is not the URL of a remote cache`, ADDRESS_FORM);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "")
    return fail(
      Exit.usage,
      "the URL of a remote cache holds no user and no password",
      "put them into a file of headers",
    );
  const secure = url.protocol === "grpcs:";
  if (!secure && url.protocol !== "grpc:")
    return fail(
      Exit.usage,
      `${url.protocol}// is not a kind of remote cache that this imagemake supports`,
      ADDRESS_FORM,
    );
  if (url.hostname === "" || url.search !== "" || url.hash !== "")
    return fail(Exit.usage, `${text} is not the URL of a remote cache`, ADDRESS_FORM);
  if (url.port === "" && !secure) return fail(Exit.usage, `${text} names no port`, ADDRESS_FORM);
  const instance = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, "");
  const word = instance.split("/").find((one) => RESERVED.has(one));
  if (word !== undefined)
    return fail(Exit.usage, `${word} cannot be part of an instance's name`, ADDRESS_FORM);
  const port = url.port === "" ? HTTPS_PORT : Number(url.port);
  return ok({ name: text.replace(/\/+$/, ""), host: url.hostname, port, secure, instance });
}

/** Whether nobody else can read what goes there, since it does not leave the machine. */
export const isLoopback = ({ host }: Address): boolean =>
  host === "localhost" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
