// Base64 in the two spellings we meet: base64url without padding (JOSE, our ids) and plain base64 (certificates in JSON).
// Decoding is strict: what another decoder would read differently, or repair, is refused.

/** @typedef {import("./bytes.js").Bytes} Bytes */

const URL_ALPHABET = /^[A-Za-z0-9_-]*$/;
const PLAIN = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
// 8 KiB: String.fromCharCode takes its bytes as arguments, and engines bound their number.
const PIECE = 8192;

/** @param {Uint8Array} bytes @returns {string} plain base64 with padding (RFC 4648 §4) */
export function toBase64(bytes) {
  let binary = "";
  for (let i = 0; i < bytes.length; i += PIECE) binary += String.fromCharCode(...bytes.subarray(i, i + PIECE));
  return btoa(binary);
}

/** @param {string} text plain base64 @returns {Bytes} Throws RangeError for anything else. */
export function fromBase64(text) {
  if (!PLAIN.test(text)) throw new RangeError("not base64");
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new RangeError("base64 with stray bits at its end");
  return bytes;
}

/** @param {Uint8Array} bytes @returns {string} base64url without padding (RFC 7515 §2) */
export function encode(bytes) {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** @param {string} text base64url without padding @returns {Bytes} Throws RangeError for padding, other characters, stray bits. */
export function decode(text) {
  if (!URL_ALPHABET.test(text) || text.length % 4 === 1) throw new RangeError("not base64url without padding");
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return fromBase64(plain + "=".repeat((4 - (plain.length % 4)) % 4));
}
