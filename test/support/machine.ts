// A machine started from a disk image that keeps what it writes, with a network of QEMU's in which it is logged into over SSH,
// and reaches packages that the host serves. It lives through reboots, and its power can be cut.
//
// A machine that restarts is a QEMU of its own, on the same disk. Under emulation one that is reset keeps what it translated of
// the system before, and looks there for each byte that the boot loader writes: ten minutes for an initrd of 10 MB.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { createServer as createHttp, type Server } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { qemu, type Machine as Plan } from "../../rules/guest.js";

/** What a unit of the image says on the console when its SSH server listens. */
export const SSH_READY = "SSH-SERVER-READY";
/** What it says after what there is to see of one that does not. */
export const SSH_FAILED = "SSH-SERVER-DOES-NOT-LISTEN";

/** A machine that runs. */
export interface Machine {
  /** Waits until the console has said it once more than at the last call. */
  readonly says: (text: string) => Promise<void>;
  /** Runs a command as root, over SSH; what it said, or an error with that. */
  readonly ssh: (command: string) => Promise<string>;
  /** Starts one and does not wait for its end. */
  readonly sshStart: (command: string) => ChildProcess;
  /** The host key that it shows, of one type. */
  readonly hostKey: () => Promise<string>;
  readonly console: () => string;
  /** What is not on the disk is lost. */
  readonly cutPower: () => Promise<void>;
}

/** Starts `image` on a copy at `keep`, which is made where it is not there. `key`: a private key that may log in. */
export async function startMachine(given: {
  readonly image: string;
  readonly keep: string;
  readonly scratch: string;
  readonly key: string;
  readonly firmware?: "bios" | "uefi";
}): Promise<Machine> {
  const { image, keep, scratch, key, firmware = "bios" } = given;
  const port = await freePort();
  const rules = await qemu();
  const plan: Plan = { as: "disk", firmware, memory: 1024 ** 3, cpus: 1, net: true, keep };
  const argv = [
    ...rules.machine(plan, "tcg"),
    ...["-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"],
    ...rules.firmware(plan, scratch, rules.really),
    ...rules.medium(plan, { IMAGE: image }, scratch, rules.really),
  ].map((word) => (word === "user,id=net" ? `${word},hostfwd=tcp:127.0.0.1:${port}-:22` : word));
  let console = "";
  let from = 0;
  let over = false;
  const listeners = new Set<() => void>();
  const heard = (): void => listeners.forEach((listener) => listener());
  const start = (): ChildProcess => {
    const started = spawn("setpriv", ["--pdeathsig", "KILL", "--", rules.QEMU, ...argv], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    started.stdout.setEncoding("utf8").on("data", (piece: string) => {
      console += piece;
      heard();
    });
    started.once("close", (status) => {
      if (over) return;
      if (status === 0) child = start();
      else over = true;
      heard();
    });
    return started;
  };
  let child = start();
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const at = console.indexOf(text, from);
        const failed = console.indexOf(SSH_FAILED, from);
        if (at < 0 && failed < 0 && !over) return;
        listeners.delete(look);
        if (at >= 0) from = at + text.length;
        if (at >= 0) resolve();
        else {
          const why = failed < 0 ? "the machine ended" : "its SSH server does not listen";
          reject(new Error(`${why}, and it did not say ${text}: ${console.slice(from).slice(-8000)}`));
        }
      };
      listeners.add(look);
      look();
    });
  const options = [
    ...["-i", key, "-p", String(port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=60"],
    ...["-o", "StrictHostKeyChecking=no", "-o", `UserKnownHostsFile=${join(scratch, "known")}`],
    ...["-o", "LogLevel=ERROR", "root@127.0.0.1"],
  ];
  const sshStart = (command: string): ChildProcess =>
    spawn("ssh", [...options, command], { stdio: ["ignore", "pipe", "pipe"] });
  /** What fails on the machine is told with what it said last. */
  const orConsole = (work: Promise<string>): Promise<string> =>
    work.catch((error: unknown) => {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}\non its console:\n${console.slice(-8000)}`);
    });
  return {
    says,
    sshStart,
    ssh: async (command) => orConsole(said(sshStart(command), command)),
    hostKey: () => {
      const scan = ["-T", "60", "-p", String(port), "-t", "ed25519", "127.0.0.1"];
      return orConsole(
        said(spawn("ssh-keyscan", scan, { stdio: ["ignore", "pipe", "pipe"] }), "ssh-keyscan"),
      );
    },
    console: () => console,
    cutPower: async () => {
      if (over) return;
      over = true;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

async function said(child: ChildProcess, what: string): Promise<string> {
  let [out, all] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    all += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (all += text));
  await once(child, "close");
  if (child.exitCode !== 0) throw new Error(`${what}: status ${child.exitCode}\n${all}`);
  return out.trim();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Files of a directory over HTTP; `url` is how a guest reaches them. */
export async function serve(dir: string): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createHttp((request, response) => {
    const file = join(dir, decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname));
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.writeHead(200);
    createReadStream(file).pipe(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://10.0.2.2:${(server.address() as AddressInfo).port}`, server };
}
