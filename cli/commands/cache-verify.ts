// `imagemake cache verify`: digests everything in the store again, and removes what is no good, so that the next
// build makes it anew; with -n only says.
import { Index } from "../../cache/index.js";
import { probeIsolation } from "../../engine/execute/local/capability.js";
import { Exit } from "../../engine/problem.js";
import { verifyAll, type Finding, type Verified } from "../../engine/verify.js";
import { output } from "../output.js";
import { counted, listed } from "../render/numbers.js";
import { say, type Call } from "../call.js";
import { hasState, makersOf, projectOfCall, warn, whileLocked } from "../state.js";

/** Exit 1 if anything was wrong, 3 if something could not be looked at. */
export async function command(call: Call<"cache verify">): Promise<number> {
  const project = projectOfCall(call);
  const run = async (index: Index, repair: boolean): Promise<number> => {
    try {
      const makers = makersOf(index);
      const probed = await probeIsolation(hasState(project) ? project.state : project.dir);
      // Nothing is run: what only root of a user namespace can look at is said to be unknown.
      const isolation = probed.ok ? probed.value : ({ kind: "process-groups" } as const);
      const verified = await verifyAll({ project, index, isolation, repair });
      const madeBy = (finding: Finding): string | null => makers.get(finding.name)?.action ?? null;
      print(call, verified, madeBy, repair);
      return statusOf(verified);
    } finally {
      index.close();
    }
  };
  return call.options.dryRun === true || !hasState(project)
    ? run(Index.look(project.index), false)
    : whileLocked(call, project, () => run(Index.open(project.index, warn), true));
}

function statusOf({ findings, problems }: Verified): number {
  if (findings.some(({ state }) => state !== "unknown")) return Exit.failed;
  return findings.length + problems.length > 0 ? Exit.environment : Exit.done;
}

function print(
  call: Call<"cache verify">,
  verified: Verified,
  madeBy: (finding: Finding) => string | null,
  repaired: boolean,
): void {
  const { files, trees, packages, snapshots, findings, voided, problems } = verified;
  if (call.options.json === true) {
    const rows = findings.map((finding) => ({ ...finding, target: madeBy(finding) }));
    const builds = voided.map(({ build: { id, action, line, release }, read }) => ({
      build: id,
      target: action,
      line,
      release,
      read,
    }));
    const data = { repaired, files, trees, packages, snapshots, findings: rows, voided: builds, problems };
    output.write(`${JSON.stringify(data, null, 2)}\n`);
    return;
  }
  const lines = findings.map((finding) => {
    const { state, kind, name, why } = finding;
    const target = madeBy(finding);
    const about = [target === null ? "" : `made by ${target}`, why ?? ""].filter((text) => text !== "");
    const words = state === "unknown" ? "not verified" : state;
    return `${words}: ${kind} ${name}${about.length === 0 ? "" : ` (${about.join("; ")})`}`;
  });
  for (const { build, read } of voided)
    lines.push(`void: ${build.action} (built in ${build.release}; it read ${read})`);
  const looked = listed([
    ...[counted(files, "file"), counted(trees, "tree"), counted(packages, "package")],
    ...(snapshots === 0 ? [] : [counted(snapshots, "snapshot")]),
  ]);
  const bad = findings.filter(({ state }) => state !== "unknown").length;
  lines.push(
    bad > 0
      ? `${looked}: ${bad} no good${repaired ? "; the next build makes anew what it needs of that" : ""}`
      : `${looked}: ${findings.length === 0 ? "all whole" : "nothing found that is no good"}`,
  );
  output.write(lines.map((line) => `${line}\n`).join(""));
  for (const problem of problems) say(problem);
}
