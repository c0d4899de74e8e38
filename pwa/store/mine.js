// The PouchDB database "mine": the person's own events, replicated with the node's /db/mine.
//
// PouchDB is 43 KB gzipped and loaded only when it is first needed, after the first screen.

import * as mine from "../lib/mine.js";

/** @typedef {import("../lib/event.js").EventDocument} EventDocument */

// A classic script that leaves `globalThis.PouchDB`; as a module it is fetched once and falls under script-src 'self'.
const POUCHDB = "../vendor/pouchdb.min.js";

/** @type {Promise<any> | null} */
let opened = null;

/** @returns {Promise<any>} the open PouchDB database */
export function openMine() {
  opened ??= import(POUCHDB).then(() => new /** @type {any} */ (globalThis).PouchDB("mine", { revs_limit: 1 }));
  return opened;
}

/** @returns {Promise<EventDocument[]>} everything this phone holds */
export const allEvents = async () => mine.eventsOf(await openMine());

/** @param {string} stream @returns {Promise<EventDocument[]>} */
export const eventsOf = async (stream) => mine.eventsOf(await openMine(), stream);

/** @param {EventDocument} doc */
export const addEvent = async (doc) => mine.addEvent(await openMine(), doc);

/** @param {string} x5t @returns {Promise<string | null>} base64 DER */
export const findCertificate = async (x5t) => mine.findCertificate(await openMine(), x5t);

/** @param {string} origin @param {() => Promise<string>} token */
export const replicationWith = async (origin, token) => mine.replicationWith(await openMine(), origin, token);

/** Delete the database for good. */
export async function destroyMine() {
  await (await openMine()).destroy();
  opened = null;
}
