// Where settings are kept: beside the Imagefile, and the user's own. It imports nothing, since a run with nothing to do asks.

/** Beside the Imagefile. */
export const PROJECT_CONFIG = "imagemake.toml";

/** The user's own file, by the XDG base directory specification; null where there is no home. */
export function userConfig(env: NodeJS.ProcessEnv): string | null {
  const [home, config] = [env["HOME"] ?? "", env["XDG_CONFIG_HOME"] ?? ""];
  // A relative one is to be ignored.
  const base = config.startsWith("/") ? config : home.startsWith("/") ? `${home}/.config` : null;
  return base === null ? null : `${base}/imagemake/config.toml`;
}

/** Whether the environment says how progress is shown: then a run with nothing to do is not told of as usual. */
export const isProgressSet = (env: NodeJS.ProcessEnv): boolean => (env["IMAGEMAKE_PROGRESS"] ?? "") !== "";
