// JSON Web Signatures with ES256 (RFC 7515, RFC 7518 §3.4) through Web Crypto, which speaks r ‖ s as JOSE does.
//
// A header never chooses the key: whoever verifies hands over the key it trusts already.

import { decode, encode } from "./base64url.js";
import { concat, fromUtf8, utf8 } from "./bytes.js";
import { canonical } from "./canonical.js";
import { eventBytes, eventId, idInDocument } from "./event.js";
import { sha256 } from "./hashing.js";

/** @typedef {import("./event.js").TramEvent} TramEvent */
/** @typedef {import("./event.js").Signature} Signature */
/** @typedef {import("./event.js").EventDocument} EventDocument */

export const ES256 = Object.freeze({ name: "ECDSA", hash: "SHA-256" });
export const P256 = Object.freeze({ name: "ECDSA", namedCurve: "P-256" });

const PROTECTED_MEMBERS = ["alg", "cty", "iat", "typ", "x5t#S256"].join();
const CONTENT_TYPE = "vnd.tram.event+json";

/** A signature that does not hold. Its message is for logs; people see `i18n` texts. */
export class BadSignature extends Error {}

/** @param {Uint8Array} payload @param {Record<string, any>} header without `alg` @param {CryptoKey} key @returns {Promise<string>} compact JWS */
export async function signCompact(payload, header, key) {
  const input = `${encode(canonical({ alg: "ES256", ...header }))}.${encode(payload)}`;
  const signature = await crypto.subtle.sign(ES256, key, utf8(input));
  return `${input}.${encode(new Uint8Array(signature))}`;
}

/** @param {import("./bytes.js").Bytes} der a certificate @returns {Promise<string>} its `x5t#S256` (RFC 7515 §4.1.8) */
export const certificateThumbprint = async (der) => encode(await sha256(der));

/** @param {JsonWebKey} jwk a P-256 public key @returns {Promise<string>} its RFC 7638 thumbprint, 43 characters */
export async function keyThumbprint({ crv, kty, x, y }) {
  return encode(await sha256(canonical({ crv, kty, x, y })));
}

/**
 * @param {TramEvent} event
 * @param {{key: CryptoKey, x5t: string, iat: number}} signer `x5t` names the key's certificate, `iat` is in Unix seconds
 * @returns {Promise<Signature>} JAdES B-B, exactly as `crypto/event.py` wants it
 */
export async function signEvent(event, { key, x5t, iat }) {
  const header = { alg: "ES256", cty: CONTENT_TYPE, iat, typ: "jose+json", "x5t#S256": x5t };
  const [head, , signature] = (await signCompact(eventBytes(event), header, key)).split(".");
  return { protected: head, signature, header: { etsiU: [] } };
}

/** @param {EventDocument} doc @returns {string} the `x5t#S256` of the certificate it says it was signed under. Throws `BadSignature`. */
export const signerOf = (doc) => parseProtected(doc.signatures[0].protected)["x5t#S256"];

/**
 * @param {EventDocument} doc
 * @param {{publicKey: CryptoKey, x5t: string, actor: string}} signer from a certificate that is trusted already
 * @returns {Promise<TramEvent>} the event, proven: its id is its hash, `signer` signed it, and it speaks as `signer`.
 *   Throws `BadSignature`.
 */
export async function verifyEvent(doc, signer) {
  const { protected: head, signature } = doc.signatures[0];
  const { event } = doc;
  if (parseProtected(head)["x5t#S256"] !== signer.x5t) throw new BadSignature("signed under another certificate");
  if (event.actor !== signer.actor) throw new BadSignature(`${event.actor} signed as ${signer.actor}`);
  if (doc.signatures.length !== 1 || (await eventId(event)) !== idInDocument(doc)) throw new BadSignature("id is not the hash of the event");
  const raw = decode(signature);
  if (raw.length !== 64) throw new BadSignature(`an ES256 signature has 64 bytes, not ${raw.length}`);
  const input = concat(utf8(`${head}.`), utf8(encode(eventBytes(event))));
  if (!(await crypto.subtle.verify(ES256, signer.publicKey, raw, input))) throw new BadSignature("the signature does not fit");
  return event;
}

/** @param {string} text @returns {Record<string, any>} a protected header of exactly our five members. Throws `BadSignature`. */
function parseProtected(text) {
  let header, fingerprint;
  try {
    header = JSON.parse(fromUtf8(decode(text)));
    fingerprint = decode(header["x5t#S256"]);
  } catch (cause) {
    throw new BadSignature("protected header not readable", { cause });
  }
  if (header?.alg !== "ES256" || header.typ !== "jose+json" || header.cty !== CONTENT_TYPE ||
      !Number.isSafeInteger(header.iat) || header.iat < 0 || fingerprint.length !== 32 ||
      Object.keys(header).sort().join() !== PROTECTED_MEMBERS || encode(canonical(header)) !== text) {
    throw new BadSignature("protected header is not that of a Trạm event");
  }
  return header;
}
