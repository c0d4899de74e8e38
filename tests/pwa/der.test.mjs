// Certificates, read from what OpenSSL writes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MalformedDer, isIssuedBy, parseCertificate, parseItems, publicKeyOf } from "../../pwa/lib/der.js";
import { keyThumbprint } from "../../pwa/lib/jws.js";
import { TestAuthority, makeIdentity } from "./support/authority.mjs";

const URI = "urn:tram:node:h41-12-03";
const now = () => new Date(Date.now() + 1000); // OpenSSL begins a certificate in the second it is made
let small, large, leaf, leafOfLarge;
before(async () => {
  small = new TestAuthority();
  large = new TestAuthority({ curve: "P-384", name: "Root P-384" });
  leaf = await makeIdentity(small, URI);
  leafOfLarge = await makeIdentity(large, URI);
});
after(() => {
  small.close();
  large.close();
});

test("serial, validity, name and key of a certificate are what OpenSSL was told", async () => {
  const certificate = parseCertificate(leaf.der);
  assert.equal(certificate.serial, "1234abcd5678ef90");
  assert.deepEqual(certificate.uris, [URI]);
  assert.equal(certificate.ca, false);
  const days = (certificate.notAfter - certificate.notBefore) / 86_400_000;
  assert.ok(Math.abs(days - 20) < 0.01 && certificate.notBefore <= now());
  const jwk = await crypto.subtle.exportKey("jwk", await publicKeyOf(certificate));
  assert.equal(await keyThumbprint(jwk), await keyThumbprint(leaf.jwk));
});

test("a certificate is known to come from its CA, on P-256 and P-384", async () => {
  assert.equal(await isIssuedBy(parseCertificate(leaf.der), parseCertificate(small.der), now()), true);
  assert.equal(await isIssuedBy(parseCertificate(leafOfLarge.der), parseCertificate(large.der), now()), true);
});

test("signatures of every length of r and s are read", async () => {
  for (let i = 0; i < 12; i++) {
    const one = await makeIdentity(small, URI);
    assert.equal(await isIssuedBy(parseCertificate(one.der), parseCertificate(small.der), now()), true);
  }
});

test("another CA of the same name, a leaf as issuer and a time outside do not count", async () => {
  const twin = new TestAuthority();
  assert.equal(await isIssuedBy(parseCertificate(leaf.der), parseCertificate(twin.der), now()), false);
  twin.close();
  assert.equal(await isIssuedBy(parseCertificate(leaf.der), parseCertificate(leaf.der), now()), false);
  assert.equal(await isIssuedBy(parseCertificate(leaf.der), parseCertificate(small.der), new Date(Date.now() + 25 * 86_400_000)), false);
});

test("a certificate cut anywhere, or with a byte more, is refused", () => {
  for (let length = 0; length < leaf.der.length; length += 7) {
    assert.throws(() => parseCertificate(leaf.der.slice(0, length)), MalformedDer, String(length));
  }
  assert.throws(() => parseCertificate(Uint8Array.of(...leaf.der, 0)), MalformedDer);
});

test("any one byte changed is refused, or is seen by the signature", async () => {
  const issuer = parseCertificate(small.der);
  for (let i = 0; i < leaf.der.length; i += 5) {
    const bytes = leaf.der.slice();
    bytes[i] ^= 0x01;
    let certificate;
    try {
      certificate = parseCertificate(bytes);
    } catch (cause) {
      assert.ok(cause instanceof MalformedDer, `${i}: ${cause}`);
      continue;
    }
    const held = await isIssuedBy(certificate, issuer, now()).catch((cause) => assert.ok(cause instanceof MalformedDer, `${i}: ${cause}`));
    assert.notEqual(held, true, `byte ${i}`);
  }
});

for (const [what, bytes] of Object.entries({
  "an indefinite length": [0x30, 0x80, 0, 0], "a long form for a short length": [0x04, 0x81, 0x01, 0xaa],
  "a length with a leading zero": [0x04, 0x82, 0x00, 0x81], "a multi-byte tag": [0x1f, 0x81, 0x01, 0x00], "no content": [0x04, 0x02, 0xaa],
})) test(`${what} is refused`, () => assert.throws(() => parseItems(Uint8Array.from(bytes)), MalformedDer));
