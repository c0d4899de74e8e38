// What this phone keeps of dossiers filed for others, and for how long: the phone is the helper's, the papers are not.
//
//     signed ──verified receipt──▶ photographs go at once ──KEEP_DAYS──▶ the rest goes; its code and procedure stay
//                                                 └── "now": in a minute, unless it is taken back
//
// Nothing goes while anything of the dossier waits to be sent, or while the office waits for papers. The node holds it all.

import { isSettled } from "./lib/entry.js";
import { tellAll } from "./state.js";
import { saveSetting, setting } from "./store/db.js";
import { dropStream, freeReceived, listEntries } from "./store/drafts.js";
import { allEvents, forgetStream } from "./store/mine.js";
import { foldWithStory, readStories } from "./stories.js";
import { withEntries } from "./summaries.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */
/** Nothing personal: which dossier it was, when it left, and what happened since. @typedef {{stream: string, procedure: string, code: string, leftMs: number, news: string}} Left */
/** `leaving`: stream → when it goes, milliseconds. @typedef {{leaving: Record<string, number>, left: Left[]}} Keeping */

export const KEEP_DAYS = 7;
const DAY_MS = 24 * 3600_000;
const UNDO_MS = 60_000;
const STREAM_CODE = 8;
const MOST_LEFT = 200;

/** @returns {Promise<Keeping>} */
export const readKeeping = () => setting("keeping", { leaving: {}, left: [] });

/** @param {string} stream let it go in a minute */
export const leaveNow = (stream) => setLeaving(stream, Date.now() + UNDO_MS);

/** @param {string} stream keep it for another week from now */
export const keepLonger = (stream) => setLeaving(stream, Date.now() + KEEP_DAYS * DAY_MS);

/** @param {string} stream @param {number} atMs */
async function setLeaving(stream, atMs) {
  const keeping = await readKeeping();
  keeping.leaving[stream] = atMs;
  await saveSetting("keeping", keeping);
  tellAll("keeping");
}

/** @param {EventDocument[]} docs @returns {Map<string, EventDocument>} stream → the filing, of those filed for others */
const filedForOthers = (docs) => new Map(docs.filter(({ event }) => event.type === "dossier.submitted" && event.body.on_behalf).map((doc) => [doc.event.stream, doc]));

/** Set dates for what was received, and remove what is due. Run by one tab at a time. @returns {Promise<void>} */
export async function sweepKept() {
  const [entries, events, stories] = await Promise.all([listEntries(), allEvents(), readStories()]);
  const keeping = await readKeeping();
  const others = filedForOthers(withEntries(entries, events));
  const open = new Set(entries.filter((entry) => !isSettled(entry)).map((entry) => entry.doc.event.stream));
  let changed = false;
  const left = new Set(keeping.left.map((one) => one.stream));
  for (const stream of others.keys()) {
    // Without an entry it was filed by an earlier phone of the same helper, and came back from the office.
    const sent = entries.filter(({ doc }) => doc.event.stream === stream);
    const received = !sent.length || sent.some(({ stage }) => stage === "received");
    if (!received || open.has(stream) || left.has(stream) || stream in keeping.leaving) continue;
    keeping.leaving[stream] = Date.now() + KEEP_DAYS * DAY_MS;
    changed = true;
  }
  if (changed) await saveSetting("keeping", keeping);
  await freeReceived((stream) => others.has(stream));
  const just = new Set();
  for (const [stream, atMs] of Object.entries(keeping.leaving)) {
    if (atMs > Date.now() || open.has(stream)) continue;
    const dossier = foldWithStory(stream, events, stories);
    if (!dossier.submission) continue; // erased at the office meanwhile, and gone from here
    if (dossier.status === "waiting_papers") continue;
    just.add(stream);
    await letGo(stream, { procedure: dossier.procedure, code: dossier.code || stream.slice(0, STREAM_CODE) }, keeping);
    changed = true;
  }
  changed = (await tidyLeft(keeping, events, just)) || changed;
  if (changed) tellAll("keeping");
}

/** @param {string} stream @param {{procedure: string, code: string}} what @param {Keeping} keeping */
async function letGo(stream, what, keeping) {
  // Noted before anything goes: interrupted, the rest follows as "what came for one that has left".
  keeping.left = [{ stream, ...what, leftMs: Date.now(), news: "" }, ...keeping.left.filter((one) => one.stream !== stream)].slice(0, MOST_LEFT);
  delete keeping.leaving[stream];
  await saveSetting("keeping", keeping);
  await forget(stream);
}

/** @param {string} stream */
async function forget(stream) {
  await dropStream(stream);
  await forgetStream(stream);
  const { [stream]: _, ...stories } = await readStories();
  await saveSetting("stories", stories);
}

/** The office goes on sending what happens: its kind is noted, its content goes too. @param {Keeping} keeping @param {EventDocument[]} events @param {Set<string>} just left in this run @returns {Promise<boolean>} */
async function tidyLeft(keeping, events, just) {
  let changed = false;
  for (const one of keeping.left) {
    const came = events.filter(({ event }) => event.stream === one.stream);
    if (!came.length || just.has(one.stream)) continue;
    const news = came.filter(({ event }) => event.type !== "dossier.submitted" && event.type !== "receipt.issued").sort((a, b) => (a.event.at < b.event.at ? -1 : 1));
    one.news = news.at(-1)?.event.type ?? one.news;
    await saveSetting("keeping", keeping);
    await forget(one.stream);
    changed = true;
  }
  return changed;
}
