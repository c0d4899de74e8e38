// Whether a signature still counts, as far as revocation lists tell: the rule of `server/readmodel` and `crypto.chain.judge`.
//
//     valid                        nothing revoked, by lists that reach the moment the signature is proven for
//     valid                        revoked, and proven to have existed before
//     invalid        revoked       its own claim is at or after the day the CA revoked
//     indeterminate  revoked       revoked, and nobody proves that it existed before
//     indeterminate  crl_stale     a list lapsed before that moment: whether it was revoked is not known
//     indeterminate  crl_unknown   no list of one of the CAs ever came
//
// A signature that nobody proves to be older may have been made just now, so its moment is now.

import { isCrlIssuedBy, parseCrl, revocationOf } from "./crl.js";
import { MalformedDer, isIssuedBy } from "./der.js";
import { hex } from "./hashing.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./der.js").Certificate} Certificate */
/** @typedef {import("./crl.js").Crl} Crl */
/** @typedef {"valid" | "invalid" | "indeterminate"} Status */
/**
 * `atMs`: of `revoked` since when it no longer counts; else when the first of the lists is due, or was; 0 where lists that never came are not due yet.
 * @typedef {{status: Status, reason: "" | "revoked" | "crl_stale" | "crl_unknown", atMs: number}} Verdict
 */
/** What the lists say of a path, the earliest of each: `sinceMs` and `onMs` are Infinity where nothing is revoked. @typedef {{sinceMs: number, onMs: number, dueMs: number, complete: boolean}} Found */
/** `provenMs`: by when the signature is known to have existed, null where nobody proves it. @typedef {{claimedMs: number, provenMs: number | null, nowMs: number}} Times */

// A CA that has never published a list is given the life of one from its own beginning (server/trust/freshness.py).
const FIRST_LIST_MS = (30 + 1) * 24 * 3600_000; // CRL_LIFE + BACKDATED of server/pki/authority.py

/** The newest list of each CA: of several, the highest number that the CA has signed. */
export class Lists {
  /** @param {Bytes[]} ders whatever was kept or came; what no CA asked about has signed counts for nothing */
  constructor(ders = []) {
    /** @type {Crl[]} highest number first */
    this.crls = ders.flatMap((der) => parseOrNone(der)).sort((a, b) => (a.number < b.number ? 1 : -1));
    /** @type {Map<string, Promise<Crl | null>>} by the CA's key and name */
    this.newest = new Map();
  }

  /** @param {Certificate} issuer @returns {Promise<Crl | null>} */
  of(issuer) {
    const key = hex(issuer.spki) + hex(issuer.subject);
    const found = this.newest.get(key) ?? this.#find(issuer);
    this.newest.set(key, found);
    return found;
  }

  /** @param {Certificate} issuer */
  async #find(issuer) {
    for (const crl of this.crls) if (await isCrlIssuedBy(crl, issuer)) return crl;
    return null;
  }
}

/** @param {Bytes} der @returns {Crl[]} */
function parseOrNone(der) {
  try {
    return [parseCrl(der)];
  } catch (cause) {
    if (cause instanceof MalformedDer) return [];
    throw cause;
  }
}

/**
 * @param {Certificate} certificate @param {Certificate[]} authorities from the office's CA up to the anchor; which of them issued it is found
 * @param {Lists} lists @returns {Promise<Found>} what the newest lists say of the path from it to the anchor
 */
export async function lookUp(certificate, authorities, lists) {
  const path = [certificate, ...authorities.slice(await levelOf(certificate, authorities))];
  const found = { sinceMs: Infinity, onMs: Infinity, dueMs: Infinity, complete: path.length > 1 };
  for (let i = 0; i + 1 < path.length; i++) {
    const crl = await lists.of(path[i + 1]);
    found.complete &&= crl !== null;
    found.dueMs = Math.min(found.dueMs, crl ? crl.nextUpdate.getTime() : path[i + 1].notBefore.getTime() + FIRST_LIST_MS);
    const revocation = crl && revocationOf(crl, path[i].serial);
    if (!revocation) continue;
    found.sinceMs = Math.min(found.sinceMs, revocation.since.getTime());
    found.onMs = Math.min(found.onMs, revocation.on.getTime());
  }
  return found;
}

/** @param {Certificate} certificate @param {Certificate[]} authorities @returns {Promise<number>} which of them issued it; beyond the last for none */
async function levelOf(certificate, authorities) {
  for (const [level, authority] of authorities.entries()) {
    // Asked for a time at which both hold: a certificate that has ended had its issuer all the same.
    const at = new Date(Math.max(certificate.notBefore.getTime(), authority.notBefore.getTime()));
    if (await isIssuedBy(certificate, authority, at)) return level;
  }
  return authorities.length;
}

/** @param {Found} found @param {Times} times @returns {Verdict} */
export function judge({ sinceMs, onMs, dueMs, complete }, { claimedMs, provenMs, nowMs }) {
  if (sinceMs !== Infinity && (provenMs === null || provenMs >= sinceMs)) {
    return { status: claimedMs >= onMs ? "invalid" : "indeterminate", reason: "revoked", atMs: sinceMs };
  }
  if ((provenMs ?? nowMs) <= dueMs && dueMs !== Infinity) return { status: "valid", reason: "", atMs: complete ? dueMs : 0 };
  return { status: "indeterminate", reason: complete ? "crl_stale" : "crl_unknown", atMs: dueMs };
}

const RANK = { valid: 0, indeterminate: 1, invalid: 2 };

/** @param {Verdict} before @param {Verdict} after @returns {boolean} whether there is less to rely on now; a lapsed list is less than nothing said, a revocation less than that */
export const isWorse = (before, after) => RANK[after.status] > RANK[before.status] || (after.reason === "revoked" && before.reason !== "revoked");
