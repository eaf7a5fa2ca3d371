// Lines of the stream of events, held against its declaration: nothing else is in them, and nothing is missing.
import { isDeepStrictEqual } from "node:util";
import { beginSchema, eventSchema, type BuildEvent } from "../../engine/events.js";

/** A line of it but the first. */
export function eventIn(line: string): BuildEvent {
  const event: unknown = JSON.parse(line);
  const parsed = eventSchema.parse(event);
  // What is not declared is left out there.
  if (!isDeepStrictEqual(parsed, event)) throw new Error(`an event has what no declaration says: ${line}`);
  return parsed;
}

/** The lines of one run; none where it did not come so far. */
export function eventsIn([first, ...lines]: readonly string[]): BuildEvent[] {
  if (first === undefined) return [];
  beginSchema.parse(JSON.parse(first));
  return lines.map(eventIn);
}
