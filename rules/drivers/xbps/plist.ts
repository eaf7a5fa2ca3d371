// Reads the property lists that xbps writes. proplib writes them in one form only, one element a line, indented by
// tabs, so an entry is found by its indentation: all of Void's index (25 MB) takes a fraction of a second.

/** Top-level dictionaries of a property list, by key, each as the text between its tags. */
export function entries(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const opening = /^\t<key>(.*)<\/key>\n\t<dict>\n/gm;
  const closing = "\n\t</dict>";
  for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
    const start = match.index + match[0].length;
    const end = text.indexOf(closing, start - 1);
    if (end === -1) break;
    found.set(unescape(match[1] ?? ""), text.slice(start, end + 1));
    opening.lastIndex = end;
  }
  return found;
}

/** A string, number or base64 text of a dictionary whose members are indented by `depth` tabs; null without it. */
export function property(dict: string, name: string, depth: number): string | null {
  const tabs = "\t".repeat(depth);
  const match = new RegExp(`^${tabs}<key>${name}</key>\\s*<(string|integer|data)>([^<]*)</\\1>`, "m").exec(
    dict,
  );
  return match === null ? null : unescape(match[2] ?? "");
}

/** An array of strings of such a dictionary; empty without it. */
export function strings(dict: string, name: string, depth: number): string[] {
  const tabs = "\t".repeat(depth);
  const match = new RegExp(`^${tabs}<key>${name}</key>\\n${tabs}<array>\\n([^]*?)^${tabs}</array>`, "m").exec(
    dict,
  );
  return [...(match?.[1] ?? "").matchAll(/<string>([^<]*)<\/string>/g)].map((one) => unescape(one[1] ?? ""));
}

/** A property list of these dictionaries. */
export function plist(dicts: ReadonlyMap<string, string>): string {
  const members = [...dicts].map(
    ([name, dict]) => `\t<key>${escape(name)}</key>\n\t<dict>\n${dict}\t</dict>\n`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
${members.join("")}</dict>
</plist>
`;
}

/** Text as it stands between tags. */
export const escape = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const unescape = (text: string): string =>
  text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, "&");
