// Whose log keys this phone believes: that of its own office's log, and those of the units above, which witness it.
//
// The certificates come from the office's node; what makes them count is that the authorities pinned at enrolment issued them.
// A witness must be a unit above: issued by a CA above the office's own, under a name that the office's name ends in.

import { fromBase64 } from "./base64url.js";
import { MalformedDer, isIssuedBy, parseCertificate } from "./der.js";
import { COSIGNATURE, ED25519 } from "./note.js";
import { Lists, lookUp } from "./revocation.js";

/** @typedef {import("./note.js").NoteKey} NoteKey */
/** @typedef {{urn: string, chain: string[]}} LogPins `urn` of the office's node; `chain` base64 DER, the office's CA first */
/** @typedef {{log: (generation: number) => NoteKey[], witnesses: NoteKey[], unitOf: (name: string) => string}} LogKeys */

const LOG_URN = "urn:tram:log:", NODE_URN = "urn:tram:node:";
const BASE = ".tram.internal";
const RAW_BYTES = 32;

/** @param {string} origin @returns {{dns: string, generation: number} | null} of a log's name, null for any other text */
export function parseOrigin(origin) {
  const match = /^([a-z0-9.]+\.tram\.internal)\/log(?:\/([2-9]|[1-9][0-9]{1,3}))?$/.exec(origin);
  return match && { dns: match[1], generation: Number(match[2] ?? 1) };
}

/** @param {string} name of a log @returns {string} its unit's code: "12.h41.tram.internal/log" → "H41.12" */
export const unitOfLog = (name) => (parseOrigin(name)?.dns ?? "").slice(0, -BASE.length).split(".").reverse().join(".").toUpperCase();

/**
 * @param {string[]} certificates base64 DER, as the node sent them @param {LogPins} pins @param {Date} now @param {Lists} [lists] of what was revoked
 * @returns {Promise<LogKeys>} those that count; a certificate that is none of these is passed over. Empty where this browser has no Ed25519.
 */
export async function readLogKeys(certificates, { urn, chain }, now, lists = new Lists()) {
  const dns = urn.replace(NODE_URN, "").split("-").reverse().join(".") + BASE;
  const authorities = chain.map((each) => parseCertificate(fromBase64(each)));
  /** @type {{dns: string, raw: import("./bytes.js").Bytes, key: CryptoKey, revokedS: number}[]} */
  const own = [], above = [];
  for (const text of certificates) {
    const found = await readOne(text, authorities, now, lists);
    if (!found) continue;
    if (found.dns === dns && found.level === 0) own.push(found);
    else if (dns.endsWith(`.${found.dns}`) && found.level > 0) above.push(found);
  }
  return {
    log: (generation) => own.map(({ raw, key, revokedS }) => ({ name: `${dns}/log${generation > 1 ? `/${generation}` : ""}`, kind: ED25519, raw, key, revokedS })),
    witnesses: above.map((one) => ({ name: `${one.dns}/log`, kind: COSIGNATURE, raw: one.raw, key: one.key, revokedS: one.revokedS })),
    unitOf: unitOfLog,
  };
}

/** @param {string} text @param {import("./der.js").Certificate[]} authorities @param {Date} now @param {Lists} lists */
async function readOne(text, authorities, now, lists) {
  try {
    const certificate = parseCertificate(fromBase64(text));
    // A log's key outlives the moment: what it signed while it held goes on counting (server/intake/logs.py).
    const at = new Date(Math.min(Math.max(now.getTime(), certificate.notBefore.getTime()), certificate.notAfter.getTime()));
    const [dns, ...more] = certificate.dns;
    const stem = dns?.slice(0, -BASE.length).split(".").reverse().join("-");
    if (certificate.ca || !dns || more.length || certificate.uris.join() !== LOG_URN + stem) return null;
    const issuedBy = await Promise.all(authorities.map((one) => isIssuedBy(certificate, one, at)));
    const level = issuedBy.indexOf(true);
    if (level < 0) return null;
    const key = await crypto.subtle.importKey("spki", certificate.spki, { name: "Ed25519" }, true, ["verify"]);
    const { sinceMs } = await lookUp(certificate, authorities, lists);
    return { dns, level, key, raw: certificate.spki.slice(-RAW_BYTES), revokedS: sinceMs / 1000 };
  } catch (cause) {
    if (cause instanceof MalformedDer || cause instanceof RangeError || cause instanceof DOMException) return null;
    throw cause;
  }
}
