// The request by which a new key asks for a certificate. The key inside the header proves that the sender holds it.

import { encode } from "./base64url.js";
import { utf8 } from "./bytes.js";
import { canonicalText } from "./canonical.js";
import { signCompact } from "./jws.js";

export const ENROLMENT_TYPE = "tram-enrolment+jwt";

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
