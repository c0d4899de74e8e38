// The PouchDB database "mine": the person's own events, replicated with the node's /db/mine.
//
// PouchDB is 43 KB gzipped and loaded only when it is first needed, after the first screen.

import { isEventDocument } from "../lib/event.js";
import { Busy, Refused, Unreachable } from "../lib/api.js";

/** @typedef {import("../lib/event.js").EventDocument} EventDocument */

// A classic script that leaves `globalThis.PouchDB`; as a module it is fetched once and falls under script-src 'self'.
const POUCHDB = "../vendor/pouchdb.min.js";

/** @type {Promise<any> | null} */
let opened = null;

/** @returns {Promise<any>} the open PouchDB database */
export function openMine() {
  opened ??= import(POUCHDB).then(() => {
    const PouchDB = /** @type {any} */ (globalThis).PouchDB;
    return new PouchDB("mine", { auto_compaction: false, revs_limit: 1 });
  });
  return opened;
}

/** @returns {Promise<EventDocument[]>} everything this phone holds */
export async function allEvents() {
  const { rows } = await (await openMine()).allDocs({ include_docs: true });
  return rows.map((/** @type {any} */ row) => row.doc).filter(isEventDocument);
}

/** @param {string} stream @returns {Promise<EventDocument[]>} */
export async function eventsOf(stream) {
  const range = { include_docs: true, startkey: `${stream}:`, endkey: `${stream}:\uffff` };
  const { rows } = await (await openMine()).allDocs(range);
  return rows.map((/** @type {any} */ row) => row.doc).filter(isEventDocument);
}

/** Events come with the revision their content gives, so every road leads to the same one. @param {EventDocument} doc */
export async function addEvent(doc) {
  const failed = await (await openMine()).bulkDocs([doc], { new_edits: false });
  if (failed.length) throw new Error(`the event was not kept: ${failed[0].message}`);
}

/** @param {string} x5t @returns {Promise<string | null>} base64 DER of a replicated certificate document */
export async function findCertificate(x5t) {
  try {
    return (await (await openMine()).get(`cert:sha256-${x5t}`)).certificate ?? null;
  } catch (cause) {
    if (/** @type {any} */ (cause).status === 404) return null;
    throw cause;
  }
}

/**
 * @param {string} origin @param {() => Promise<string>} token
 * @returns {{push: () => Promise<Map<string, {error: string, reason: string}>>, pull: () => Promise<void>}} one-shot replications;
 *   they throw what lib/api.js throws
 */
export function replicationWith(origin, token) {
  const remote = async () => {
    const local = await openMine();
    const send = async (/** @type {string} */ url, /** @type {RequestInit} */ options = {}) => {
      const headers = new Headers(options.headers);
      headers.set("Authorization", `Bearer ${await token()}`);
      return fetch(url, { ...options, headers, credentials: "omit", cache: "no-store" });
    };
    return new local.constructor(`${origin}/db/mine`, { skip_setup: true, fetch: send });
  };
  return {
    async push() {
      const denied = new Map();
      const target = await remote();
      await settled((await openMine()).replicate.to(target, { batch_size: 50 }).on("denied", (/** @type {any} */ no) => {
        const said = no?.doc ?? no;
        denied.set(said.id, { error: String(said.error ?? said.name ?? "forbidden"), reason: String(said.reason ?? said.message ?? "") });
      }));
      return denied;
    },
    async pull() {
      await settled((await openMine()).replicate.from(await remote(), { batch_size: 50 }));
    },
  };
}

/** @param {Promise<any>} replication PouchDB's failures carry a status; without one the line was cut */
async function settled(replication) {
  try {
    await replication;
  } catch (cause) {
    const { status, name, message, reason } = /** @type {any} */ (cause);
    if (status === 429 || (status >= 500 && name !== "unknown_error")) throw new Busy(status, String(reason ?? message), 0);
    if (status >= 400 && status < 500) throw new Refused(status, { error: name, reason: reason ?? message });
    throw new Unreachable("the node did not answer", { cause });
  }
}

/** Delete the database for good. */
export async function destroyMine() {
  await (await openMine()).destroy();
  opened = null;
}
