// One thing that is signed and on its way, as the phone writes it down; lib/outbox.js moves it.

import { chunkSize } from "./chunks.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {import("./event.js").FileRef} FileRef */
/** @typedef {import("./chunks.js").Manifest} Manifest */
/** @typedef {"files" | "event" | "sent" | "received" | "stored" | "refused"} Stage */
/**
 * Why an entry does not move. `lost`: its bytes are gone from this phone. `refused`: the node said no, in `error` and `reason`.
 * @typedef {{kind: "refused" | "lost", error: string, reason: string, atMs: number, retryMs: number, tries: number}} Trouble
 */
/**
 * @typedef {object} Entry
 * @property {string} id               document id of the event
 * @property {EventDocument} doc
 * @property {{ref: FileRef, manifest: Manifest}[]} files
 * @property {string[]} acked          chunks the node has said it holds
 * @property {string[]} manifests      manifests the node has said it holds
 * @property {Stage} stage
 * @property {number} signedMs         when it was signed
 * @property {number} sinceMs          when this stage began
 * @property {Trouble | null} trouble
 * @property {string} [receipt]        document id of the verified receipt
 */

/** @param {EventDocument} doc signed @param {{ref: FileRef, manifest: Manifest}[]} files @param {number} nowMs @returns {Entry} */
export function buildEntry(doc, files, nowMs) {
  return { id: doc._id, doc, files, acked: [], manifests: [], stage: "files", signedMs: nowMs, sinceMs: nowMs, trouble: null };
}

/** @param {Entry} entry @returns {{sent: number, total: number, files: {name: string, part: string, sent: number, total: number}[]}} bytes */
export function progress(entry) {
  const held = new Set(entry.acked);
  const arrived = entry.stage !== "files" && entry.stage !== "refused";
  const files = entry.files.map(({ ref, manifest }) => ({
    isPreview: ref.preview_of !== undefined,
    name: ref.name,
    part: ref.part,
    total: ref.size,
    sent: manifest.chunks.reduce((sum, id, i) => sum + (arrived || held.has(id) ? chunkSize(manifest, i) : 0), 0),
  }));
  const sum = (/** @type {"sent" | "total"} */ what) => files.reduce((all, file) => all + file[what], 0);
  return { sent: sum("sent"), total: sum("total"), files: files.filter((file) => !file.isPreview).map(({ isPreview: _, ...file }) => file) };
}

/** @param {Entry} entry @returns {boolean} whether the node has it for good */
export const isSettled = (entry) => entry.stage === "received" || entry.stage === "stored";

/** @param {Entry} entry @returns {boolean} whether a run could still move it */
export const isOpen = (entry) => !isSettled(entry) && entry.stage !== "refused";
