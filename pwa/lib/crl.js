// Certificate revocation lists (RFC 5280 §5) as this phone reads them: what `crypto/crl.py` takes and refuses, of the one profile
// our CAs issue. A list that says less than it seems to (delta, indirect, for some certificates only) marks itself critical: refused.

import { sameBytes } from "./bytes.js";
import { MalformedDer, expect, isSignedBy, only, parseExtensions, parseItems, readBits, readItem, readSignatureHash, readTime } from "./der.js";
import { hex } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./der.js").Certificate} Certificate */
/**
 * A list whose signature is not checked yet. `entries` is the DER inside revokedCertificates, looked through when asked.
 * @typedef {import("./der.js").Signed & {issuer: Bytes, number: bigint, thisUpdate: Date, nextUpdate: Date, entries: Bytes}} Crl
 */
/** `on` is when the CA says it revoked, `since` the first instant at which a signature no longer counts. @typedef {{on: Date, since: Date}} Revocation */

/** As `crypto.crl.MAX_CRL_BYTES`: about 80 000 entries. */
export const MAX_CRL_BYTES = 4 * 1024 * 1024;
const COMPROMISE_GRACE_MS = 24 * 3600_000; // a lost key was lost before somebody noticed
const SEQUENCE = 0x30, INTEGER = 0x02, ENUMERATED = 0x0a, GENERALIZED_TIME = 0x18, EXTENSIONS = 0xa0;
const CRL_NUMBER = "551d14", REASON = "551d15", INVALIDITY_DATE = "551d18";
const KEY_COMPROMISE = 1;
const REASONS = new Set([0, 1, 2, 3, 4, 5, 6, 8, 9, 10]); // RFC 5280 §5.3.1; 7 is not used

/** @param {Bytes} der @returns {Crl} Throws `MalformedDer` unless it is a complete list, with number and nextUpdate, that can be read to its end. */
export function parseCrl(der) {
  if (der.length > MAX_CRL_BYTES) throw new MalformedDer(`a revocation list of ${der.length} bytes, at most ${MAX_CRL_BYTES} are read`);
  const [tbs, algorithm, signature, ...more] = parseItems(only(der, SEQUENCE, "a revocation list").content);
  const [version, inner, issuer, thisUpdate, nextUpdate, ...rest] = parseItems(expect(tbs, SEQUENCE, "tbsCertList").content);
  const revoked = rest[0]?.tag === SEQUENCE ? rest.shift() : undefined;
  const extensions = rest.shift();
  if (more.length || rest.length || hex(expect(version, INTEGER, "a version").content) !== "01") throw new MalformedDer("not a revocation list of version 2");
  if (hex(expect(inner, SEQUENCE, "an algorithm").whole) !== hex(expect(algorithm, SEQUENCE, "an algorithm").whole)) throw new MalformedDer("two algorithms for one signature");
  const entries = revoked?.content ?? new Uint8Array();
  for (const entry of each(entries)) readEntry(entry);
  return {
    issuer: expect(issuer, SEQUENCE, "an issuer").whole, number: readNumber(expect(extensions, EXTENSIONS, "extensions").content),
    thisUpdate: readTime(thisUpdate), nextUpdate: readTime(nextUpdate), entries,
    tbs: tbs.whole, signatureHash: readSignatureHash(algorithm), signature: readBits(signature),
  };
}

/** @param {Bytes} wrapped the list's extensions @returns {bigint} */
function readNumber(wrapped) {
  const extensions = parseExtensions(only(wrapped, SEQUENCE, "extensions"));
  const unknown = extensions.find(({ critical }) => critical);
  if (unknown) throw new MalformedDer(`critical extension ${unknown.oid} is not supported`);
  const value = extensions.find(({ oid }) => oid === CRL_NUMBER)?.value;
  const digits = value ? only(value, INTEGER, "a number").content : new Uint8Array();
  // As in Python: below 2^63, for numbers rise by ones.
  if (!digits.length || digits.length > 8 || digits[0] & 0x80) throw new MalformedDer("a revocation list has a number that rose by ones");
  return BigInt(`0x${hex(digits)}`);
}

/** @param {Bytes} entries @returns {Generator<Bytes>} the content of each */
function* each(entries) {
  for (let at = 0; at < entries.length; ) {
    const { whole, content } = expect(readItem(entries, at), SEQUENCE, "an entry");
    yield content;
    at += whole.length;
  }
}

/** @param {Bytes} entry @returns {Revocation} */
function readEntry(entry) {
  const [serial, date, extensions, ...more] = parseItems(entry);
  if (more.length || expect(serial, INTEGER, "a serial number").content.length === 0) throw new MalformedDer("an entry is a number, a time and extensions");
  const on = readTime(date);
  const told = extensions ? readReason(expect(extensions, SEQUENCE, "extensions")) : { reason: 0, lost: null };
  return { on, since: sinceOf(on, told) };
}

/** @param {import("./der.js").Item} list @returns {{reason: number, lost: Date | null}} */
function readReason(list) {
  let reason = 0, lost = null;
  for (const { oid, critical, value } of parseExtensions(list)) {
    // Such as certificateIssuer: the entry may be about another CA's certificate (RFC 5280 §5.3).
    if (critical) throw new MalformedDer(`critical entry extension ${oid} is not supported`);
    if (oid === REASON) reason = readEnumerated(value);
    if (oid === INVALIDITY_DATE) lost = readTime(only(value, GENERALIZED_TIME, "a time"));
  }
  return { reason, lost };
}

/** @param {Bytes} value */
function readEnumerated(value) {
  const { content } = only(value, ENUMERATED, "a reason");
  if (content.length !== 1 || !REASONS.has(content[0])) throw new MalformedDer("a reason that does not exist");
  return content[0];
}

/** @param {Date} on @param {{reason: number, lost: Date | null}} told @returns {Date} as `crypto.crl.Revocation.effective_at` */
function sinceOf(on, { reason, lost }) {
  if (reason !== KEY_COMPROMISE) return on;
  return new Date(Math.min(on.getTime(), lost?.getTime() ?? on.getTime() - COMPROMISE_GRACE_MS));
}

/** @param {Crl} crl @param {Certificate} issuer @returns {Promise<boolean>} whether its name is on the list, its key signed it, and that key is meant to sign lists. Never throws. */
export async function isCrlIssuedBy(crl, issuer) {
  if (!issuer.signsCrls || hex(crl.issuer) !== hex(issuer.subject)) return false;
  try {
    return await isSignedBy(crl, issuer);
  } catch (cause) {
    if (cause instanceof MalformedDer) return false;
    throw cause;
  }
}

/** @param {Crl} crl @param {string} serial lower-case hex, as `parseCertificate` gives it @returns {Revocation | null} null where the list does not name it */
export function revocationOf(crl, serial) {
  const wanted = Uint8Array.from(serial.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  for (const entry of each(crl.entries)) {
    if (sameBytes(readItem(entry, 0).content, wanted)) return readEntry(entry);
  }
  return null;
}
