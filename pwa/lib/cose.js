// The citizen's receipt: COSE_Sign1 with ES256 (RFC 9052 §4.2) over deterministic CBOR (RFC 8949 §4.2.1), read strictly:
// definite shortest lengths, sorted unique keys, nothing behind it. Format: docs/formats/receipt.md.

import { decode as fromBase64url, encode as toBase64url } from "./base64url.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{kid: Bytes, payload: Bytes, signed: Bytes, signature: Bytes}} Sign1 */
/**
 * @typedef {object} Receipt
 * @property {string} unit @property {number} issued Unix seconds @property {string} code for people
 * @property {string} event "sha256-…" @property {number} generation @property {number} size @property {string} root base64url
 */

const MAX_BYTES = 1024;
const UINT = 0, NEGATIVE = 1, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5, TAG = 6;
const COSE_SIGN1 = 18, ES256 = -7;
const ORIGIN = /^https:\/\/([a-z0-9.-]+(?::\d{1,5})?)\/r#([A-Za-z0-9_-]+)$/;

/** Bytes that are no receipt, or an address that does not lead where receipts are. */
export class NotAReceipt extends Error {
  /** @param {"form" | "origin" | "unit" | "signature"} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {string} url @param {string} domain the one official host @returns {Bytes} the receipt in an address of that host */
export function receiptInUrl(url, domain) {
  const match = ORIGIN.exec(url);
  if (!match || match[1] !== domain) throw new NotAReceipt("origin", `this code does not open ${domain}`);
  return decodeFragment(match[2]);
}

/** @param {string} fragment base64url @returns {Bytes} */
export function decodeFragment(fragment) {
  try {
    return fromBase64url(fragment);
  } catch {
    throw new NotAReceipt("form", "not base64url");
  }
}

/** @param {Bytes} bytes @returns {Sign1} its parts; nothing is verified yet. Throws `NotAReceipt`. */
export function parseSign1(bytes) {
  if (bytes.length > MAX_BYTES) throw new NotAReceipt("form", "too long for a receipt");
  const reader = new Reader(bytes);
  if (reader.head(TAG) !== COSE_SIGN1 || reader.head(ARRAY) !== 4) throw new NotAReceipt("form", "not a COSE_Sign1");
  const header = reader.bytes();
  if (reader.head(MAP) !== 0) throw new NotAReceipt("form", "the unprotected header is empty");
  const payload = reader.bytes(), signature = reader.bytes();
  reader.end();
  if (signature.length !== 64) throw new NotAReceipt("form", "an ES256 signature is 64 bytes");
  const inside = new Reader(header);
  if (inside.head(MAP) !== 2 || inside.integer() !== 1 || inside.integer() !== ES256 || inside.integer() !== 4) throw new NotAReceipt("form", "the header is alg ES256 and kid");
  const kid = inside.bytes();
  inside.end();
  if (kid.length !== 8) throw new NotAReceipt("form", "kid is 8 bytes");
  return { kid, payload, signature, signed: toBeSigned(header, payload) };
}

/** @param {Sign1} sign1 @param {CryptoKey} key @param {string} unit whose node the key is @returns {Promise<Receipt>} */
export async function verifyCitizenReceipt(sign1, key, unit) {
  const holds = await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, sign1.signature, sign1.signed);
  if (!holds) throw new NotAReceipt("signature", "the signature does not belong to this receipt");
  const receipt = parseClaims(sign1.payload);
  if (receipt.unit !== unit) throw new NotAReceipt("unit", `the receipt speaks for ${receipt.unit}, its signer is ${unit}`);
  return receipt;
}

/** @param {Bytes} payload @returns {Receipt} what a payload claims; believe it only after its signature. */
export function parseClaims(payload) {
  const reader = new Reader(payload);
  if (reader.head(MAP) !== 5) throw new NotAReceipt("form", "a receipt has five claims");
  expect(reader.integer() === 1);
  const unit = reader.text();
  expect(reader.integer() === 6);
  const issued = reader.head(UINT);
  expect(reader.integer() === -1);
  const code = reader.text();
  expect(reader.integer() === -2);
  const event = reader.bytes();
  expect(reader.integer() === -3 && reader.head(ARRAY) === 3);
  const generation = reader.head(UINT), size = reader.head(UINT), root = reader.bytes();
  reader.end();
  expect(event.length === 32 && root.length === 32 && generation >= 1);
  return { unit, issued, code, event: `sha256-${toBase64url(event)}`, generation, size, root: toBase64url(root) };
}

/** @param {boolean} holds */
function expect(holds) {
  if (!holds) throw new NotAReceipt("form", "a receipt's claims are not of the form they should be");
}

/** Sig_structure: ["Signature1", protected, h'', payload]. @param {Bytes} header @param {Bytes} payload @returns {Bytes} */
function toBeSigned(header, payload) {
  const context = new TextEncoder().encode("Signature1");
  const parts = [[0x84], head(TEXT, context.length), context, head(BYTES, header.length), header, [0x40], head(BYTES, payload.length), payload];
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** @param {number} major @param {number} value @returns {number[]} */
function head(major, value) {
  if (value < 24) return [(major << 5) | value];
  return value < 256 ? [(major << 5) | 24, value] : [(major << 5) | 25, value >> 8, value & 0xff];
}

class Reader {
  /** @param {Bytes} data */
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  /** @param {number} major @returns {number} the argument of an item's head, which must be of that major type */
  head(major) {
    const first = this.data[this.at++];
    if (first === undefined || first >> 5 !== major) throw new NotAReceipt("form", "another CBOR item was expected");
    const short = first & 31;
    if (short < 24) return short;
    const width = { 24: 1, 25: 2, 26: 4 }[short];
    if (!width || this.at + width > this.data.length) throw new NotAReceipt("form", "a CBOR length that is not read here");
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.data[this.at++];
    if (value < { 1: 24, 2: 256, 4: 65536 }[/** @type {1 | 2 | 4} */ (width)]) throw new NotAReceipt("form", "a CBOR length longer than it needs to be");
    return value;
  }

  /** @returns {number} */
  integer() {
    return this.data[this.at] >> 5 === NEGATIVE ? -1 - this.head(NEGATIVE) : this.head(UINT);
  }

  /** @param {number} [major] @returns {Bytes} */
  bytes(major = BYTES) {
    const length = this.head(major);
    if (this.at + length > this.data.length) throw new NotAReceipt("form", "CBOR ends inside an item");
    this.at += length;
    return this.data.slice(this.at - length, this.at);
  }

  /** @returns {string} */
  text() {
    const bytes = this.bytes(TEXT);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new NotAReceipt("form", "text that is not UTF-8");
    }
  }

  end() {
    if (this.at !== this.data.length) throw new NotAReceipt("form", "bytes follow the receipt");
  }
}
