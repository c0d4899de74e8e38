// Enrolment requests and bearer tokens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../pwa/lib/base64url.js";
import { buildEnrolmentRequest, comparisonCode } from "../../pwa/lib/enrolment.js";
import { ES256, P256, keyThumbprint } from "../../pwa/lib/jws.js";
import { LIFETIME_S, buildToken, tokenSource } from "../../pwa/lib/token.js";

/** The P-256 key of scalar 12345, and what `crypto.keys` and `server.pki.request` say of it. */
const JWK = { kty: "EC", crv: "P-256", x: "Ju_OvQ7p40pmkYfhizqRIrL3M5RbZJzJ-fkh6fna2BI", y: "kCOL3pzHuzMNFQxncE3SWucFUgV0S28xv0BwdFhy0OY" };

const parts = (token) => token.split(".").map((part, i) => (i < 2 ? JSON.parse(Buffer.from(part, "base64url")) : decode(part)));
const holds = (token, key) => crypto.subtle.verify(ES256, key, decode(token.split(".")[2]), Buffer.from(token.slice(0, token.lastIndexOf("."))));
const newKey = () => crypto.subtle.generateKey(P256, false, ["sign", "verify"]);

test("the thumbprint of a key is that of crypto.keys (RFC 7638)", async () => {
  assert.equal(await keyThumbprint({ ...JWK, ext: true, key_ops: ["verify"] }), "mJd3vSaHMeCkJdbijn7ZvkoA03mOfCHUl5ms5cz5wps");
});

test("the six digits are those the office's screen shows", async () => {
  assert.equal(await comparisonCode("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"), "096622");
});

test("a request carries its key, is signed with it, and leaves out what was left blank", async () => {
  const pair = await newKey();
  const jwk = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const request = await buildEnrolmentRequest({ name: "Lò Thị Mẩy", kind: "citizen", phone: "", idNumber: "040190001234" }, { privateKey: pair.privateKey, jwk }, { nowS: 1_780_279_384, nonce: new Uint8Array(16) });
  const [header, payload] = parts(request);
  assert.deepEqual(header, { alg: "ES256", typ: "tram-enrolment+jwt", jwk: { crv: "P-256", kty: "EC", x: jwk.x, y: jwk.y } });
  assert.deepEqual(payload, { name: "Lò Thị Mẩy", kind: "citizen", id_number: "040190001234", iat: 1_780_279_384, nonce: "AAAAAAAAAAAAAAAAAAAAAA" });
  assert.equal(await holds(request, pair.publicKey), true);
});

test("a token names who speaks and to whom, and lives less than ten minutes", async () => {
  const pair = await newKey();
  const token = await buildToken({ key: pair.privateKey, x5t: "T", subject: "urn:tram:subject:1" }, "urn:tram:node:h41", 1000);
  const [header, payload] = parts(token);
  assert.deepEqual(header, { alg: "ES256", typ: "tram-token+jwt", "x5t#S256": "T" });
  assert.deepEqual(payload, { iss: "urn:tram:subject:1", aud: "urn:tram:node:h41", iat: 1000, exp: 1000 + LIFETIME_S });
  assert.ok(LIFETIME_S <= 600);
  assert.equal(await holds(token, pair.publicKey), true);
});

test("a token is kept while it lasts, and made anew in time or when the clock goes back", async () => {
  const pair = await newKey();
  let now = 5000;
  const source = tokenSource({ key: pair.privateKey, x5t: "T", subject: "s" }, "a", () => now);
  const first = await source();
  now += 400;
  assert.equal(await source(), first);
  now += 60;
  const second = await source();
  assert.notEqual(second, first);
  now -= 3600;
  assert.notEqual(await source(), second);
});
