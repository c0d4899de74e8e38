// Who this browser is: a P-256 key that scripts may use and nobody can copy out, and the certificate it was given
// (store/newkey.js makes the one and takes the other).
//
// Citizen and official have a slot each, so a desk computer can be used for both without mixing them up.

import { encode } from "../lib/base64url.js";
import { done, get, put, remove, transact } from "./db.js";

/** @typedef {"citizen" | "official"} Slot */
/** @typedef {{unit: string, name: string, urn: string, certificate: string}} PinnedNode `certificate` is base64 DER */
/**
 * @typedef {object} KeyRecord
 * @property {Slot} id
 * @property {CryptoKey} privateKey
 * @property {JsonWebKey} jwk            the public half
 * @property {string} thumbprint         RFC 7638
 * @property {"made" | "pending" | "issued" | "refused"} state
 * @property {string} name @property {string} [phone] @property {string} [idNumber]
 * @property {string} [code]             six digits to compare at the counter
 * @property {boolean} [unsent]          the request never reached the node; it is shown at the counter, and sent when it can be
 * @property {string} [activation]       kept while unsent
 * @property {string} [subject]          urn:tram:subject:…
 * @property {string} [certificate]      base64 DER
 * @property {string} [x5t]              its SHA-256, base64url
 * @property {string[]} [chain]          base64 DER, from the issuer upwards
 * @property {PinnedNode} [node]         the node that enrolled it
 * @property {string} [expires]          RFC 3339
 * @property {boolean} [revoked]         the office has recorded that this key counts no more
 */
/** @typedef {KeyRecord & {subject: string, certificate: string, x5t: string, chain: string[], node: PinnedNode}} Identity */

/** @param {Slot} slot @returns {Promise<KeyRecord | null>} */
export const readKey = async (slot) => (await get("keys", slot)) ?? null;

/** @param {Slot} slot @returns {Promise<Identity | null>} only once it has its certificate */
export async function readIdentity(slot) {
  const record = await readKey(slot);
  return record?.state === "issued" ? /** @type {Identity} */ (record) : null;
}

/** @param {KeyRecord} record */
export const saveKey = (record) => put("keys", record);

/**
 * Put `after` where `before` was read, if it is still there as it was: whoever waited for the network in between may come back to
 * a slot that was given up, made anew, or moved on by another window.
 * @param {KeyRecord} before @param {KeyRecord} after @returns {Promise<boolean>} whether it was
 */
export const replaceKey = (before, after) => transact(["keys"], "readwrite", async ({ keys }) => {
  const kept = await done(keys.get(before.id));
  if (kept?.thumbprint !== before.thumbprint || kept.state !== before.state) return false;
  await done(keys.put(after));
  return true;
});

/** @param {Slot} slot */
export const forgetKey = (slot) => remove("keys", slot);

/** @param {number} [size] @returns {string} a random text for nonces */
export const randomText = (size = 16) => encode(crypto.getRandomValues(new Uint8Array(size)));
