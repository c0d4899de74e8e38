// Signed events: building, naming, reading. The Python twin is `crypto/event.py`; both read tests/vectors/event/.

import { encode } from "./base64url.js";
import { canonical } from "./canonical.js";
import { revOf, sha256Id } from "./hashing.js";
import { isClean } from "./normalise.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/**
 * One file an event names. `sha256` is the whole file's id, `manifest` the id of the list of its chunks; `preview_of` the
 * `sha256` of the file of the same event that it is a small picture of.
 * @typedef {{sha256: string, manifest: string, size: number, type: string, name: string, part: string, preview_of?: string}} FileRef
 */
/**
 * @typedef {object} TramEvent
 * @property {1} v
 * @property {string} stream
 * @property {string} type
 * @property {string} unit
 * @property {string} actor
 * @property {string} at          the author's clock, RFC 3339 in UTC: shown, never trusted
 * @property {string[]} prev      heads of the stream the author had seen
 * @property {string} nonce       16 random bytes, base64url
 * @property {Record<string, any>} body
 * @property {FileRef[]} files    present even when empty
 * @property {string} [after]     newest log checkpoint the author had seen
 */
/** @typedef {{protected: string, signature: string, header: {etsiU: string[]}}} Signature */
/** @typedef {{_id: string, _rev: string, event: TramEvent, signatures: Signature[]}} EventDocument */

export const MAX_EVENT_BYTES = 48 * 1024;
const RESERVED = new Set(["__proto__", "constructor", "prototype"]);

/** What `buildEvent` refuses: a defect in what was typed or in the program, found before anything is signed. */
export class UnfitEvent extends Error {}

/**
 * @param {object} parts
 * @param {string} parts.stream @param {string} parts.type @param {string} parts.unit @param {string} parts.actor
 * @param {number} parts.atMs milliseconds since 1970 @param {string[]} parts.prev @param {Uint8Array} parts.nonce 16 random bytes
 * @param {Record<string, any>} parts.body @param {FileRef[]} [parts.files] @param {string} [parts.after] "" where none was seen
 * @returns {TramEvent} ready to sign. Throws `UnfitEvent` if the node would refuse it.
 */
export function buildEvent({ stream, type, unit, actor, atMs, prev, nonce, body, files = [], after = "" }) {
  if (nonce.length !== 16) throw new UnfitEvent(`a nonce has 16 bytes, not ${nonce.length}`);
  /** @type {TramEvent} */
  const event = {
    v: 1, stream, type, unit, actor,
    at: new Date(atMs).toISOString().replace(/\.\d{3}Z$/, "Z"),
    prev: [...prev].sort(),
    nonce: encode(nonce),
    body: withoutEmpty(body),
    files,
    ...(after && { after }),
  };
  eventBytes(event);
  return event;
}

/** @param {TramEvent} event @returns {Bytes} the canonical bytes: what is hashed and signed. Throws `UnfitEvent`. */
export function eventBytes(event) {
  checkTexts(event, "event");
  let bytes;
  try {
    bytes = canonical(event);
  } catch (cause) {
    throw new UnfitEvent(`not fit to sign: ${/** @type {Error} */ (cause).message}`, { cause });
  }
  if (bytes.length > MAX_EVENT_BYTES) throw new UnfitEvent(`${bytes.length} bytes, an event takes at most ${MAX_EVENT_BYTES}`);
  return bytes;
}

/** @param {TramEvent} event @returns {Promise<string>} "sha256-…", the event's identity, whatever its signature */
export const eventId = async (event) => sha256Id(eventBytes(event));

/** @param {TramEvent} event @param {Signature[]} signatures @returns {Promise<EventDocument>} as stored and replicated */
export async function eventDocument(event, signatures) {
  const bytes = eventBytes(event);
  return { _id: `${event.stream}:${await sha256Id(bytes)}`, _rev: await revOf(bytes), event, signatures };
}

/** @param {{_id: string}} doc @returns {string} the event id inside a document id */
export const idInDocument = (doc) => doc._id.slice(doc._id.lastIndexOf(":") + 1);

/**
 * @param {EventDocument[]} docs events of one stream
 * @returns {string[]} ids that no other event names in `prev`, sorted: the `prev` of whatever comes next
 */
export function heads(docs) {
  const passed = new Set(docs.flatMap((doc) => doc.event.prev));
  return docs.map(idInDocument).filter((id) => !passed.has(id)).sort();
}

/** @param {unknown} value @returns {value is EventDocument} whether a stored document has the form of a signed event */
export function isEventDocument(value) {
  const doc = /** @type {any} */ (value);
  const event = doc?.event;
  return typeof doc?._id === "string" && Array.isArray(doc.signatures) && doc.signatures.length === 1 &&
    typeof event?.stream === "string" && typeof event.type === "string" && typeof event.actor === "string" &&
    Array.isArray(event.prev) && Array.isArray(event.files) && typeof event.body === "object" && event.body !== null &&
    doc._id.startsWith(`${event.stream}:sha256-`);
}

/** Optional members left blank in a form are left out, not signed as empty. @param {Record<string, any>} body @returns {Record<string, any>} */
function withoutEmpty(body) {
  return Object.fromEntries(
    Object.entries(body)
      .filter(([, value]) => value !== undefined && value !== null && value !== "")
      .map(([name, value]) => [name, value?.constructor === Object ? withoutEmpty(value) : value]),
  );
}

/** @param {unknown} value @param {string} where */
function checkTexts(value, where) {
  if (typeof value === "string") {
    if (!isClean(value)) throw new UnfitEvent(`${where}: hidden characters, or not in Unicode NFC`);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, child] of Object.entries(value)) {
      if (!Array.isArray(value)) checkName(name, where);
      checkTexts(child, `${where}.${name}`);
    }
  }
}

/** @param {string} name @param {string} where */
function checkName(name, where) {
  if (name.startsWith("_") || RESERVED.has(name) || !isClean(name) || /[\n\t]/.test(name)) {
    throw new UnfitEvent(`${where}: the member name ${JSON.stringify(name.slice(0, 60))} is not allowed`);
  }
}
