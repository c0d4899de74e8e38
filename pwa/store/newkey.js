// Making a key that this browser keeps, and taking the certificate that was issued for it.

import { fromBase64 } from "../lib/base64url.js";
import { utf8 } from "../lib/bytes.js";
import { parseCertificate } from "../lib/der.js";
import { ES256, P256, certificateThumbprint, keyThumbprint } from "../lib/jws.js";
import { put, remove } from "./db.js";
import { readKey, replaceKey } from "./keys.js";

/** @typedef {import("./keys.js").Slot} Slot */
/** @typedef {import("./keys.js").KeyRecord} KeyRecord */
/** @typedef {import("./keys.js").Identity} Identity */
/** @typedef {import("./keys.js").PinnedNode} PinnedNode */

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

/**
 * Put the certificate into the record, if it is this key's.
 * @param {KeyRecord} record
 * @param {{certificate: string, chain?: string[], subject?: string}} issued @param {PinnedNode} node
 * @returns {Promise<Identity | null>} null where the key is no longer waiting here. Throws RangeError or `MalformedDer` for a
 *   certificate that is not for this key.
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
  return (await replaceKey(record, identity)) ? identity : null;
}

/** @param {Uint8Array<ArrayBuffer>} spki @param {JsonWebKey} jwk */
async function isKeyOf(spki, jwk) {
  const key = await crypto.subtle.importKey("spki", spki, P256, true, ["verify"]);
  return (await keyThumbprint(await crypto.subtle.exportKey("jwk", key))) === (await keyThumbprint(jwk));
}
