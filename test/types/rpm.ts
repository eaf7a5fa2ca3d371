// What must compile: trees of RPM packages, one on top of another.
import { dnf, files, project, rule, step } from "imagemake";

const repo = dnf({ url: "https://mirror.example.org/rpm" }, { keys: files("keys/*.gpg") });
export const rootfs = rule.rootfs({
  repo,
  arch: "x86_64",
  packages: ["base"],
  steps: [step.install(["openssh-server"])],
});
export default project({ default: [rootfs] });
