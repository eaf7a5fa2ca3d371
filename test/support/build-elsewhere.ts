// A program that builds targets of an Imagefile with actions executed in another state directory (elsewhere.ts), and prints
// the build's events, a line each: DIRECTORY OTHER-DIRECTORY TARGET…
import { LocalContents } from "../../cache/local/contents.js";
import { openImagefile, runOf } from "../../cli/open.js";
import { createJson } from "../../cli/render/json.js";
import { build } from "../../engine/build/build.js";
import { unwrap } from "../../engine/problem.js";
import { travelling } from "../../engine/tree/travel.js";
import { Elsewhere } from "./elsewhere.js";

const [directory = "", other = "", ...wanted] = process.argv.slice(2);
const renderer = createJson(process.stdout);
const opened = unwrap(await openImagefile({ directory }, {}, true));
let elsewhere: Elsewhere | null = null;
const end = await build({
  ...runOf(opened, { wanted, datecode: null, emit: (event) => renderer.event(event) }),
  ...{ jobs: 4, keepGoing: true, noWait: false },
  executor: async ({ layout, index, store, isolation }) => {
    await elsewhere?.close();
    const contents = new LocalContents(layout, index, store, travelling(layout, index, isolation));
    elsewhere = await Elsewhere.start({ contents, packages: layout.packages, hidden: directory }, other);
    return elsewhere;
  },
});
await (elsewhere as Elsewhere | null)?.close();
renderer.close();
if (end.problem !== null) console.error(end.problem.message);
process.exit(end.exit);
