// Text from a person, made fit to sign: Unicode NFC, nothing invisible, nothing that turns the reading direction round.
//
// The same sets as `crypto/text.py`. There a verifier refuses; here, before signing, the form repairs, and people see
// the repaired text on the "check your answers" page.

// Soft hyphen, joiners and fillers, zero width, separators, bidirectional controls, Arabic letter mark, tags.
const INVISIBLE =
  "\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u3164\\uffa0" +
  "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}";
const NOT_IN_TEXT = new RegExp(`[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f${INVISIBLE}]|\\p{Surrogate}`, "gu");
const NOT_IN_NAME = new RegExp(`[\\x00-\\x1f\\x7f-\\x9f${INVISIBLE}]|\\p{Surrogate}`, "gu");

/** @param {string} raw @returns {string} running text: lines kept, ends trimmed */
export function cleanText(raw) {
  return raw.replace(/\r\n?/g, "\n").replace(NOT_IN_TEXT, "").normalize("NFC").trim();
}

/** @param {string} raw @returns {string} one line: white space folded into single blanks, ends trimmed */
export function cleanLine(raw) {
  return raw.replace(/\s+/g, " ").replace(NOT_IN_NAME, "").normalize("NFC").trim();
}

/** @param {string} raw @param {number} [most] in characters @returns {string} a file's name: one line, no path, never empty */
export function cleanFileName(raw, most = 120) {
  const line = cleanLine(raw.replace(/^.*[\\/]/, ""));
  const chars = Array.from(line);
  if (chars.length <= most) return line || "tep";
  const ending = /\.[A-Za-z0-9]{1,8}$/.exec(line)?.[0] ?? "";
  return chars.slice(0, most - ending.length).join("") + ending;
}

/** @param {string} text @returns {boolean} whether it may be signed as it stands */
export function isClean(text) {
  return text === text.normalize("NFC") && text.search(NOT_IN_TEXT) < 0;
}

/**
 * @param {string} text
 * @returns {string} what search compares: lower case, without diacritics, đ as d. "Đăng ký khai sinh" → "dang ky khai sinh".
 *   For looking things up only; never for what is signed.
 */
export function fold(text) {
  return text.normalize("NFD").replace(/\p{M}+/gu, "").replace(/[đĐ]/g, "d").toLowerCase().replace(/\s+/g, " ").trim();
}
