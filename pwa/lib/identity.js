// Making a signed document out of a body: the one place where the citizen's key is used for events.

import { buildEvent, eventDocument } from "./event.js";
import { signEvent } from "./jws.js";

/** @typedef {import("./event.js").EventDocument} EventDocument */

/**
 * @param {{stream: string, type: string, unit: string, prev: string[], body: Record<string, any>, files?: import("./event.js").FileRef[], after?: string}} what
 * @param {{privateKey: CryptoKey, x5t: string, subject: string}} identity
 * @param {number} nowMs by the node's clock as far as it is known
 * @returns {Promise<EventDocument>} Throws `UnfitEvent`.
 */
export async function signDocument(what, identity, nowMs) {
  const nonce = crypto.getRandomValues(new Uint8Array(16));
  const event = buildEvent({ ...what, actor: identity.subject, atMs: nowMs, nonce });
  const signer = { key: identity.privateKey, x5t: identity.x5t, iat: Math.floor(nowMs / 1000) };
  return eventDocument(event, [await signEvent(event, signer)]);
}
