// What settings say of a remote cache: its address, and the files by which one is let in. Secrets are in files of their own,
// which nobody else may read, and go over no line that others can read.
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { cwd } from "node:process";
import { addressOf, isLoopback, type Address } from "../cache/remote/address.js";
import type { Access, Link } from "../cache/remote/link.js";
import { ioProblem } from "../cache/io.js";
import { Exit, fail, ok, type Result } from "../engine/problem.js";
import type { SettingName, Settings } from "./settings.js";

/** A server, and what lets one in. */
export interface RemoteAccess {
  readonly address: Address;
  readonly access: Access;
}

/** The settings that name files. */
type FileSetting = Extract<SettingName, "remote.ca" | "remote.cert" | "remote.key" | "remote.headers">;

/** Reads the files that settings name. Exit 2 for what is wrong with the words, 3 for a file that cannot be read. */
export function accessOf(url: string, settings: Settings | null): Result<RemoteAccess> {
  const address = addressOf(url);
  if (!address.ok) return address;
  const files = filesOf(settings);
  if (!files.ok) return files;
  const { "remote.ca": ca, "remote.cert": cert, "remote.key": key, "remote.headers": headers } = files.value;
  if ((cert === undefined) !== (key === undefined))
    return fail(Exit.usage, "remote.cert and remote.key go together, and one of them is missing");
  if (!address.value.secure && (ca ?? cert) !== undefined)
    return fail(Exit.usage, `certificates are of no use to ${url}`, "grpcs:// is the one with TLS");
  if (headers !== undefined && !address.value.secure && !isLoopback(address.value))
    return fail(Exit.usage, `everybody on the way to ${url} could read remote.headers`, "use grpcs://");
  const read = headers === undefined ? ok([]) : headersIn(headers.path, headers.bytes.toString("utf8"));
  if (!read.ok) return read;
  const identity = cert === undefined || key === undefined ? null : { cert: cert.bytes, key: key.bytes };
  return ok({ address: address.value, access: { ca: ca?.bytes ?? null, identity, headers: read.value } });
}

interface ReadFile {
  readonly path: string;
  readonly bytes: Buffer;
}

const FILES: Readonly<Record<FileSetting, "secret" | "known">> = {
  "remote.ca": "known",
  "remote.cert": "known",
  "remote.key": "secret",
  "remote.headers": "secret",
};

function filesOf(settings: Settings | null): Result<Partial<Record<FileSetting, ReadFile>>> {
  const found: Partial<Record<FileSetting, ReadFile>> = {};
  for (const name of Object.keys(FILES) as FileSetting[]) {
    const setting = settings?.all.find((one) => one.name === name);
    if (typeof setting?.value !== "string") continue;
    // A path in a file is meant from there.
    const base = setting.from === "environment" || setting.where === null ? cwd() : dirname(setting.where);
    const path = resolve(base, setting.value);
    try {
      if (FILES[name] === "secret" && (statSync(path).mode & 0o077) !== 0)
        return fail(
          Exit.environment,
          `${path} (${name}) is a secret, and others may read it`,
          `chmod 600 ${path}`,
        );
      found[name] = { path, bytes: readFileSync(path) };
    } catch (error) {
      return ioProblem(`read ${path} (${name})`, error);
    }
  }
  return ok(found);
}

/** Lines `name: value`; empty ones, and those behind a `#`, are none. */
function headersIn(path: string, text: string): Result<readonly (readonly [string, string])[]> {
  const found: (readonly [string, string])[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, name = "", value = ""] = /^([0-9A-Za-z_.-]+):\s*([\x20-\x7e]*?)\s*$/.exec(line) ?? [];
    if (name === "" || /^grpc-/i.test(name) || /-bin$/i.test(name))
      return fail(Exit.usage, `${path}:${at + 1}: expected a header, name: value`);
    found.push([name.toLowerCase(), value]);
  }
  return ok(found);
}

let last: { readonly link: Link; readonly of: string } | null = null;

/** A connection: that of before, where it is to the same server and did not fail (`watch` builds often). */
export async function linkTo({ address, access }: RemoteAccess): Promise<Link> {
  const of = JSON.stringify([address, access]);
  if (last?.of === of && !last.link.isGone) return last.link;
  last?.link.close();
  const { Link } = await import("../cache/remote/link.js");
  const link = new Link(address, access);
  last = { link, of };
  return link;
}
