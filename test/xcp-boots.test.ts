// The images of preset.xcpNg start: Xen, dom0 and the installer's root, with the checks that the preset declares. Of the
// eight two are enough for both firmwares, both media and both images; all run with IMAGEMAKE_EXPENSIVE=1.
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { cleanUp } from "./support/rpm-project.js";
import { skipping } from "./support/skipping.js";
import { lackingForXcp } from "./support/tiny-xcp.js";
import { xcpImagefile, xcpProject, type XcpProject } from "./support/xcp-project.js";

jest.setTimeout(900_000);

const lacking = lackingForXcp();
if (lacking.length > 0) skipping("xcp-boots", `there is no ${lacking.join(", ")}`);
const withXcp = lacking.length === 0 ? describe : describe.skip;
afterAll(cleanUp);

const FEW = ["boots-full-bios-cd", "boots-netinstall-uefi-usb"];
const MORE = [
  "full-bios-usb",
  "full-uefi-cd",
  "full-uefi-usb",
  "netinstall-bios-cd",
  "netinstall-bios-usb",
  "netinstall-uefi-cd",
];
const all = process.env["IMAGEMAKE_EXPENSIVE"] === "1";

withXcp("an image of the installer starts", () => {
  let project: XcpProject;
  beforeAll(async () => {
    project = xcpProject();
    await project.good("iso-all");
  });

  test.each([...FEW, ...(all ? MORE.map((name) => `boots-${name}`) : [])])("%s", async (check) => {
    await project.good(check);
    const { stdout } = await project.good("log", check);
    expect(stdout).toContain("Welcome to XCP-ng 8.3.0!");
    expect(stdout).toContain("Starting installer.service");
    // Enabled by its package, and disabled by the preset.
    expect(stdout).not.toContain("chronyd");
  });

  test("with a GRUB that is made here of modules, which needs no file of them", async () => {
    const made = xcpProject(xcpImagefile(`efi: "mkimage",`));
    await made.good("boots-netinstall-uefi-cd");
    expect((await made.good("log", "boots-netinstall-uefi-cd")).stdout).toContain("Welcome to XCP-ng 8.3.0!");
  });
});
