// What is signed and on its way: chunks, then manifests, then the event, then the node's receipt.
//
//     files ──all chunks and manifests held──▶ event ──replicated──▶ sent ──receipt verified──▶ received
//                                                └──▶ refused          └── stored: an event that gets no receipt
//
// Every step is written down before the next begins, and every step may be repeated: a reload, a cut or a week changes
// nothing. A stuck entry or file never blocks another. No DOM, no clock of its own, no storage of its own.

import { Refused, outcomeOf } from "./api.js";
import { progress } from "./entry.js";
import { idInDocument } from "./event.js";
import { packed } from "./gzip.js";
import { inFlight } from "./inflight.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("./entry.js").Stage} Stage */
/** @typedef {import("./api.js").Outcome} Outcome */
/**
 * @typedef {object} Mine               the database that replicates with /db/mine
 * @property {(doc: EventDocument) => Promise<void>} add
 * @property {(denied: (id: string, no: {error: string, reason: string}) => Promise<void>) => Promise<void>} push `denied` is told of each document
 *   the node does not take, also when the line breaks afterwards
 * @property {() => Promise<void>} pull
 * @property {(stream: string) => Promise<EventDocument[]>} events
 */
/**
 * @typedef {object} Parts
 * @property {() => Promise<Entry[]>} entries
 * @property {(entry: Entry) => Promise<unknown>} save
 * @property {(id: string) => Promise<Uint8Array<ArrayBuffer> | null>} chunk null when its bytes are gone
 * @property {import("./api.js").NodeApi} api
 * @property {Mine} mine
 * @property {(receipt: EventDocument, submission: EventDocument) => Promise<void>} verifyReceipt throws unless it proves receipt
 * @property {() => number} now         milliseconds
 * @property {(entry: Entry) => void} [changed]
 */

// 500 ids make a request of 25 KB, 5 MB of files.
const ASK_AT_ONCE = 500;
const FIRST_RETRY_MS = 60_000;
const LONGEST_RETRY_MS = 6 * 3600_000;
// The node receipts what brings papers (docs/architecture.md); everything else is done when it is stored.
const RECEIPTED = new Set(["dossier.submitted", "dossier.supplemented"]);
// A node that lost chunks between our PUT and the manifest is asked again this often in one run.
const ROUNDS = 3;

/** One pass over everything that is signed. Repeat it as often as you like; only one at a time (`navigator.locks`). @param {Parts} parts @returns {Promise<Outcome>} */
export async function runOutbox(parts) {
  try {
    await sendAllFiles(parts);
    await sendEvents(parts);
    await parts.mine.pull();
    await readReceipts(parts);
    return "done";
  } catch (cause) {
    return outcomeOf(cause);
  }
}

/** @param {Entry} entry */
const bytesLeft = (entry) => {
  const { sent, total } = progress(entry);
  return total - sent;
};

/** Smallest first, so that a large dossier never holds up a small one. @param {Parts} parts */
async function sendAllFiles(parts) {
  const waiting = (await parts.entries()).filter((entry) => entry.stage === "files" && isDue(entry, parts.now()));
  waiting.sort((a, b) => bytesLeft(a) - bytesLeft(b) || a.signedMs - b.signedMs);
  for (const entry of waiting) {
    try {
      await sendFiles(entry, parts);
      await parts.mine.add(entry.doc);
      await advance(entry, "event", parts);
    } catch (cause) {
      await noteTrouble(entry, cause, parts);
    }
  }
}

/** @param {Entry} entry @param {number} nowMs A clock that was set back since says nothing about how long was waited. */
const isDue = ({ trouble }, nowMs) => !trouble || nowMs >= trouble.retryMs || nowMs < trouble.atMs;

/** @param {Entry} entry @param {Parts} parts */
async function sendFiles(entry, parts) {
  for (let round = 1; ; round++) {
    await sendChunks(entry, parts);
    const lacking = await sendManifests(entry, parts);
    if (!lacking.length) return;
    if (round === ROUNDS) throw new Refused(409, { error: "chunks_missing", reason: `${lacking.length} chunks do not stay with the node` });
    const gone = new Set(lacking);
    entry.acked = entry.acked.filter((id) => !gone.has(id));
    await parts.save(entry);
  }
}

/** An office sees what is coming before it has come. @param {Entry["files"]} files */
const previewsFirst = (files) => [...files].sort((a, b) => Number(b.ref.preview_of !== undefined) - Number(a.ref.preview_of !== undefined));

/** @param {Entry} entry @param {Parts} parts */
async function sendChunks(entry, parts) {
  const held = new Set(entry.acked);
  /** @type {Map<string, string>} chunk → media type of a file it is in */
  const typeOf = new Map(previewsFirst(entry.files).flatMap(({ ref, manifest }) => manifest.chunks.map((id) => [id, ref.type])));
  const open = [...typeOf.keys()].filter((id) => !held.has(id));
  for (let i = 0; i < open.length; i += ASK_AT_ONCE) {
    const group = open.slice(i, i + ASK_AT_ONCE);
    const missing = await parts.api.fetchMissing(group);
    const lacks = new Set(missing);
    await acknowledge(entry, group.filter((id) => !lacks.has(id)), parts);
    await inFlight(missing, parts.now, async (id) => {
      await sendChunk(id, typeOf.get(id) ?? "", parts);
      await acknowledge(entry, [id], parts);
    });
  }
}

/** @param {string} id @param {string} type @param {Parts} parts */
async function sendChunk(id, type, parts) {
  const bytes = await parts.chunk(id);
  if (!bytes) throw new Lost(id);
  const body = await packed(bytes, type);
  await parts.api.putChunk(id, body.bytes, body.gzipped);
}

/** @param {Entry} entry @param {Parts} parts @returns {Promise<string[]>} chunks the node turned out not to have */
async function sendManifests(entry, parts) {
  const open = new Map(previewsFirst(entry.files).map(({ ref, manifest }) => [ref.manifest, manifest]));
  for (const id of entry.manifests) open.delete(id);
  /** @type {string[]} */
  const lacking = [];
  await inFlight([...open], parts.now, async ([id, manifest]) => {
    try {
      await parts.api.putManifest(id, manifest);
      entry.manifests = [...entry.manifests, id];
      await parts.save(entry);
    } catch (cause) {
      if (!(cause instanceof Refused) || cause.error !== "chunks_missing") throw cause;
      lacking.push(...(cause.details.missing ?? manifest.chunks));
    }
  });
  return lacking;
}

/** @param {Parts} parts */
async function sendEvents(parts) {
  const ready = (await parts.entries()).filter((entry) => entry.stage === "event");
  for (const entry of ready) await parts.mine.add(entry.doc);
  if (!ready.length) return;
  // Written down as it is told: the replicator remembers that it offered a document, and never offers it again.
  await parts.mine.push(async (id, no) => {
    const entry = ready.find((one) => one.id === id);
    if (entry) await refuse(entry, no, parts);
  });
  for (const entry of ready) {
    if (entry.stage === "event") await advance(entry, RECEIPTED.has(entry.doc.event.type) ? "sent" : "stored", parts);
  }
}

/** "Received" is said only here, and only after the receipt's signature has been checked. @param {Parts} parts */
async function readReceipts(parts) {
  for (const entry of await parts.entries()) {
    if (entry.stage !== "sent") continue;
    const receipt = await findReceipt(entry, parts);
    if (!receipt) continue;
    entry.receipt = receipt._id;
    await advance(entry, "received", parts);
  }
}

/** @param {Entry} entry @param {Parts} parts @returns {Promise<EventDocument | null>} */
async function findReceipt(entry, parts) {
  const id = idInDocument(entry.doc);
  for (const doc of await parts.mine.events(entry.doc.event.stream)) {
    if (doc.event.type !== "receipt.issued" || doc.event.body.of !== id) continue;
    // A receipt that does not verify proves nothing; a later one may. The dossier's page goes on saying "sent".
    const proven = await parts.verifyReceipt(doc, entry.doc).then(() => true, () => false);
    if (proven) return doc;
  }
  return null;
}

/** @param {Entry} entry @param {string[]} ids @param {Parts} parts */
async function acknowledge(entry, ids, parts) {
  if (!ids.length) return;
  entry.acked = [...new Set([...entry.acked, ...ids])];
  await parts.save(entry);
  parts.changed?.(entry);
}

/** @param {Entry} entry @param {Stage} stage @param {Parts} parts */
async function advance(entry, stage, parts) {
  Object.assign(entry, { stage, sinceMs: parts.now(), trouble: null });
  await parts.save(entry);
  parts.changed?.(entry);
}

/** @param {Entry} entry @param {{error: string, reason: string}} no @param {Parts} parts */
async function refuse(entry, { error, reason }, parts) {
  const atMs = parts.now();
  Object.assign(entry, { stage: "refused", sinceMs: atMs, trouble: { kind: "refused", error, reason, atMs, retryMs: Infinity, tries: 1 } });
  await parts.save(entry);
  parts.changed?.(entry);
}

/** The entry's own failures are noted on it and the run goes on; the line's failures end the run. @param {Entry} entry @param {unknown} cause @param {Parts} parts */
async function noteTrouble(entry, cause, parts) {
  const own = cause instanceof Lost || (cause instanceof Refused && cause.status !== 401);
  if (!own) throw cause;
  const tries = (entry.trouble?.tries ?? 0) + 1;
  const atMs = parts.now();
  const retryMs = atMs + Math.min(FIRST_RETRY_MS * 4 ** (tries - 1), LONGEST_RETRY_MS);
  const said = cause instanceof Refused ? { kind: /** @type {const} */ ("refused"), error: cause.error, reason: cause.reason }
    : { kind: /** @type {const} */ ("lost"), error: "lost", reason: cause.message };
  entry.trouble = { ...said, atMs, retryMs, tries };
  await parts.save(entry);
  parts.changed?.(entry);
}

/** The bytes of a chunk are no longer on this phone. */
class Lost extends Error {}
