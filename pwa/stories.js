// What the node says about the person's dossiers beside the events themselves: who acted, and which steps did not count and
// why. A phone has no role grants, so it takes the node's word for who is in office; signatures it checks by itself.

import { Refused } from "./lib/api.js";
import { idInDocument } from "./lib/event.js";
import { foldDossier } from "./lib/fold.js";
import { saveSetting, setting } from "./store/db.js";
import { allEvents } from "./store/mine.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */
/**
 * @typedef {object} Story
 * @property {number} count of events when it was read: another number means it is old
 * @property {Record<string, string>} names actor → name
 * @property {Record<string, NodeStep>} steps by event id
 * @property {Record<string, {status: string, text: {vi: string, en: string}, signatures: {signer: string, at: string}[]}>} [papers] what the signatures inside result PDFs are worth, by the file's content id
 */
/** @typedef {{state: string, reason: {vi: string, en: string} | null, time?: {proven: string, not_before: string, provisional: boolean} | null, reviewed?: object | null}} NodeStep */
/** @typedef {Record<string, Story>} Stories by stream */

/** @returns {Promise<Stories>} */
export const readStories = () => setting("stories", {});

/** Ask for the stories of dossiers in which something happened. @param {import("./lib/api.js").NodeApi} api Throws what lib/api.js throws, but for refusals. */
export async function refreshStories(api) {
  const stories = await readStories();
  const counts = new Map();
  for (const { event } of await allEvents()) if (!event.stream.startsWith("unit.")) counts.set(event.stream, (counts.get(event.stream) ?? 0) + 1);
  for (const [stream, count] of counts) {
    if (stories[stream]?.count === count) continue;
    stories[stream] = await fetchStory(api, stream, count);
    await saveSetting("stories", stories);
  }
}

/** Somebody's certificate was revoked: the node may judge steps otherwise than when it was asked. */
export async function askStoriesAgain() {
  const stories = Object.entries(await readStories()).map(([stream, story]) => [stream, { ...story, count: -1 }]);
  await saveSetting("stories", Object.fromEntries(stories));
}

/** @param {import("./lib/api.js").NodeApi} api @param {string} stream @param {number} count @returns {Promise<Story>} */
async function fetchStory(api, stream, count) {
  try {
    const { timeline, names, papers } = await api.fetchDossier(stream);
    const steps = timeline.map((/** @type {any} */ { id, state, reason, time, reviewed }) => [id, { state, reason, time, reviewed }]);
    return { count, names: names ?? {}, steps: Object.fromEntries(steps), papers: papers ?? {} };
  } catch (cause) {
    // The node does not tell (yet): the events alone are shown, and it is asked again when another arrives.
    if (cause instanceof Refused && cause.status !== 401) return { count, names: {}, steps: {} };
    throw cause;
  }
}

/** @param {string} stream @param {EventDocument[]} docs @param {Stories} stories @returns {import("./lib/fold.js").Dossier} */
export function foldWithStory(stream, docs, stories) {
  const owner = docs.find(({ event }) => event.stream === stream && event.type === "dossier.submitted")?.event.actor;
  const steps = stories[stream]?.steps ?? {};
  return foldDossier(stream, docs, ({ actor }, id) => actor !== owner && (steps[id]?.state !== "not_applied" || wasHeld(steps[id])), proofsOf(steps, docs));
}

/** @param {NodeStep | undefined} step whether the node held it for a leader, who may have seen it since */
const wasHeld = (step) => step?.state === "held" || Boolean(step?.reviewed);

/** @param {Record<string, NodeStep>} steps @param {EventDocument[]} docs @returns {import("./lib/proofs.js").Proofs} what the node told of times and doubts */
function proofsOf(steps, docs) {
  const known = Object.entries(steps);
  return {
    times: Object.fromEntries(known.flatMap(([id, { time }]) => (time?.proven ? [[id, time.proven]] : []))),
    logged: known.flatMap(([id, { time }]) => (time?.provisional === false ? [id] : [])),
    checkpoints: Object.fromEntries(docs.flatMap((doc) => {
      const seen = steps[idInDocument(doc)]?.time?.not_before;
      return doc.event.after && seen ? [[doc.event.after, seen]] : [];
    })),
    doubts: Object.fromEntries(known.flatMap(([id, step]) => (wasHeld(step) ? [[id, "held"]] : []))),
  };
}
