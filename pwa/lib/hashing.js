// SHA-256 and the ids made of it.

import { encode } from "./base64url.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */

export const ID_PATTERN = /^sha256-[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** @param {Bytes} bytes @returns {Promise<Bytes>} the 32 bytes of SHA-256 */
export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** @param {Bytes} bytes @returns {Promise<string>} "sha256-" and 43 characters of base64url, as `crypto.hashing.sha256_id` */
export async function sha256Id(bytes) {
  return `sha256-${encode(await sha256(bytes))}`;
}

/** @param {Uint8Array} bytes @returns {string} lower-case hex */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {Bytes} bytes what the document was made from @returns {Promise<string>} "1-" and the first 32 hex digits of its SHA-256 */
export async function revOf(bytes) {
  return `1-${hex(await sha256(bytes)).slice(0, 32)}`;
}
