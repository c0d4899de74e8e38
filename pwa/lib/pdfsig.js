// Whether the signatures inside a PDF still fit its bytes (ISO 32000-2 §12.8.1, CMS RFC 5652 §5.4-5.6), without a network.
//
// Asked before a file is handed in: a paper that was changed after it was signed is found out here, not at the office. Who signed,
// and whether their certificate counts, is for the office (`server/papers`): that takes anchors and lists that no phone has.

import { concat } from "./bytes.js";
import { MalformedDer, firstItem, parseItems } from "./der.js";
import { hex } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./der.js").Item} Item */
/** `broken`: a signature does not fit the bytes. `added`: something was added behind the last one. @typedef {"unsigned" | "intact" | "broken" | "added" | "unchecked"} PdfState */

const SET = 0x31, SEQUENCE = 0x30, OCTET_STRING = 0x04, FIRST = 0xa0;
const MESSAGE_DIGEST = "2a864886f70d010904";
const HASHES = /** @type {Record<string, string>} */ ({ "2b0e03021a": "SHA-1", "608648016503040201": "SHA-256", "608648016503040202": "SHA-384", "608648016503040203": "SHA-512" });
const MOST_SIGNATURES = 20;
const latin1 = new TextDecoder("latin1");

/** @param {Bytes} pdf @returns {Promise<PdfState>} of all its signatures, the worst; never throws for what a file holds */
export async function checkPdf(pdf) {
  const text = latin1.decode(pdf);
  const ranges = [...text.matchAll(/\/ByteRange\s*\[\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]/g)].map((match) => match.slice(1).map(Number));
  if (!ranges.length) return "unsigned";
  if (ranges.length > MOST_SIGNATURES) return "unchecked";
  const found = await Promise.all(ranges.map((range) => checkOne(pdf, text, range)));
  if (found.includes("broken")) return "broken";
  const end = Math.max(...ranges.map(([, , from, length]) => from + length));
  if (pdf.subarray(end).some((byte) => !isSpace(byte))) return "added";
  return found.includes("unchecked") ? "unchecked" : "intact";
}

const isSpace = (/** @type {number} */ byte) => byte === 0 || byte === 9 || byte === 10 || byte === 12 || byte === 13 || byte === 32;

/** @param {Bytes} pdf @param {string} text the same, a character a byte @param {number[]} range @returns {Promise<PdfState>} */
async function checkOne(pdf, text, [start, length, from, rest]) {
  if (start !== 0 || length >= from || from + rest > pdf.length) return "broken"; // names bytes that are not there, or skips the beginning
  const contents = /^<([0-9A-Fa-f\s]*)>$/.exec(text.slice(length, from));
  if (!contents) return "broken"; // more is left out than the signature itself
  try {
    const { hash, digest } = readSigner(fromHex(contents[1].replace(/\s/g, "")));
    if (!hash) return "unchecked";
    const actual = new Uint8Array(await crypto.subtle.digest(hash, concat(pdf.subarray(0, length), pdf.subarray(from, from + rest))));
    return hex(actual) === hex(digest) ? "intact" : "broken";
  } catch (cause) {
    if (cause instanceof MalformedDer) return "unchecked"; // BER, or a format we do not read: the office looks
    throw cause;
  }
}

/** @param {string} digits @returns {Bytes} */
const fromHex = (digits) => Uint8Array.from({ length: Math.floor(digits.length / 2) }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));

/** @param {Bytes} cms DER, zeros may follow @returns {{hash: string, digest: Bytes}} the digest its first signer put over the bytes; `hash` "" for one not known here. Throws `MalformedDer`. */
function readSigner(cms) {
  const [, content] = parseItems(firstItem(cms).content);
  const [signedData] = parseItems(expect(content, FIRST).content);
  const signers = parseItems(expect(signedData, SEQUENCE).content).at(-1);
  const [signer] = parseItems(expect(signers, SET).content);
  const [, , algorithm, attributes] = parseItems(expect(signer, SEQUENCE).content);
  const [oid] = parseItems(expect(algorithm, SEQUENCE).content);
  const hash = HASHES[hex(oid.content)] ?? "";
  for (const attribute of parseItems(expect(attributes, FIRST).content)) {
    const [name, values] = parseItems(attribute.content);
    if (hex(name.content) !== MESSAGE_DIGEST) continue;
    const [value] = parseItems(expect(values, SET).content);
    return { hash, digest: expect(value, OCTET_STRING).content };
  }
  throw new MalformedDer("no message digest");
}

/** @param {Item | undefined} item @param {number} tag @returns {Item} */
function expect(item, tag) {
  if (item?.tag !== tag) throw new MalformedDer("not a signature's CMS");
  return item;
}
