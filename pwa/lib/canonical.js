// Canonical JSON (RFC 8785) for the data we sign: no floats, integers within ±(2^53-1), depth at most 16.
//
// JSON.stringify already writes strings and integers as RFC 8785 wants, and Array.sort compares UTF-16 code units as
// its §3.2.3 asks. What is left is to refuse what our data never holds.

import { utf8 } from "./bytes.js";

export const MAX_DEPTH = 16;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** @param {unknown} value @returns {string} the canonical text; throws TypeError for what signed data must not hold */
export function canonicalText(value) {
  return write(value, 0);
}

/** @param {unknown} value @returns {import("./bytes.js").Bytes} the canonical form in UTF-8 */
export const canonical = (value) => utf8(canonicalText(value));

/** @param {unknown} value @param {number} depth @returns {string} */
function write(value, depth) {
  switch (typeof value) {
    case "string":
      return writeText(value);
    case "number":
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new TypeError(`${value} is not a safe integer`);
      return String(value);
    case "boolean":
      return String(value);
    case "object":
      return value === null ? "null" : writeContainer(value, depth + 1);
    default:
      throw new TypeError(`${typeof value} has no place in signed data`);
  }
}

/** @param {object} value @param {number} depth */
function writeContainer(value, depth) {
  if (depth > MAX_DEPTH) throw new TypeError(`nested deeper than ${MAX_DEPTH}`);
  if (Array.isArray(value)) return `[${Array.from(value, (item) => write(item, depth)).join(",")}]`;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError("only plain objects are signed");
  const record = /** @type {Record<string, unknown>} */ (value);
  const members = Object.keys(record).sort();
  return `{${members.map((name) => `${writeText(name)}:${write(record[name], depth)}`).join(",")}}`;
}

/** @param {string} text */
function writeText(text) {
  if (LONE_SURROGATE.test(text)) throw new TypeError("text with half a character (lone surrogate)");
  return JSON.stringify(text);
}
