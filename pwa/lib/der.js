// A small strict DER reader (X.690 §10-11), enough to take from a certificate (RFC 5280 §4.1) whose it is, until when,
// under which key, and to check who signed it. Indefinite lengths, long forms of short lengths and trailing bytes are refused.

import { hex } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {{tag: number, whole: Bytes, content: Bytes}} Item */
/**
 * @typedef {object} Certificate
 * @property {string} serial        lower-case hex
 * @property {Date} notBefore
 * @property {Date} notAfter
 * @property {Bytes} spki           SubjectPublicKeyInfo, as `crypto.subtle.importKey("spki", …)` takes it
 * @property {string} curve         "P-256", "P-384" or ""
 * @property {string[]} uris        subjectAltName URIs
 * @property {string[]} dns         subjectAltName DNS names
 * @property {boolean} ca           basicConstraints cA
 * @property {boolean} signsCrls    keyUsage cRLSign; true without keyUsage (RFC 5280 §4.2.1.3)
 * @property {string} keyId         subjectKeyIdentifier in hex, "" without one
 * @property {Bytes} tbs            what the issuer signed
 * @property {string} signatureHash "SHA-256", "SHA-384" or ""
 * @property {Bytes} signature      DER ECDSA-Sig-Value
 * @property {Bytes} issuer @property {Bytes} subject names, as DER
 */

const MAX_CERTIFICATE_BYTES = 16384;
const SEQUENCE = 0x30, INTEGER = 0x02, BIT_STRING = 0x03, OCTET_STRING = 0x04, OID = 0x06, BOOLEAN = 0x01;
const UTC_TIME = 0x17, GENERALIZED_TIME = 0x18, VERSION = 0xa0, EXTENSIONS = 0xa3, URI_NAME = 0x86, DNS_NAME = 0x82;
const CURVES = /** @type {Record<string, string>} */ ({ "2a8648ce3d030107": "P-256", "2b81040022": "P-384" });
const SIGNATURES = /** @type {Record<string, string>} */ ({ "2a8648ce3d040302": "SHA-256", "2a8648ce3d040303": "SHA-384" });
const SUBJECT_ALT_NAME = "551d11", BASIC_CONSTRAINTS = "551d13", KEY_USAGE = "551d0f", SUBJECT_KEY_ID = "551d0e";
const CRL_SIGN = 0x02; // bit 6 of keyUsage
/** @typedef {{tbs: Bytes, signatureHash: string, signature: Bytes}} Signed what an issuer signed, as certificates and CRLs share it */
/** @typedef {{oid: string, critical: boolean, value: Bytes}} Extension */

/** A certificate or structure that is not strict DER, or not what was expected there. */
export class MalformedDer extends Error {}

/** @param {Bytes} bytes @returns {Item[]} the items that fill `bytes` exactly */
export function parseItems(bytes) {
  const items = [];
  for (let at = 0; at < bytes.length; ) {
    const item = readItem(bytes, at);
    items.push(item);
    at += item.whole.length;
  }
  return items;
}

/** @param {Bytes} bytes @returns {Item} the item `bytes` begin with; what follows is not looked at */
export const firstItem = (bytes) => readItem(bytes, 0);

/** @param {Bytes} bytes @param {number} at @returns {Item} the item that begins at `at`; it shares the memory of `bytes` */
export function readItem(bytes, at) {
  const tag = bytes[at];
  if ((tag & 0x1f) === 0x1f) throw new MalformedDer("multi-byte tags are not used in certificates");
  let length = bytes[at + 1];
  let start = at + 2;
  if (length === undefined || length === 0x80) throw new MalformedDer("no length, or an indefinite one");
  if (length > 0x80) {
    const count = length & 0x7f;
    if (count > 3) throw new MalformedDer("length beyond 16 MiB");
    length = bytes.subarray(start, start + count).reduce((sum, byte) => sum * 256 + byte, 0);
    start += count;
    if (length < 0x80 || length < 256 ** (count - 1)) throw new MalformedDer("length not in its shortest form");
  }
  const end = start + length;
  if (end > bytes.length) throw new MalformedDer("item runs past its container");
  return { tag, whole: bytes.subarray(at, end), content: bytes.subarray(start, end) };
}

/** @param {Item | undefined} item @param {number} tag @param {string} what @returns {Item} */
export function expect(item, tag, what) {
  if (item?.tag !== tag) throw new MalformedDer(`expected ${what}`);
  return item;
}

/** @param {Bytes} bytes @param {number} tag @param {string} what @returns {Item} the one item that is all of `bytes` */
export function only(bytes, tag, what) {
  const items = parseItems(bytes);
  if (items.length !== 1) throw new MalformedDer(`expected only ${what}`);
  return expect(items[0], tag, what);
}

/** @param {Bytes} der @returns {Certificate} Nothing is verified. Throws `MalformedDer`. */
export function parseCertificate(der) {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new MalformedDer(`${der.length} bytes are no certificate`);
  const [tbs, algorithm, signature] = parseItems(only(der, SEQUENCE, "a certificate").content);
  const fields = parseItems(expect(tbs, SEQUENCE, "tbsCertificate").content);
  if (fields[0]?.tag === VERSION) fields.shift();
  const [serial, , issuer, validity, subject, spki, ...rest] = fields;
  const [notBefore, notAfter] = parseItems(expect(validity, SEQUENCE, "validity").content);
  const extensions = readExtensions(rest.find((item) => item.tag === EXTENSIONS));
  return {
    serial: hex(expect(serial, INTEGER, "a serial number").content),
    notBefore: readTime(notBefore),
    notAfter: readTime(notAfter),
    spki: expect(spki, SEQUENCE, "a public key").whole,
    curve: readCurve(spki),
    uris: readNames(extensions.get(SUBJECT_ALT_NAME), URI_NAME),
    dns: readNames(extensions.get(SUBJECT_ALT_NAME), DNS_NAME),
    ca: readCa(extensions.get(BASIC_CONSTRAINTS)),
    signsCrls: readCrlSign(extensions.get(KEY_USAGE)),
    keyId: readKeyId(extensions.get(SUBJECT_KEY_ID)),
    tbs: tbs.whole,
    signatureHash: readSignatureHash(algorithm),
    signature: readBits(signature),
    issuer: expect(issuer, SEQUENCE, "an issuer").whole,
    subject: expect(subject, SEQUENCE, "a subject").whole,
  };
}

/** @param {Item | undefined} algorithm @returns {string} "" for any but ECDSA with SHA-256 or SHA-384 */
export const readSignatureHash = (algorithm) => SIGNATURES[readOid(parseItems(expect(algorithm, SEQUENCE, "an algorithm").content)[0])] ?? "";

/** @param {Item | undefined} item */
const readOid = (item) => hex(expect(item, OID, "an object identifier").content);

/** @param {Item | undefined} item @returns {Bytes} */
export function readBits(item) {
  const { content } = expect(item, BIT_STRING, "a bit string");
  if (content[0] !== 0) throw new MalformedDer("a bit string of ours has whole bytes");
  return content.slice(1);
}

/** @param {Item} spki */
function readCurve(spki) {
  const [algorithm] = parseItems(spki.content);
  const [, parameters] = parseItems(expect(algorithm, SEQUENCE, "a key's algorithm").content);
  return parameters?.tag === OID ? (CURVES[hex(parameters.content)] ?? "") : "";
}

/** RFC 5280 §4.1.2.5: two-digit years below 50 are 20xx. @param {Item | undefined} item @returns {Date} */
export function readTime(item) {
  const text = String.fromCharCode(...(item?.content ?? []));
  const long = item?.tag === UTC_TIME ? `${text < "50" ? "20" : "19"}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(long);
  const time = match && new Date(`${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`);
  if ((item?.tag !== UTC_TIME && item?.tag !== GENERALIZED_TIME) || !time || Number.isNaN(time.getTime())) {
    throw new MalformedDer("not a time");
  }
  return time;
}

/** @param {Item | undefined} wrapper @returns {Map<string, Bytes>} OID in hex → the value's DER */
const readExtensions = (wrapper) => new Map(wrapper ? parseExtensions(only(wrapper.content, SEQUENCE, "extensions")).map(({ oid, value }) => [oid, value]) : []);

/** @param {Item} list SEQUENCE OF Extension (RFC 5280 §4.1) @returns {Extension[]} each OID once */
export function parseExtensions(list) {
  const seen = new Set();
  return parseItems(list.content).map((extension) => {
    const parts = parseItems(expect(extension, SEQUENCE, "an extension").content);
    const oid = readOid(parts[0]);
    if (seen.has(oid)) throw new MalformedDer("the same extension twice");
    seen.add(oid);
    // DER leaves out what is default: a flag that is there says true.
    if (parts.length > 3 || (parts.length === 3 && !isTrue(parts[1]))) throw new MalformedDer("an extension is its name, a flag and a value");
    return { oid, critical: parts.length === 3, value: expect(parts.at(-1), OCTET_STRING, "an extension's value").content };
  });
}

/** @param {Bytes | undefined} value @param {number} tag the kind of name @returns {string[]} */
function readNames(value, tag) {
  if (!value) return [];
  const names = parseItems(only(value, SEQUENCE, "names").content);
  return names.filter((name) => name.tag === tag).map((name) => String.fromCharCode(...name.content));
}

/** @param {Bytes | undefined} value */
function readCa(value) {
  if (!value) return false;
  return isTrue(parseItems(only(value, SEQUENCE, "basicConstraints").content)[0]);
}

/** @param {Item | undefined} flag */
const isTrue = (flag) => flag?.tag === BOOLEAN && flag.content.length === 1 && flag.content[0] === 0xff;

/** @param {Bytes | undefined} value */
const readCrlSign = (value) => value === undefined || (only(value, BIT_STRING, "keyUsage").content[1] & CRL_SIGN) !== 0;

/** @param {Bytes | undefined} value */
const readKeyId = (value) => (value ? hex(only(value, OCTET_STRING, "a key identifier").content) : "");

/** @param {Certificate} certificate @returns {Promise<CryptoKey>} its public key, for verifying. Throws `MalformedDer`. */
export async function publicKeyOf({ spki, curve }) {
  if (!curve) throw new MalformedDer("the key is not on P-256 or P-384");
  return crypto.subtle.importKey("spki", spki, { name: "ECDSA", namedCurve: curve }, true, ["verify"]);
}

/**
 * Whether `issuer` signed `certificate` and both hold at `at`. The phone asks this when a node shows a renewed certificate:
 * the same CA must have issued it. The node checks whole paths (`crypto.chain`); this is not that.
 * @param {Certificate} certificate @param {Certificate} issuer @param {Date} at @returns {Promise<boolean>}
 */
export async function isIssuedBy(certificate, issuer, at) {
  const current = [certificate, issuer].every((one) => one.notBefore <= at && at <= one.notAfter);
  return current && issuer.ca && hex(certificate.issuer) === hex(issuer.subject) && isSignedBy(certificate, issuer);
}

/** @param {Signed} signed @param {Certificate} issuer @returns {Promise<boolean>} whether the issuer's key made the signature; names and times are not looked at */
export async function isSignedBy({ tbs, signatureHash, signature }, issuer) {
  if (!signatureHash) return false;
  const raw = rawSignature(signature, issuer.curve === "P-384" ? 48 : 32);
  return crypto.subtle.verify({ name: "ECDSA", hash: signatureHash }, await publicKeyOf(issuer), raw, tbs);
}

/** @param {Bytes} der ECDSA-Sig-Value @param {number} size of the curve's order in bytes @returns {Bytes} r ‖ s */
function rawSignature(der, size) {
  const numbers = parseItems(only(der, SEQUENCE, "a signature").content);
  if (numbers.length !== 2) throw new MalformedDer("a signature has two numbers");
  const raw = new Uint8Array(2 * size);
  numbers.forEach((number, i) => {
    const digits = expect(number, INTEGER, "a number").content;
    const plain = digits[0] === 0 ? digits.slice(1) : digits;
    if (plain.length > size) throw new MalformedDer("a signature's number is too long for the curve");
    raw.set(plain, (i + 1) * size - plain.length);
  });
  return raw;
}
