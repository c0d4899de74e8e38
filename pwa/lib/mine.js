// Events in a PouchDB database, and its replication with the node's /db/mine. The database is handed in: browsers bring the
// vendored PouchDB, tests the one from npm.

import { Busy, Refused, Unreachable } from "./api.js";
import { isEventDocument } from "./event.js";
import { fetchPatiently } from "./patience.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */
/** @typedef {any} Database a PouchDB database; its types would be a dependency of their own */

// 50: an event is about 1 KB, so a batch is a few seconds of a village line.
const BATCH = 50;

/** @param {Database} db @param {string} [stream] all streams when left out @returns {Promise<EventDocument[]>} */
export async function eventsOf(db, stream) {
  const range = stream === undefined ? {} : { startkey: `${stream}:`, endkey: `${stream}:\uffff` };
  const { rows } = await db.allDocs({ include_docs: true, ...range });
  return rows.map((/** @type {any} */ row) => row.doc).filter(isEventDocument);
}

/** Events come with the revision their content gives, so every road leads to the same one. @param {Database} db @param {EventDocument} doc */
export async function addEvent(db, doc) {
  const failed = await db.bulkDocs([doc], { new_edits: false });
  if (failed.length) throw new Error(`the event was not kept: ${failed[0].message}`);
}

/** Remove a stream's events from this database alone, bodies and all; `push` sends no deletions. @param {Database} db @param {string} stream */
export async function forgetStream(db, stream) {
  const { rows } = await db.allDocs({ startkey: `${stream}:`, endkey: `${stream}:\uffff` });
  if (!rows.length) return;
  await db.bulkDocs(rows.map((/** @type {any} */ { id, value }) => ({ _id: id, _rev: value.rev, _deleted: true })));
  await db.compact();
}

/** @param {any} cause @returns {boolean} whether this phone's disk is full; PouchDB says it in the reason of an error of its own */
export const isFull = ({ name, reason, message }) => [name, reason, message].some((text) => String(text).includes("QuotaExceeded"));

/** What was removed here is no news for the node. A name of its own, because PouchDB makes it part of the checkpoint's. @param {any} doc */
const isKept = (doc) => !doc._deleted;

/** @param {Database} db @param {string} x5t @returns {Promise<string | null>} base64 DER of a replicated certificate document */
export async function findCertificate(db, x5t) {
  try {
    return (await db.get(`cert:sha256-${x5t}`)).certificate ?? null;
  } catch (cause) {
    if (/** @type {any} */ (cause).status === 404) return null;
    throw cause;
  }
}

/**
 * Copy everything but some streams from one PouchDB database into an empty one. PouchDB cannot purge in a browser, and a deleted
 * document leaves its bytes behind until who knows when; a database that is destroyed does not.
 * @param {Database} source @param {Database} target @param {Set<string>} streams
 */
export async function copyWithout(source, target, streams) {
  const { rows } = await source.allDocs({ include_docs: true });
  const docs = rows.map((/** @type {any} */ row) => row.doc).filter((/** @type {any} */ doc) => !streams.has(doc.event?.stream));
  for (let i = 0; i < docs.length; i += BATCH) {
    const failed = await target.bulkDocs(docs.slice(i, i + BATCH), { new_edits: false });
    if (failed.length) throw new Error(`a document was not copied: ${failed[0].message}`);
  }
}

/**
 * @param {Database} db @param {string} origin @param {() => Promise<string>} token
 * @returns {Pick<import("./outbox.js").Mine, "push" | "pull">} one-shot replications; they throw what lib/api.js throws
 */
export function replicationWith(db, origin, token) {
  return {
    async push(denied) {
      /** @type {Promise<void>[]} */
      const told = [];
      const line = new Line(db, origin, token);
      try {
        await line.settle(db.replicate.to(line.remote, { batch_size: BATCH, filter: isKept }).on("denied", (/** @type {any} */ no) => {
          const said = no?.doc ?? no;
          told.push(denied(String(said.id), { error: String(said.error ?? said.name ?? "forbidden"), reason: String(said.reason ?? said.message ?? "") }));
        }));
      } finally {
        await Promise.all(told);
      }
    },
    async pull() {
      const line = new Line(db, origin, token);
      await line.settle(db.replicate.from(line.remote, { batch_size: BATCH }));
    },
  };
}

/** The remote database, and what its connection said when it failed: PouchDB's own errors do not always tell. */
class Line {
  /** @param {Database} db @param {string} origin @param {() => Promise<string>} token */
  constructor(db, origin, token) {
    this.token = token;
    this.cut = false;
    this.status = 0;
    this.url = `${origin}/db/mine`;
    /** @type {string | null} what `GET /db/mine` answered first */
    this.info = null;
    this.remote = new db.constructor(this.url, {
      skip_setup: true,
      fetch: (/** @type {string} */ url, /** @type {RequestInit} */ options) => this.ask(url, options),
    });
  }

  /**
   * PouchDB 9 asks for the database's figures again after every batch, for its progress numbers only, and lets a failure of that
   * go uncaught. The first answer serves for the whole replication: one request less a batch, and nothing left to fail.
   * @param {string} url @param {RequestInit} [options] @returns {Promise<Response>}
   */
  async ask(url, options) {
    if (url.replace(/\/?(?:\?.*)?$/, "") !== this.url || (options?.method ?? "GET") !== "GET") return this.send(url, options);
    if (this.info === null) {
      const response = await this.send(url, options);
      if (!response.ok) return response;
      this.info = await response.text();
    }
    return new Response(this.info, { headers: { "Content-Type": "application/json" } });
  }

  /** @param {string} url @param {RequestInit} [options] */
  async send(url, options = {}) {
    const headers = new Headers(options.headers);
    headers.set("Authorization", `Bearer ${await this.token()}`);
    try {
      const response = await fetchPatiently(fetch, url, { ...options, headers, credentials: "omit", cache: "no-store" });
      if (!response.ok && response.status !== 404) this.status = response.status;
      return response;
    } catch (cause) {
      this.cut = true;
      throw cause;
    }
  }

  /** @param {Promise<any>} replication */
  async settle(replication) {
    try {
      await replication;
    } catch (cause) {
      const { message, reason, name } = /** @type {any} */ (cause);
      if (isFull(cause)) throw cause;
      if (this.cut || !this.status) throw new Unreachable("the node did not answer", { cause });
      if (this.status === 429 || this.status >= 500) throw new Busy(this.status, String(reason ?? message));
      throw new Refused(this.status, { error: name, reason: reason ?? message });
    }
  }
}
