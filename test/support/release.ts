// A small project with a release, brought to where a test wants it: two files, a check as its gate, two steps for a
// person.
import { makeProject, type TestProject } from "./cli.js";

/** The release's date; nowhere near today, so that a date from the clock shows. */
export const DAY = "20310506";

/** The project's Imagefile; `more` goes into `release`. */
export const imagefile = (
  signer = "signify()",
  more = "",
): string => `import { run, each, project, rule, signify, minisign, gpg, signer } from "imagemake";
export const image = each(["a", "b"], k => run({ inputs: {}, cmd: \`echo \${k} > "$OUT"\`, out: \`image-\${k}-{date}.txt\` }));
export const works = rule.check({ inputs: { A: image.a }, cmd: "true" });
export default project({ release: { of: [image], gate: [works], sign: ${signer}, steps: ["publish the key", "announce"], ${more} } });
`;

/** A project whose release is started and built, the check as well. */
export async function builtRelease(signer = "signify()", more = ""): Promise<TestProject> {
  const project = makeProject({ "Imagefile.ts": imagefile(signer, more) });
  await project.good("release", "start", "--release", DAY);
  await project.good("image-all", "works");
  return project;
}

/** The same, collected. */
export async function collectedRelease(signer = "signify()", more = ""): Promise<TestProject> {
  const project = await builtRelease(signer, more);
  await project.good("release", "collect");
  return project;
}
