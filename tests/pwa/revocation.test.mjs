// Revocation lists as OpenSSL writes them, and what they do to a signature. That Python judges alike: tests/crypto/test_crl_on_phones.py.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MAX_CRL_BYTES, isCrlIssuedBy, parseCrl, revocationOf } from "../../pwa/lib/crl.js";
import { MalformedDer, parseCertificate } from "../../pwa/lib/der.js";
import { signDocument } from "../../pwa/lib/identity.js";
import { Lists, isWorse } from "../../pwa/lib/revocation.js";
import { Trust } from "../../pwa/lib/trust.js";
import { uuid7 } from "../../pwa/lib/uuid7.js";
import { TestAuthority, makeIdentity } from "./support/authority.mjs";

const HOUR = 3600_000;
const NODE = "urn:tram:node:h41-12-03";
const now = Math.floor(Date.now() / 1000) * 1000;
const ago = (hours) => new Date(now - hours * HOUR);
let authority, stranger, large, node;
before(async () => {
  authority = new TestAuthority();
  stranger = new TestAuthority(); // of the same name
  large = new TestAuthority({ curve: "P-384", name: "Root P-384" });
  node = await makeIdentity(authority, NODE);
});
after(() => [authority, stranger, large].forEach((one) => one.close()));

const serialOfNode = () => parseCertificate(node.der).serial;
const trustWith = (...lists) => new Trust({ urn: NODE, certificate: node.certificate, chain: [Buffer.from(authority.der).toString("base64")] }, async () => null, new Lists(lists));

/** Something the node signs and says to have signed `hours` ago. */
function signed(hours) {
  const event = { stream: uuid7(now, crypto.getRandomValues(new Uint8Array(10))), type: "receipt.issued", unit: "H41.12.03", prev: [], body: { of: `sha256-${"A".repeat(43)}`, files: [], bytes: 0 } };
  return signDocument(event, { privateKey: node.privateKey, x5t: node.x5t, subject: NODE }, now - hours * HOUR);
}

test("number, times and entries of a list are what OpenSSL was told; reasons move the moment that counts", async () => {
  const crl = parseCrl(authority.revocationList([{ serial: "11", at: ago(5) }, { serial: "0A22", at: ago(5), reason: "keyCompromise" }, { serial: "33", at: ago(5), reason: "superseded" }], { number: "0F4240" }));
  assert.equal(crl.number, 1_000_000n);
  assert.ok(Math.abs(crl.nextUpdate - crl.thisUpdate - 30 * 24 * HOUR) < 1000);
  assert.deepEqual(revocationOf(crl, "11"), { on: ago(5), since: ago(5) });
  assert.deepEqual(revocationOf(crl, "0a22"), { on: ago(5), since: ago(29) });
  assert.deepEqual(revocationOf(crl, "33"), { on: ago(5), since: ago(5) });
  assert.equal(revocationOf(crl, "44"), null);
});

test("a list is its CA's by name, key and key usage, on P-256 and P-384", async () => {
  const parsed = parseCertificate(authority.der);
  const crl = parseCrl(authority.revocationList([]));
  assert.equal(await isCrlIssuedBy(crl, parsed), true);
  assert.equal(await isCrlIssuedBy(parseCrl(large.revocationList([])), parseCertificate(large.der)), true);
  assert.equal(await isCrlIssuedBy(parseCrl(stranger.revocationList([])), parsed), false);
  assert.equal(await isCrlIssuedBy(crl, parseCertificate(large.der)), false);
  assert.equal(await isCrlIssuedBy(crl, { ...parsed, signsCrls: false }), false);
  assert.equal(await isCrlIssuedBy({ ...crl, signatureHash: "" }, parsed), false);
});

test("a list cut anywhere, with a byte more, or beyond its bound is refused", () => {
  const der = authority.revocationList([{ serial: "11", at: ago(1), reason: "keyCompromise" }]);
  for (let length = 0; length < der.length; length += 3) assert.throws(() => parseCrl(der.slice(0, length)), MalformedDer, String(length));
  assert.throws(() => parseCrl(Uint8Array.of(...der, 0)), MalformedDer);
  assert.throws(() => parseCrl(new Uint8Array(MAX_CRL_BYTES + 1)), /at most/);
});

test("what a revoked key signed counts where it is proven to be older, else not", async () => {
  const trust = trustWith(authority.revocationList([{ serial: serialOfNode(), at: ago(5) }]));
  const said = async (doc, proven) => Object.values(await trust.judge(doc, now, proven)).slice(0, 2).join(" ");
  assert.equal(await said(await signed(6), now - 6 * HOUR), "valid ");
  assert.equal(await said(await signed(6), null), "indeterminate revoked");
  assert.equal(await said(await signed(6), now - 5 * HOUR), "indeterminate revoked");
  assert.equal(await said(await signed(5), null), "invalid revoked");
  await assert.rejects(async () => trust.verifyUnrevoked(await signed(6), now), /revoked/);
  await trust.verify(await signed(6)); // the signature as such
});

test("a list with a lower number brings nobody back, and a stranger's takes nobody away", async () => {
  const revoking = authority.revocationList([{ serial: serialOfNode(), at: ago(5) }], { number: "0B" });
  const doc = await signed(1);
  for (const lists of [[revoking, authority.revocationList([])], [authority.revocationList([]), revoking]]) {
    assert.equal((await trustWith(...lists).judge(doc, now)).status, "invalid");
  }
  const clean = authority.revocationList([]), foreign = stranger.revocationList([{ serial: serialOfNode(), at: ago(5) }], { number: "0C" });
  assert.equal((await trustWith(clean, foreign, Uint8Array.of(1, 2, 3)).judge(doc, now)).status, "valid");
});

test("a lapsed list is said, and stops nothing; a CA that never published one has the life of a list for it", async () => {
  const doc = await signed(1), later = now + 40 * 24 * HOUR;
  const trust = trustWith(authority.revocationList([]));
  const { status, reason, atMs } = await trust.judge(doc, later);
  assert.deepEqual([status, reason], ["indeterminate", "crl_stale"]);
  assert.ok(atMs < later);
  assert.equal((await trust.judge(doc, later, now)).status, "valid");
  await trust.verifyUnrevoked(doc, later);
  assert.equal((await trustWith().judge(doc, now + 30 * 24 * HOUR)).status, "valid");
  assert.equal((await trustWith().judge(doc, now + 32 * 24 * HOUR)).reason, "crl_unknown");
});

test("worse is: less to rely on than before", () => {
  const [fine, stale, doubt, bad] = [["valid", ""], ["indeterminate", "crl_stale"], ["indeterminate", "revoked"], ["invalid", "revoked"]].map(([status, reason]) => ({ status, reason, atMs: 0 }));
  const order = [fine, stale, doubt, bad];
  order.forEach((before, i) => order.forEach((later, j) => assert.equal(isWorse(before, later), j > i, `${before.reason} → ${later.reason}`)));
});
