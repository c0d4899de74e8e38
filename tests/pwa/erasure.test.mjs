// Dropping an erased dossier: only on a proven order of two voices, and nothing of it stays in the database.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import PouchDB from "pouchdb";
import { buildErased, findOrders, verifyOrder } from "../../pwa/lib/erasure.js";
import { idInDocument } from "../../pwa/lib/event.js";
import { signDocument } from "../../pwa/lib/identity.js";
import { addEvent, copyWithout, eventsOf } from "../../pwa/lib/mine.js";
import { Lists } from "../../pwa/lib/revocation.js";
import { Trust } from "../../pwa/lib/trust.js";
import { uuid7 } from "../../pwa/lib/uuid7.js";
import { TestAuthority, makeIdentity } from "./support/authority.mjs";

const UNIT = "H41.12.03";
let authority, stranger, node, citizen, first, second, foreign, folder;
before(async () => {
  authority = new TestAuthority();
  stranger = new TestAuthority({ name: "Other CA" });
  const person = (digit, by = authority) => makeIdentity(by, `urn:tram:subject:${digit.repeat(32)}`, { serial: digit.repeat(16) });
  node = await makeIdentity(authority, "urn:tram:node:h41-12-03");
  [citizen, first, second, foreign] = [await person("1"), await person("2"), await person("3"), await person("4", stranger)];
  folder = mkdtempSync(join(tmpdir(), "tram-erasure-"));
});
after(() => {
  authority.close();
  stranger.close();
  rmSync(folder, { recursive: true });
});

const sign = (who, stream, type, body, prev = []) => signDocument({ stream, type, unit: UNIT, prev, body }, { privateKey: who.privateKey, x5t: who.x5t, subject: who.subject }, Date.now());
const trust = (lists = []) => {
  const certificates = new Map([citizen, first, second, foreign, node].map((one) => [one.x5t, one.certificate]));
  return new Trust({ urn: node.subject, certificate: node.certificate, chain: [Buffer.from(authority.der).toString("base64")] }, async (x5t) => certificates.get(x5t) ?? null, new Lists(lists));
};

/** A dossier and the order to erase it. */
async function story({ proposer = first, confirmer = second, names = null, unit = "unit.h41-12-03" } = {}) {
  const stream = uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  const filed = await sign(citizen, stream, "dossier.submitted", { procedure: "1.001193", channel: "online", applicant: { name: "Lò Thị Mẩy" }, form: {}, delivery: "counter" });
  const receipt = await sign(node, stream, "receipt.issued", { of: idInDocument(filed), files: [], bytes: 0 }, [idInDocument(filed)]);
  const accepted = await sign(first, stream, "dossier.accepted", { code: "H41.12.03-261121-0001", due: "2026-12-01T00:00:00Z" }, [idInDocument(receipt)]);
  const held = [filed, receipt, accepted];
  const events = (names ?? held.map(idInDocument)).toSorted();
  const proposal = await sign(proposer, unit, "erasure.proposed", { dossier: stream, basis: "Quyết định 12", rule: "1 năm", ended: "2026-01-01T00:00:00Z", events, files: [] });
  const confirmation = await sign(confirmer, unit, "erasure.confirmed", { of: idInDocument(proposal) }, [idInDocument(proposal)]);
  return { stream, held, proposal, confirmation };
}

test("an order of two voices is found and proven, whatever else is there", async () => {
  const { held, proposal, confirmation } = await story();
  const other = await story();
  const orders = findOrders([confirmation, ...held, proposal, other.proposal]);
  assert.deepEqual(orders.map((one) => one.proposal._id), [proposal._id]);
  await verifyOrder(orders[0], held, trust(), Date.now());
});

test("a voice whose certificate was revoked drops nothing, whatever time it claims", async () => {
  const { held, proposal, confirmation } = await story();
  const list = (serial) => authority.revocationList([{ serial, at: new Date(Date.now() + 3600_000) }]);
  await verifyOrder({ proposal, confirmation }, held, trust([list("9".repeat(16))]), Date.now());
  for (const serial of ["2", "3"].map((digit) => digit.repeat(16))) {
    await assert.rejects(verifyOrder({ proposal, confirmation }, held, trust([list(serial)]), Date.now()), /revoked/);
  }
});

test("one voice, a stranger's certificate, another stream or a dossier it does not name drop nothing", async () => {
  const alone = await story({ confirmer: first });
  assert.deepEqual(findOrders([alone.proposal, alone.confirmation]), []);
  await assert.rejects(verifyOrder(alone, alone.held, trust(), Date.now()), /one voice/);
  const forged = await story({ confirmer: foreign });
  await assert.rejects(verifyOrder(forged, forged.held, trust(), Date.now()), /not issued by the authority/);
  const elsewhere = await story({ unit: "unit.h41-12-04" });
  await assert.rejects(verifyOrder(elsewhere, elsewhere.held, trust(), Date.now()), /another stream/);
  const { held } = await story();
  const unnamed = await story({ names: held.map(idInDocument) });
  await assert.rejects(verifyOrder(unnamed, unnamed.held, trust(), Date.now()), /does not name/);
  const altered = await story();
  altered.proposal.event.body.basis = "Quyết định 13";
  await assert.rejects(verifyOrder(altered, altered.held, trust(), Date.now()));
});

test("what stays of it is hashes, the code and who ordered it, and nothing of what it was about", async () => {
  const order = await story();
  const note = buildErased(order, order.held, { proposer: "Lường Văn Thành", confirmer: "Hà Thị Duyên", confirmed_at: "2026-11-22T00:00:00Z" });
  assert.deepEqual([note.code, note.proposer, note.confirmer], ["H41.12.03-261121-0001", "Lường Văn Thành", "Hà Thị Duyên"]);
  assert.deepEqual([note.submission, note.receipt], order.held.slice(0, 2).map(idInDocument));
  assert.doesNotMatch(JSON.stringify(note), /Mẩy|1\.001193/);
});

test("the copy has everything else with the same revisions, and the old database leaves no byte of the name", async () => {
  const [gone, kept] = [await story(), await story()];
  const [from, to] = ["old", "fresh"].map((name) => new PouchDB(join(folder, name), { revs_limit: 1 }));
  for (const doc of [...gone.held, ...kept.held, gone.proposal, gone.confirmation]) await addEvent(from, doc);
  await from.bulkDocs([{ _id: `cert:sha256-${first.x5t}`, _rev: "1-0123456789abcdef0123456789abcdef", certificate: first.certificate }], { new_edits: false });
  await copyWithout(from, to, new Set([gone.stream]));
  assert.deepEqual(await eventsOf(to, gone.stream), []);
  assert.deepEqual((await eventsOf(to, kept.stream)).map((doc) => doc._rev).sort(), kept.held.map((doc) => doc._rev).sort());
  assert.deepEqual(findOrders(await eventsOf(to)).map((one) => one.proposal._id), [gone.proposal._id]);
  assert.equal((await to.get(`cert:sha256-${first.x5t}`)).certificate, first.certificate);
  await from.destroy();
  await to.close();
  assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith("old")), []);
  const left = readdirSync(join(folder, "fresh")).map((name) => readFileSync(join(folder, "fresh", name), "latin1")).join("");
  assert.ok(!left.includes(gone.held[0]._id));
});
