// Events and their signatures: the vectors of crypto/event.py, and what this side makes and refuses.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fromBase64 } from "../../pwa/lib/base64url.js";
import { parseCertificate, publicKeyOf } from "../../pwa/lib/der.js";
import { UnfitEvent, buildEvent, eventBytes, eventDocument, heads, isEventDocument } from "../../pwa/lib/event.js";
import { revOf, sha256Id } from "../../pwa/lib/hashing.js";
import { signDocument } from "../../pwa/lib/identity.js";
import { BadSignature, certificateThumbprint, signEvent, verifyEvent } from "../../pwa/lib/jws.js";
import { TestAuthority, makeIdentity } from "./support/authority.mjs";
import { OURS, absent, readJson } from "./support/vectors.mjs";

const VECTORS = `${OURS}event/events.json`;
const SUBJECT = "urn:tram:subject:00112233445566778899aabbccddeeff";
const STREAM = "01937c2e-5b7a-7d1a-8f00-0123456789ab";
const pemDer = (pem) => fromBase64(pem.replace(/-----[A-Z ]+-----|\s/g, ""));

let authority, signer;
before(async () => {
  authority = new TestAuthority();
  signer = await makeIdentity(authority, SUBJECT);
});
after(() => authority.close());

const parts = (more = {}) => ({
  stream: STREAM, type: "dossier.submitted", unit: "H41.12.03", actor: SUBJECT, atMs: 1_780_279_384_999, prev: [],
  nonce: new Uint8Array(16), body: { procedure: "1.001193", applicant: { name: "Lò Thị Mẩy", phone: "" } }, ...more,
});
const signed = (more) => signDocument(parts(more), { privateKey: signer.privateKey, x5t: signer.x5t, subject: SUBJECT }, 1_780_279_384_000);
const trusted = () => ({ publicKey: signer.publicKey, x5t: signer.x5t, actor: SUBJECT });

/** A number that JavaScript rounds is gone before any code of ours sees it; the signature then fails, as the vector wants. */
const verdictOf = async ({ event, id, rev, protected: head, signature, certificate }) => {
  const der = pemDer(certificate);
  const signer = { publicKey: await publicKeyOf(parseCertificate(der)), x5t: await certificateThumbprint(der), actor: event.actor };
  const doc = { _id: `${event.stream}:${id}`, _rev: rev, event, signatures: [{ protected: head, signature, header: { etsiU: [] } }] };
  return verifyEvent(doc, signer).then(() => true, () => false);
};

if (absent(VECTORS)) test("event vectors", { skip: absent(VECTORS) }, () => {});
else {
  for (const vector of readJson(VECTORS)) {
    test(`event vector "${vector.name}" ${vector.ok ? "holds, with its canonical form, id and revision" : "is refused"}`, async () => {
      assert.equal(await verdictOf(vector), vector.ok);
      if (!vector.ok) return;
      const bytes = eventBytes(vector.event);
      assert.equal(new TextDecoder().decode(bytes), vector.canonical);
      assert.equal(await sha256Id(bytes), vector.id);
      assert.equal(await revOf(bytes), vector.rev);
    });
  }
}

test("an event signed here verifies, and is named by its content", async () => {
  const doc = await signed();
  assert.equal(await verifyEvent(doc, trusted()), doc.event);
  assert.equal(doc._id, `${STREAM}:${await sha256Id(eventBytes(doc.event))}`);
  assert.ok(isEventDocument(doc));
  assert.equal(doc.event.at, "2026-06-01T02:03:04Z");
});

test("optional answers left blank are left out, not signed as empty", async () => {
  assert.deepEqual((await signed()).event.body, { procedure: "1.001193", applicant: { name: "Lò Thị Mẩy" } });
});

const FORGERIES = {
  "a changed body": (doc) => { doc.event.body.procedure = "1.001194"; },
  "a changed body under its own new id": async (doc) => {
    doc.event.body.procedure = "1.001194";
    doc._id = (await eventDocument(doc.event, doc.signatures))._id;
  },
  "a foreign id": (doc) => { doc._id = doc._id.replace(/.$/, (last) => (last === "A" ? "E" : "A")); },
  "a changed signature": (doc) => { doc.signatures[0].signature = `A${doc.signatures[0].signature.slice(1)}`; },
  "a shortened signature": (doc) => { doc.signatures[0].signature = doc.signatures[0].signature.slice(0, 84); },
  "two signatures": (doc) => { doc.signatures.push(doc.signatures[0]); },
  "alg none": (doc) => { doc.signatures[0].protected = reheaded(doc, { alg: "none" }); },
  "a header member more": (doc) => { doc.signatures[0].protected = reheaded(doc, { crit: ["iat"] }); },
  "another certificate named": (doc) => { doc.signatures[0].protected = reheaded(doc, { "x5t#S256": "A".repeat(43) }); },
};
const reheaded = (doc, more) => Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(doc.signatures[0].protected, "base64url")), ...more })).toString("base64url");

for (const [what, forge] of Object.entries(FORGERIES)) {
  test(`${what} does not verify`, async () => {
    const doc = structuredClone(await signed());
    await forge(doc);
    await assert.rejects(verifyEvent(doc, trusted()), BadSignature);
  });
}

test("nobody speaks as somebody else, however good the signature", async () => {
  const doc = await signed({});
  await assert.rejects(verifyEvent(doc, { ...trusted(), actor: SUBJECT.replace("0011", "ffff") }), BadSignature);
});

for (const [what, body] of Object.entries({
  "decomposed letters": { text: "Nguyễn".normalize("NFD") }, "a hidden direction mark": { text: "a\u202Eb" }, "a float": { n: 0.5 },
  "a member name that CouchDB keeps": { _x: 1 }, "a JavaScript trap": JSON.parse('{"__proto__": {"a": 1}}'), "50 KB": { text: "x".repeat(50_000) },
})) test(`${what} is refused before signing`, () => assert.throws(() => buildEvent(parts({ body })), UnfitEvent));

test("heads are the events nobody has built on", async () => {
  const first = await signed();
  const id = first._id.slice(STREAM.length + 1);
  const second = await signed({ type: "dossier.supplemented", prev: [id], body: { note: "x" } });
  const third = await signed({ type: "dossier.supplemented", prev: [id], body: { note: "y" } });
  const next = [second, third].map((doc) => doc._id.slice(STREAM.length + 1)).sort();
  assert.deepEqual(heads([first, second, third]), next);
});

test("a private key that cannot be exported still signs", async () => {
  const { P256 } = await import("../../pwa/lib/jws.js");
  const pair = await crypto.subtle.generateKey(P256, false, ["sign", "verify"]);
  const event = buildEvent(parts());
  const signature = await signEvent(event, { key: pair.privateKey, x5t: signer.x5t, iat: 1 });
  const doc = await eventDocument(event, [signature]);
  await verifyEvent(doc, { ...trusted(), publicKey: pair.publicKey });
  await assert.rejects(crypto.subtle.exportKey("pkcs8", pair.privateKey));
});
