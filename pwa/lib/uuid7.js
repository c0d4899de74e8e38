// Stream ids: UUID version 7 (RFC 9562 §5.7), so that dossiers sort by the moment they were begun.

import { hex } from "./hashing.js";

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * @param {number} nowMs milliseconds since 1970
 * @param {Uint8Array} random at least 10 random bytes
 * @returns {string} lower-case, with dashes
 */
export function uuid7(nowMs, random) {
  if (!Number.isSafeInteger(nowMs) || nowMs < 0 || nowMs >= 2 ** 48) throw new RangeError(`no time for a UUIDv7: ${nowMs}`);
  if (random.length < 10) throw new RangeError("a UUIDv7 takes 10 random bytes");
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, Math.floor(nowMs / 2 ** 16));
  new DataView(bytes.buffer).setUint16(4, nowMs % 2 ** 16);
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** @param {string} text */
export const isUuid7 = (text) => PATTERN.test(text);
