// For the desk's pages: sign what the official has just confirmed. Shows nothing itself.
//
//     import { fetchDraft, signAndPost } from "/desk-sign.js";
//     const draft = await fetchDraft(stream, type, fields);   // show draft.statement.vi and ask
//     const { id } = await signAndPost(stream, type, fields, { draft });

import { NodeApi } from "./lib/api.js";
import { signEvent } from "./lib/jws.js";
import { tokenSource } from "./lib/token.js";
import { readIdentity } from "./store/keys.js";

/** No official's key on this computer: log in first. */
export class NotRegistered extends Error {}

/** @typedef {{event: import("./lib/event.js").TramEvent, statement: {vi: string, en: string}, warnings?: {vi: string, en: string}[]}} Draft */

/** Who speaks at this desk, for modules that send more than events. @returns {Promise<{api: NodeApi, identity: import("./store/keys.js").Identity, nowS: () => number}>} Throws `NotRegistered`. */
export async function official() {
  const identity = await readIdentity("official");
  if (!identity) throw new NotRegistered("this browser holds no official's key");
  const { node, offsetMs } = await new NodeApi(location.origin).fetchNode();
  const nowS = () => Math.floor((Date.now() + offsetMs) / 1000);
  const signer = { key: identity.privateKey, x5t: identity.x5t, subject: identity.subject };
  return { api: new NodeApi(location.origin, { token: tokenSource(signer, node.urn, nowS) }), identity, nowS };
}

/** @param {string} stream @param {string} type @param {Record<string, any>} fields @returns {Promise<Draft>} what would be signed. Throws what lib/api.js throws. */
export async function fetchDraft(stream, type, fields) {
  const { api } = await official();
  return api.postDraft(stream, type, fields);
}

/**
 * @param {string} thumbprint of a key that waits for approval @param {string} [again] URN of somebody who lost theirs and whose next key it is
 * @returns {Promise<Draft>} the approval that would be signed. Throws what lib/api.js throws.
 */
export async function fetchApproval(thumbprint, again) {
  const { api } = await official();
  return api.postApprovalDraft(thumbprint, again);
}

/** @param {string} path of the node's that drafts events of this kind @param {string} type @param {Record<string, any>} fields @returns {Promise<Draft>} what would be signed. Throws what lib/api.js throws. */
export async function fetchDraftFrom(path, type, fields) {
  const { api } = await official();
  return api.json("POST", path, { body: { type, fields } });
}

/** @param {string} type such as "role.confirmed" @param {Record<string, any>} fields @returns {Promise<Draft>} the role event that would be signed. Throws what lib/api.js throws. */
export async function fetchRoleDraft(type, fields) {
  const { api } = await official();
  return api.postRoleDraft(type, fields);
}

/** @param {string} type such as "erasure.proposed" or "erasure.withdrawn" @param {Record<string, any>} fields @returns {Promise<Draft>} the erasure event that would be signed. Throws what lib/api.js throws. */
export async function fetchErasureDraft(type, fields) {
  const { api } = await official();
  return api.postErasureDraft(type, fields);
}

/**
 * Sign and send one event of an official. Call it only from a confirmation that has shown what is signed.
 * @param {string} stream @param {string} type such as "dossier.accepted" @param {Record<string, any>} fields
 * @param {{draft?: Draft}} [shown] the draft whose statement was shown; fetched when left out
 * @returns {Promise<{id: string, rev: string, statement: {vi: string, en: string}}>} once the node has stored it.
 *   Throws `NotRegistered`, what lib/api.js throws, and RangeError for a draft that is not what was asked for.
 */
export async function signAndPost(stream, type, fields, { draft } = {}) {
  const { api, identity, nowS } = await official();
  const { event, statement } = draft ?? (await api.postDraft(stream, type, fields));
  if (event.stream !== stream || event.type !== type || event.actor !== identity.subject) {
    throw new RangeError("the node drafted something else than was asked for; nothing was signed");
  }
  const signature = await signEvent(event, { key: identity.privateKey, x5t: identity.x5t, iat: nowS() });
  return { ...(await api.postEvent({ event, signatures: [signature] })), statement };
}
