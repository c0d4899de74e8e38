// Who this browser is: a P-256 key that scripts may use and nobody can copy out, and the certificate it was given.
//
// Citizen and official have a slot each, so a desk computer can be used for both without mixing them up.

import { encode, fromBase64 } from "../lib/base64url.js";
import { utf8 } from "../lib/bytes.js";
import { parseCertificate } from "../lib/der.js";
import { ES256, P256, certificateThumbprint, keyThumbprint } from "../lib/jws.js";
import { get, put, remove } from "./db.js";

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

/** This browser does not give back a key it was asked to keep (some private modes): nothing may be signed with it. */
export class KeyNotKept extends Error {}

/** What was scanned or pasted is not a certificate for this phone: `fault` is "form", "foreign" or "unasked". */
export class UnfitAnswer extends Error {
  /** @param {"form" | "foreign" | "unasked"} fault @param {string} message */
  constructor(fault, message) {
    super(message);
    this.fault = fault;
  }
}

/** @param {Slot} slot @returns {Promise<KeyRecord | null>} */
export const readKey = async (slot) => (await get("keys", slot)) ?? null;

/** @param {Slot} slot @returns {Promise<Identity | null>} only once it has its certificate */
export async function readIdentity(slot) {
  const record = await readKey(slot);
  return record?.state === "issued" ? /** @type {Identity} */ (record) : null;
}

/**
 * Make a key, store it, read it back and sign with what came back.
 * @param {Slot} slot @param {{name: string, phone?: string, idNumber?: string}} person
 * @returns {Promise<KeyRecord>} Throws `KeyNotKept`, `NoStorage`, `StorageFull`.
 */
export async function makeKey(slot, person) {
  const pair = await crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const jwk = { crv, kty, x, y };
  /** @type {KeyRecord} */
  const record = { id: slot, privateKey: pair.privateKey, jwk, thumbprint: await keyThumbprint(jwk), state: "made", ...person };
  try {
    await put("keys", record);
    await proveKept(await readKey(slot), pair.publicKey);
  } catch (cause) {
    await remove("keys", slot).catch(() => undefined); // what matters is why it was not kept
    // DataCloneError: iOS in Lockdown or private mode refuses to store keys at all.
    if (/** @type {any} */ (cause)?.name === "DataCloneError") throw new KeyNotKept("this browser does not store keys", { cause });
    throw cause;
  }
  return record;
}

/** @param {KeyRecord | null} record @param {CryptoKey} publicKey */
async function proveKept(record, publicKey) {
  if (!record?.privateKey) throw new KeyNotKept("the key came back empty");
  const sample = utf8("kept?");
  const signature = await crypto.subtle.sign(ES256, record.privateKey, sample);
  if (!(await crypto.subtle.verify(ES256, publicKey, signature, sample))) throw new KeyNotKept("another key came back");
}

/** @param {KeyRecord} record */
export const saveKey = (record) => put("keys", record);

/** @param {Slot} slot */
export const forgetKey = (slot) => remove("keys", slot);

/**
 * Put the certificate into the record, if it is this key's.
 * @param {KeyRecord} record
 * @param {{certificate: string, chain?: string[], subject?: string}} issued @param {PinnedNode} node
 * @returns {Promise<Identity>} Throws RangeError or `MalformedDer` for a certificate that is not for this key.
 */
export async function acceptCertificate(record, issued, node) {
  const der = fromBase64(issued.certificate);
  const certificate = parseCertificate(der);
  const subject = certificate.uris.find((uri) => uri.startsWith("urn:tram:subject:"));
  if (!subject || (issued.subject && issued.subject !== subject)) throw new RangeError("the certificate names somebody else");
  if (!(await isKeyOf(certificate.spki, record.jwk))) throw new RangeError("the certificate is for another key");
  const identity = {
    ...record, state: /** @type {const} */ ("issued"), subject, certificate: issued.certificate,
    x5t: await certificateThumbprint(der), chain: issued.chain ?? [], node, expires: certificate.notAfter.toISOString(),
  };
  await saveKey(identity);
  return identity;
}

/** @param {Uint8Array<ArrayBuffer>} spki @param {JsonWebKey} jwk */
async function isKeyOf(spki, jwk) {
  const key = await crypto.subtle.importKey("spki", spki, P256, true, ["verify"]);
  return (await keyThumbprint(await crypto.subtle.exportKey("jwk", key))) === (await keyThumbprint(jwk));
}

/** @param {number} [size] @returns {string} a random text for nonces */
export const randomText = (size = 16) => encode(crypto.getRandomValues(new Uint8Array(size)));
