// The PouchDB database "mine": the person's own events, replicated with the node's /db/mine.
//
// PouchDB is 43 KB gzipped and loaded only when it is first needed, after the first screen.

import { arrived } from "../lib/arrived.js";
import * as mine from "../lib/mine.js";
import { StorageFull, setting } from "./db.js";

/** @typedef {import("../lib/event.js").EventDocument} EventDocument */

// A classic script that leaves `globalThis.PouchDB`; as a module it is fetched once and falls under script-src 'self'.
const POUCHDB = "../vendor/pouchdb.min.js";

/** @type {{name: string, db: Promise<any>} | null} */
let opened = null;

/** @param {string} name @returns {Promise<any>} Throws `Unreachable` where PouchDB is not here yet and does not come. */
async function open(name) {
  await arrived(import(POUCHDB));
  return new /** @type {any} */ (globalThis).PouchDB(name, { revs_limit: 1 });
}

/** @returns {Promise<any>} the open PouchDB database. It gets another name whenever dossiers are erased, in any tab. */
export async function openMine() {
  const name = await setting("mine", "mine");
  if (!opened || opened.name !== name) {
    const opening = opened = { name, db: open(name) };
    opening.db.catch(() => { if (opened === opening) opened = null; }); // the next use tries again
  }
  return opened.db;
}

/** @param {Set<string>} streams @returns {Promise<{old: string, fresh: string}>} names of the present database and of a new one that holds all but these */
export async function copyMine(streams) {
  const old = await setting("mine", "mine");
  const fresh = `mine-${Number(old.split("-")[1] ?? 1) + 1}`;
  await (await open(fresh)).destroy(); // half a copy, from a run that was cut short
  await mine.copyWithout(await openMine(), await open(fresh), streams);
  return { old, fresh };
}

/** @param {string} name */
export const destroyDatabase = async (name) => (await open(name)).destroy();

/** @returns {Promise<EventDocument[]>} everything this phone holds */
export const allEvents = async () => mine.eventsOf(await openMine());

/** @param {string} stream @returns {Promise<EventDocument[]>} */
export const eventsOf = async (stream) => mine.eventsOf(await openMine(), stream);

/** @param {EventDocument} doc @returns {Promise<void>} Throws `StorageFull`. */
export const addEvent = (doc) => openMine().then((db) => mine.addEvent(db, doc)).catch(asOurs);

/** @param {string} stream whose events leave this phone; the node keeps them */
export const forgetStream = async (stream) => mine.forgetStream(await openMine(), stream);

/** @param {string} x5t @returns {Promise<string | null>} base64 DER */
export const findCertificate = async (x5t) => mine.findCertificate(await openMine(), x5t);

/** @param {string} origin @param {() => Promise<string>} token @returns {Promise<Pick<import("../lib/outbox.js").Mine, "push" | "pull">>} they throw `StorageFull`, too */
export async function replicationWith(origin, token) {
  const { push, pull } = mine.replicationWith(await openMine(), origin, token);
  return { push: (denied) => push(denied).catch(asOurs), pull: () => pull().catch(asOurs) };
}

/** @param {any} cause @returns {never} */
function asOurs(cause) {
  throw mine.isFull(cause) ? new StorageFull("the phone's storage is full", { cause }) : cause;
}

/** Delete the database for good. */
export async function destroyMine() {
  const left = await setting("mine-left", "");
  if (left) await destroyDatabase(left);
  await (await openMine()).destroy();
  opened = null;
}
