// A process of its own that runs one job or one deletion and prints what came of it as JSON: to be killed, to
// be started as another user, or in a mount namespace that may be spoilt.
import { unwrap } from "../../engine/problem.js";
import { canHoldTrees, probeIsolation } from "../../engine/execute/local/capability.js";
import { removeTree } from "../../engine/execute/local/remove.js";
import { runJob, type Isolation, type Job } from "../../engine/execute/local/sandbox.js";
import { clearStaleStages } from "../../engine/execute/local/stale.js";

/** What the driver can be asked for. A job without isolation runs in the best there is. */
export type Order =
  | { readonly do: "run"; readonly job: Job; readonly how?: Isolation }
  | { readonly do: "remove"; readonly dir: string; readonly unmount: boolean }
  | { readonly do: "stale"; readonly dir: string }
  | { readonly do: "probe"; readonly dir: string };

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case "run": {
      const stop = new AbortController();
      process.once("SIGTERM", () => stop.abort());
      return runJob(order.job, order.how ?? unwrap(await probeIsolation(order.job.stage)), stop.signal);
    }
    case "remove":
      return removeTree(order.dir, { unmount: order.unmount });
    case "stale":
      return clearStaleStages(order.dir);
    case "probe": {
      const probed = await probeIsolation(order.dir);
      const how = probed.ok ? probed.value : ({ kind: "process-groups" } as const);
      return { probed, overlay: await canHoldTrees(order.dir, how, true) };
    }
  }
}

// Whoever starts this wrote the order with `order()` of sandbox.ts.
const order = JSON.parse(process.argv[2] ?? "") as Order;
console.log(JSON.stringify(await obey(order)));
