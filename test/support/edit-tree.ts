// A program that changes a directory as it is told: a list of edits as JSON on stdin, the directory as its
// argument. What stands in the way of an edit is removed, so that nearly every edit does something; one that the
// file system still refuses is left out.
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { text } from "node:stream/consumers";

/** One change. Paths are relative; names and targets are byte strings (one character a byte). */
export type Edit =
  | { readonly do: "mkdir" | "renew" | "fifo" | "socket" | "remove"; readonly path: string }
  | { readonly do: "write"; readonly path: string; readonly content: string }
  | { readonly do: "append"; readonly path: string; readonly content: string }
  | { readonly do: "symlink"; readonly path: string; readonly target: string }
  | { readonly do: "device"; readonly path: string; readonly minor: number }
  | { readonly do: "link" | "rename"; readonly path: string; readonly to: string }
  | { readonly do: "chmod"; readonly path: string; readonly mode: number }
  | { readonly do: "chown"; readonly path: string; readonly uid: number; readonly gid: number }
  | { readonly do: "time"; readonly path: string; readonly seconds: number }
  | { readonly do: "attribute"; readonly path: string; readonly name: string; readonly value: string };

const bytes = (path: string): Buffer => Buffer.from(path, "latin1");

/** Programs take text only: they work on a plain name, which is then renamed. */
function byProgram(path: string, make: (plain: string) => void): void {
  const plain = ".edit";
  make(plain);
  try {
    fs.linkSync(plain, bytes(path));
  } finally {
    fs.unlinkSync(plain);
  }
}

/** And for what exists, through an open file. */
function throughFd(path: string, argv: readonly string[]): void {
  const fd = fs.openSync(
    bytes(path),
    fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
  );
  try {
    execFileSync(argv[0] ?? "", [...argv.slice(1), "/proc/self/fd/3"], {
      stdio: ["ignore", "ignore", "ignore", fd],
    });
  } finally {
    fs.closeSync(fd);
  }
}

/** Room for something new: directories above it, nothing at it. */
function clear(path: string): void {
  const names = path.split("/");
  for (let depth = 1; depth < names.length; depth++) {
    const dir = bytes(names.slice(0, depth).join("/"));
    if (fs.lstatSync(dir, { throwIfNoEntry: false })?.isDirectory() === true) continue;
    fs.rmSync(dir, { force: true });
    fs.mkdirSync(dir);
  }
  fs.rmSync(bytes(path), { recursive: true, force: true });
}

const NEW: ReadonlySet<Edit["do"]> = new Set(["renew", "write", "symlink", "fifo", "socket", "device"]);

function apply(edit: Edit): void {
  const path = bytes(edit.path);
  if (NEW.has(edit.do)) clear(edit.path);
  if ("to" in edit && edit.to !== edit.path) {
    fs.lstatSync(path);
    if (!edit.path.startsWith(`${edit.to}/`)) clear(edit.to);
  }
  switch (edit.do) {
    case "mkdir":
      fs.mkdirSync(path, { recursive: true });
      return;
    case "renew":
      fs.mkdirSync(path);
      return;
    case "remove":
      fs.rmSync(path, { recursive: true });
      return;
    case "write":
      fs.writeFileSync(path, edit.content);
      return;
    case "append":
      if (fs.lstatSync(path).isFile()) fs.appendFileSync(path, edit.content);
      return;
    case "symlink":
      fs.symlinkSync(bytes(edit.target), path);
      return;
    case "fifo":
      byProgram(edit.path, (plain) => execFileSync("mkfifo", [plain]));
      return;
    case "socket":
      byProgram(edit.path, (plain) =>
        execFileSync("perl", [
          "-MIO::Socket::UNIX",
          "-e",
          "IO::Socket::UNIX->new(Local=>shift,Listen=>1)",
          plain,
        ]),
      );
      return;
    case "device":
      byProgram(edit.path, (plain) => execFileSync("mknod", [plain, "c", "1", String(edit.minor)]));
      return;
    case "link":
      fs.linkSync(path, bytes(edit.to));
      return;
    case "rename":
      fs.renameSync(path, bytes(edit.to));
      return;
    case "chmod":
      if (!fs.lstatSync(path).isSymbolicLink()) fs.chmodSync(path, edit.mode);
      return;
    case "chown":
      fs.lchownSync(path, edit.uid, edit.gid);
      return;
    case "time":
      fs.lutimesSync(path, edit.seconds, edit.seconds);
      return;
    case "attribute":
      throughFd(edit.path, ["setfattr", "-n", edit.name, "-v", edit.value]);
  }
}

process.chdir(process.argv[2] ?? ".");
let refused = 0;
for (const edit of JSON.parse(await text(process.stdin)) as Edit[]) {
  try {
    apply(edit);
  } catch {
    refused++;
  }
}
process.stdout.write(String(refused));
