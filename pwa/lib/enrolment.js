// The request by which a new key asks for a certificate. The key inside the header proves that the sender holds it.

import { encode } from "./base64url.js";
import { utf8 } from "./bytes.js";
import { canonicalText } from "./canonical.js";
import { sha256 } from "./hashing.js";
import { signCompact } from "./jws.js";

export const ENROLMENT_TYPE = "tram-enrolment+jwt";

/**
 * Six digits made of the key, which the office's screen shows as well: two people compare them (`server/pki/request.py`). Worked out
 * here and not taken from the node, so that whoever sits between cannot pass off another key.
 * @param {string} thumbprint RFC 7638 @returns {Promise<string>} "482913"
 */
export async function comparisonCode(thumbprint) {
  const digest = await sha256(utf8(`tram comparison code\0${thumbprint}`));
  return String(new DataView(digest.buffer).getBigUint64(0) % 1_000_000n).padStart(6, "0");
}

/**
 * @param {object} who
 * @param {string} who.name @param {"citizen" | "official" | "helper"} who.kind
 * @param {string} [who.phone] @param {string} [who.idNumber] @param {string} [who.activation] a code the office handed out
 * @param {{privateKey: CryptoKey, jwk: JsonWebKey}} keys
 * @param {{nowS: number, nonce: Uint8Array}} once
 * @returns {Promise<string>} compact JWS for `POST /api/enrolments`
 */
export function buildEnrolmentRequest({ name, kind, phone, idNumber, activation }, { privateKey, jwk }, { nowS, nonce }) {
  const wanted = { name, kind, phone, id_number: idNumber, activation, nonce: encode(nonce), iat: nowS };
  const payload = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined && value !== ""));
  const { crv, kty, x, y } = jwk;
  return signCompact(utf8(canonicalText(payload)), { typ: ENROLMENT_TYPE, jwk: { crv, kty, x, y } }, privateKey);
}
