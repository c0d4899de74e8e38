// Bearer tokens: a short compact JWS instead of a password. Format: docs/architecture.md, "Phones and desks speak to the node".

import { utf8 } from "./bytes.js";
import { canonicalText } from "./canonical.js";
import { signCompact } from "./jws.js";

/** @typedef {{key: CryptoKey, x5t: string, subject: string}} Identity a private key, its certificate's thumbprint and URN */

// The node allows ten minutes; one less leaves room for a clock that was read over a slow line.
export const LIFETIME_S = 9 * 60;
// A token with less than this left is made anew, so that it does not die under way on a slow line.
const LEAST_LEFT_S = 120;

/** @param {Identity} identity @param {string} audience the node's URN @param {number} nowS by the node's clock @returns {Promise<string>} */
export async function buildToken({ key, x5t, subject }, audience, nowS) {
  const payload = utf8(canonicalText({ iss: subject, aud: audience, iat: nowS, exp: nowS + LIFETIME_S }));
  return signCompact(payload, { typ: "tram-token+jwt", "x5t#S256": x5t }, key);
}

/**
 * @param {Identity} identity
 * @param {string} audience
 * @param {() => number} nodeNowS seconds by the node's clock
 * @returns {() => Promise<string>} a token that is good for at least two more minutes, made anew when needed
 */
export function tokenSource(identity, audience, nodeNowS) {
  let token = "";
  let madeS = -Infinity;
  return async () => {
    const now = nodeNowS();
    // A clock that went back makes the old token unusable as well.
    if (now < madeS || now > madeS + LIFETIME_S - LEAST_LEFT_S) {
      token = await buildToken(identity, audience, now);
      madeS = now;
    }
    return token;
  };
}
