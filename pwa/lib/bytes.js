// Small helpers on bytes. No DOM.

/** Bytes that own their buffer: what Web Crypto and IndexedDB take without a copy. @typedef {Uint8Array<ArrayBuffer>} Bytes */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** @param {string} text @returns {Bytes} its UTF-8 form */
export const utf8 = (text) => encoder.encode(text);

/** @param {Uint8Array} bytes @returns {string} the text; throws TypeError for anything but UTF-8 */
export const fromUtf8 = (bytes) => decoder.decode(bytes);

/** @param {...Uint8Array} parts @returns {Bytes} all of them, one after another */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
export const sameBytes = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
