// The state directory: made here, with one owner, and used only where nobody else can have written to it. Nothing in it
// is followed as a link: what lies there is deleted, moved and run with the rights of whoever builds.
import { lchownSync, lstatSync, mkdirSync, readdirSync, realpathSync, statSync, type Stats } from "node:fs";
import { dirname, relative } from "node:path";
import { directoriesIn, projectPath, SIGNS, statePath, typesPath } from "../cache/layout.js";
import { typesText } from "../cache/installed.js";
import { ownerIn, writeWhole } from "../cache/write.js";
import { codeOf, ioProblem, isThere, readPlain, writeIfPossible } from "../cache/io.js";
import { mountsBelow } from "./execute/local/mountinfo.js";
import { Exit, fail, ok, type Result } from "./problem.js";
import type { Project } from "./project.js";

/** File systems on which actions have a directory of their own, so that a project there is not to be seen by them. */
const HIDDEN = /^\/(?:dev|proc|sys)(?:\/|$)/;

/** Makes what is missing of the state directory; a Problem (exit 3) where what is there cannot be trusted. */
export function makeState(project: Project): Result<void> {
  try {
    if (statsOf(project.state) === undefined) makeDirectory(project.state, 0o755);
    const trusted = trustState(project);
    if (!trusted.ok) return trusted;
    for (const [path, mode] of directoriesIn(project))
      if (statsOf(path) === undefined) makeDirectory(path, mode);
    keepTypes(project);
    return claim(project);
  } catch (error) {
    return ioProblem(`make ${project.state}`, error);
  }
}

/** Says to editors where the types of this imagemake are. Losing it costs them alone. */
function keepTypes(project: Project): void {
  const [file, text] = [typesPath(project), typesText()];
  if (!isThere(file) || readPlain(file)?.toString("utf8") !== text)
    writeIfPossible(() => writeWhole(file, text, ownerIn(project.state)));
}

/**
 * Exit 3 where the state is another project's as well: its releases are not looked at here, and what they need would be
 * removed, packages that no mirror has any more among it. A project that was moved or copied takes what came along.
 */
function claim(project: Project): Result<void> {
  const [file, mine] = [projectPath(project), realpathSync(project.dir)];
  const other = isThere(file) ? (readPlain(file)?.toString("utf8").trim() ?? "") : "";
  if (other === mine) return ok(undefined);
  const leadsHere = other !== "" && isSame(statePath(other), project.state) && !isSame(other, mine);
  if (leadsHere)
    return fail(
      Exit.environment,
      `${project.state} is the state directory of ${other}, and of one project only`,
      `let ${statePath(project.dir)} lead to a directory of its own`,
    );
  writeIfPossible(() => writeWhole(file, `${mine}\n`, ownerIn(project.state)));
  return ok(undefined);
}

/** Whether two paths lead to the same directory. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && a.ino === b?.ino && a.dev === b.dev;
}

/** Exit 3 where something of the state directory is a link, a mount, or may have been written by others. */
export function trustState(project: Project): Result<void> {
  const { state } = project;
  const there = statsOf(state);
  if (there === undefined) return ok(undefined);
  if (there.isSymbolicLink())
    return fail(
      Exit.environment,
      `${state} is a symbolic link that leads nowhere`,
      "make the directory that it leads to, or remove it",
    );
  if (!there.isDirectory())
    return fail(Exit.environment, `${state} is not a directory`, "move it out of the way");
  if (HIDDEN.test(realpathSync(state)))
    return fail(
      Exit.environment,
      `${state} is below ${realpathSync(state).split("/").slice(0, 2).join("/")}, and actions have another one there`,
      "move the project to another file system",
    );
  if (isLink(statePath(project.dir)) && !isState(state))
    return fail(
      Exit.environment,
      `${state}, where .imagemake leads, is not empty and no state directory`,
      "let it lead to an empty directory",
    );
  const mounted = mountedIn(project);
  if (!mounted.ok) return mounted;
  for (const path of [state, ...directoriesIn(project).map(([name]) => name)]) {
    const stats = statsOf(path);
    const wrong = stats === undefined ? null : distrusted(project, path, stats);
    if (wrong !== null) return wrong;
  }
  return ok(undefined);
}

function distrusted(project: Project, path: string, stats: Stats): Result<never> | null {
  if (stats.isSymbolicLink())
    return fail(
      Exit.environment,
      `${path} is a symbolic link, and none is followed there`,
      "remove it; to have the state elsewhere, let .imagemake itself be a link to an empty directory",
    );
  if (!stats.isDirectory()) return fail(Exit.environment, `${path} is not a directory`, "remove it");
  const asRoot = process.getuid?.() === 0;
  // Whoever may write to the Imagefile's directory may have anything run already.
  const owners = [0, lstatSync(realpathSync(project.dir)).uid, process.getuid?.()];
  if (asRoot && !owners.includes(stats.uid))
    return fail(
      Exit.environment,
      `${path} belongs to user ${stats.uid}, who is not the owner of the Imagefile's directory`,
      `what lies there may be anything: remove it, or give it to root if you trust it (chown -R root ${project.state})`,
    );
  if ((stats.mode & (asRoot ? 0o022 : 0o002)) !== 0)
    return fail(Exit.environment, `${path} can be written by others`, `chmod go-w ${path}`);
  return null;
}

/** What is moved from one directory to another has to stay on one file system. */
function mountedIn(project: Project): Result<void> {
  const { state } = project;
  const real = realpathSync(state);
  const mounted = new Set(mountsBelow(real).map((path) => relative(real, path)));
  for (const [path] of directoriesIn(project)) {
    if (mounted.has(relative(state, path)))
      return fail(
        Exit.environment,
        `${path} is a mount of its own, and what is built is moved from one directory of ${state} to another`,
        "mount over .imagemake instead, or let .imagemake be a link",
      );
  }
  return ok(undefined);
}

/** Whether it is empty, or was used by an imagemake. */
function isState(dir: string): boolean {
  const names = readdirSync(dir);
  return names.length === 0 || names.some((name) => SIGNS.has(name));
}

function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Another imagemake was quicker.
    if (codeOf(error) !== "EEXIST") throw error;
    return;
  }
  const owner = ownerIn(dirname(path));
  if (owner !== null) lchownSync(path, owner.uid, owner.gid);
}

const statsOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

const isLink = (path: string): boolean => statsOf(path)?.isSymbolicLink() === true;
