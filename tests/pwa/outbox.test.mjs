// Sending, against a real server on a socket that is cut: nothing is lost, little is sent twice, nothing lies.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import PouchDB from "pouchdb";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NodeApi } from "../../pwa/lib/api.js";
import { CHUNK_BYTES, cutFile } from "../../pwa/lib/chunks.js";
import { idInDocument } from "../../pwa/lib/event.js";
import { signDocument } from "../../pwa/lib/identity.js";
import { buildEntry, progress } from "../../pwa/lib/entry.js";
import { IN_FLIGHT, MOST_IN_FLIGHT } from "../../pwa/lib/inflight.js";
import { runOutbox } from "../../pwa/lib/outbox.js";
import { tokenSource } from "../../pwa/lib/token.js";
import { Trust, verifyReceipt } from "../../pwa/lib/trust.js";
import { uuid7 } from "../../pwa/lib/uuid7.js";
import { addEvent, eventsOf, isFull, replicationWith } from "../../pwa/lib/mine.js";
import { TestAuthority, makeIdentity } from "./support/authority.mjs";
import { SmallNode } from "./support/node.mjs";

const SUBJECT = "urn:tram:subject:00112233445566778899aabbccddeeff";
let phones = 0;
let authority, stranger, citizen, node, folder;
before(async () => {
  authority = new TestAuthority();
  stranger = new TestAuthority({ name: "Other CA" });
  citizen = await makeIdentity(authority, SUBJECT);
});
after(() => {
  authority.close();
  stranger.close();
});
beforeEach(async () => {
  node = await SmallNode.start(authority);
  await node.admit(citizen);
  folder = mkdtempSync(join(tmpdir(), "tram-mine-"));
});
afterEach(async () => {
  await node.close();
  rmSync(folder, { recursive: true });
});

/** A phone: what the browser keeps, in maps and a PouchDB on disk. `restart` is a reload: only what was saved is left. */
class Phone {
  constructor() {
    this.saved = new Map();
    this.chunks = new Map();
    this.certificates = new Map(); // as they replicate beside the events
    this.clock = Date.now();
    this.skewS = 0;
    this.restart();
  }

  restart() {
    const token = tokenSource({ key: citizen.privateKey, x5t: citizen.x5t, subject: SUBJECT }, node.identity.subject, () => Math.floor(Date.now() / 1000) + this.skewS);
    const trust = new Trust({ urn: node.identity.subject, certificate: node.identity.certificate, chain: [Buffer.from(authority.der).toString("base64")] }, async (x5t) => this.certificates.get(x5t) ?? null);
    this.db ??= new PouchDB(join(folder, `mine-${++phones}`));
    this.parts = {
      entries: async () => [...this.saved.values()].map((entry) => structuredClone(entry)),
      save: async (entry) => void this.saved.set(entry.id, structuredClone(entry)),
      chunk: async (id) => this.chunks.get(id) ?? null,
      api: new NodeApi(node.origin, { token }),
      mine: { add: (doc) => addEvent(this.db, doc), events: (stream) => eventsOf(this.db, stream), ...replicationWith(this.db, node.origin, token) },
      verifyReceipt: (receipt, submission) => verifyReceipt(receipt, submission, trust),
      now: () => this.clock,
    };
  }

  async file(sizes, { previews = [], ...more } = {}) {
    const stream = uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
    const cut = await Promise.all(sizes.map((size) => cutFile(noise(size))));
    cut.flatMap(({ chunks }) => chunks).forEach(({ id, bytes }) => this.chunks.set(id, bytes));
    const files = cut.map(({ manifest, manifestId }, i) => ({ sha256: manifest.sha256, manifest: manifestId, size: manifest.size, type: "image/jpeg", name: `anh-${i + 1}.jpg`, part: "giay-chung-sinh", ...(previews[i] == null ? {} : { preview_of: cut[previews[i]].manifest.sha256 }) }));
    const body = { procedure: "1.001193", channel: "online", applicant: { name: "Lò Thị Mẩy" }, form: {}, delivery: "counter" };
    const doc = await signDocument({ stream, type: "dossier.submitted", unit: node.unit, prev: [], body, files, ...more }, { privateKey: citizen.privateKey, x5t: citizen.x5t, subject: SUBJECT }, Date.now());
    const entry = buildEntry(doc, files.map((ref, i) => ({ ref, manifest: cut[i].manifest })), this.clock);
    this.saved.set(entry.id, structuredClone(entry));
    return doc;
  }

  run() {
    return runOutbox(this.parts);
  }

  async runUntil(outcome, most = 60) {
    for (let i = 1; i <= most; i++) {
      this.clock += 7 * 3600_000;
      if ((await this.run()) === outcome) return i;
      this.restart();
    }
    throw new Error(`no ${outcome} in ${most} runs: ${node.log.slice(-5)}`);
  }

  stage(doc) {
    return this.saved.get(doc._id).stage;
  }
}

const noise = (size) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)));
  return bytes;
};
const chunkPuts = () => node.log.filter((line) => line.startsWith("PUT /api/files/chunks/"));

test("previews are sent before the photographs they are of, and the list names photographs alone", async () => {
  const phone = new Phone();
  const doc = await phone.file([100_000, 90_000, 8_000, 7_000], { previews: [null, null, 0, 1] });
  assert.equal(progress(phone.saved.get(doc._id)).files.length, 2);
  assert.equal(progress(phone.saved.get(doc._id)).total, 205_000);
  assert.equal(await phone.run(), "done");
  const first = chunkPuts().slice(0, 2).map((line) => line.split("/").at(-1).split(" ")[0]).sort();
  assert.deepEqual(first, doc.event.files.slice(2).map((file) => file.sha256).sort());
  assert.equal(phone.stage(doc), "received");
});

test("a dossier with three photographs arrives and is received", async () => {
  const phone = new Phone();
  const doc = await phone.file([100_000, 40_000, 1]);
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(doc), "received");
  assert.ok(node.docs.has(doc._id));
  assert.equal(chunkPuts().length, 10 + 4 + 1);
});

test("nothing new costs no chunk and no manifest", async () => {
  const phone = new Phone();
  await phone.file([50_000]);
  await phone.run();
  node.log.length = 0;
  assert.equal(await phone.run(), "done");
  assert.deepEqual(node.log.filter((line) => line.includes("/api/")), []);
});

test("without a node everything stays, and nothing claims to be sent", async () => {
  const phone = new Phone();
  const doc = await phone.file([50_000]);
  node.cut = () => "before";
  assert.equal(await phone.run(), "offline");
  assert.equal(phone.stage(doc), "files");
  assert.equal(progress(phone.saved.get(doc._id)).sent, 0);
});

test("cut at every request in turn, with a reload after each, the dossier still arrives once", async () => {
  const clean = new Phone();
  await clean.file([90_000, 90_000]);
  await clean.run();
  const requests = node.log.length;
  for (let k = 0; k < requests; k++) {
    for (const fate of ["before", "after"]) {
      const phone = new Phone();
      const doc = await phone.file([90_000, 90_000]);
      node.log.length = 0;
      node.cut = (number) => (number === k ? fate : "");
      await phone.runUntil("done", 8);
      node.cut = () => "";
      await phone.runUntil("done", 1);
      assert.equal(phone.stage(doc), "received", `request ${k} cut ${fate}`);
      assert.equal(node.order.filter((id) => id === doc._id).length, 1);
    }
  }
});

test("with three connections of ten cut, at most what was in flight is sent again", async () => {
  const phone = new Phone();
  const size = 40 * CHUNK_BYTES;
  await phone.file([size]);
  let seed = 7; // a fixed sequence without a period short enough to hit the same request of every run
  node.cut = () => ((seed = (seed * 1103515245 + 12345) % 2 ** 31) % 1000 < 300 ? "after" : "");
  const runs = await phone.runUntil("done", 200);
  // Each cut may cost again what was under way beside it.
  assert.ok(chunkPuts().length <= 40 + MOST_IN_FLIGHT * runs, `${chunkPuts().length} puts in ${runs} runs`);
  const acknowledged = chunkPuts().filter((line) => line.endsWith("201"));
  assert.ok(new Set(acknowledged.map((line) => line.split(" ")[1])).size === 40);
});

for (const [name, tookMs, most] of [["slow", 4_000, IN_FLIGHT], ["quick", 200, MOST_IN_FLIGHT]]) {
  test(`over a ${name} line at most ${most} chunks are under way`, async () => {
    const phone = new Phone();
    const doc = await phone.file([40 * CHUNK_BYTES]);
    const { api } = phone.parts;
    const put = api.putChunk.bind(api);
    let under = 0, seen = 0;
    api.putChunk = async (...chunk) => {
      seen = Math.max(seen, ++under);
      await put(...chunk);
      phone.clock += tookMs;
      under--;
    };
    assert.equal(await phone.run(), "done");
    assert.equal(phone.stage(doc), "received");
    assert.equal(seen, most);
  });
}

test("a line that has become slow has fewer chunks under way again", async () => {
  const phone = new Phone();
  await phone.file([60 * CHUNK_BYTES]);
  const { api } = phone.parts;
  const put = api.putChunk.bind(api);
  const seen = [];
  let under = 0;
  api.putChunk = async (...chunk) => {
    seen.push(++under);
    await put(...chunk);
    phone.clock += seen.length > 20 ? 4_000 : 200;
    under--;
  };
  assert.equal(await phone.run(), "done");
  assert.equal(Math.max(...seen.slice(0, 20)), MOST_IN_FLIGHT);
  assert.equal(Math.max(...seen.slice(-20)), IN_FLIGHT);
});

test("what the node has acknowledged is remembered over a reload, and shown", async () => {
  const phone = new Phone();
  const doc = await phone.file([10 * CHUNK_BYTES]);
  node.cut = (_, { url }) => (url.startsWith("/api/files/chunks/") && chunkPuts().length > 5 ? "before" : "");
  assert.equal(await phone.run(), "offline");
  phone.restart();
  const { sent } = progress(phone.saved.get(doc._id));
  assert.ok(sent >= 3 * CHUNK_BYTES && sent < 10 * CHUNK_BYTES, String(sent));
});

test("chunks the node has from another dossier are not sent again", async () => {
  const phone = new Phone();
  const bytes = noise(80_000);
  for (const { id, bytes: piece } of (await cutFile(bytes)).chunks) node.chunks.set(id, piece);
  const { manifest, manifestId, chunks } = await cutFile(bytes);
  chunks.forEach((chunk) => phone.chunks.set(chunk.id, chunk.bytes));
  const ref = { sha256: manifest.sha256, manifest: manifestId, size: 80_000, type: "image/jpeg", name: "a.jpg", part: "can-cuoc" };
  const doc = await phone.file([], { files: [ref] });
  phone.saved.set(doc._id, buildEntry(doc, [{ ref, manifest }], 0));
  await phone.run();
  assert.equal(phone.stage(doc), "received");
  assert.equal(chunkPuts().length, 0);
});

test("a node that lost chunks it had acknowledged gets them again", async () => {
  const phone = new Phone();
  const doc = await phone.file([100_000]);
  node.receipts = true;
  node.cut = (_, { url }) => (url.startsWith("/api/files/manifests") ? "before" : "");
  await phone.run();
  node.chunks.clear();
  node.cut = () => "";
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(doc), "received");
});

test("an entry whose bytes are gone is named, and holds up nobody", async () => {
  const phone = new Phone();
  const lost = await phone.file([60_000]);
  for (const id of phone.saved.get(lost._id).files[0].manifest.chunks) phone.chunks.delete(id);
  const other = await phone.file([100_000]);
  assert.equal(await phone.run(), "done");
  assert.equal(phone.saved.get(lost._id).trouble.kind, "lost");
  assert.equal(phone.stage(lost), "files");
  assert.equal(phone.stage(other), "received");
});

test("a file the node refuses holds up nobody, and is tried again later", async () => {
  const phone = new Phone();
  const spoilt = await phone.file([60_000]);
  const [id] = phone.saved.get(spoilt._id).files[0].manifest.chunks;
  const right = phone.chunks.get(id);
  phone.chunks.set(id, noise(CHUNK_BYTES));
  const other = await phone.file([100_000]);
  assert.equal(await phone.run(), "done");
  const { trouble } = phone.saved.get(spoilt._id);
  assert.deepEqual([trouble.kind, trouble.error, trouble.tries], ["refused", "bad_hash", 1]);
  assert.equal(phone.stage(other), "received");

  node.log.length = 0;
  await phone.run();
  assert.equal(chunkPuts().length, 0, "not before its time");
  phone.chunks.set(id, right);
  phone.clock = trouble.retryMs;
  await phone.run();
  assert.equal(phone.stage(spoilt), "received");
});

test("an event the node denies is shown as refused with its reason, the others arrive", async () => {
  const phone = new Phone();
  const bad = await phone.file([]);
  const good = await phone.file([]);
  node.deny = (doc) => (doc._id === bad._id ? "bad_time: too far from the node's clock" : null);
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(bad), "refused");
  assert.match(phone.saved.get(bad._id).trouble.reason, /bad_time/);
  assert.equal(phone.stage(good), "received");
});

test("a refusal is remembered though the line breaks in a later batch", async () => {
  const phone = new Phone();
  const bad = await phone.file([]);
  for (let i = 0; i < 55; i++) await phone.file([], { type: "dossier.withdrawn", body: { reason: "Nộp nhầm" } });
  node.deny = (doc) => (doc._id === bad._id ? "bad_time: too far from the node's clock" : null);
  let batches = 0;
  node.cut = (_, { url }) => (url.includes("_bulk_docs") && ++batches === 2 ? "before" : "");
  assert.equal(await phone.run(), "offline");
  assert.equal(batches, 2);
  phone.restart();
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(bad), "refused");
});

test("a clock that is set back does not put off for years what was to be tried again in a minute", async () => {
  const phone = new Phone();
  const doc = await phone.file([60_000]);
  const [id] = phone.saved.get(doc._id).files[0].manifest.chunks;
  const right = phone.chunks.get(id);
  phone.chunks.set(id, noise(CHUNK_BYTES));
  const now = phone.clock;
  phone.clock = now + 4 * 365 * 86_400_000;
  await phone.run();
  phone.chunks.set(id, right);
  phone.clock = now;
  await phone.run();
  assert.equal(phone.stage(doc), "received");
});

test("stored is not received: without a receipt the dossier stays sent", async () => {
  const phone = new Phone();
  node.receipts = false;
  const doc = await phone.file([40_000]);
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(doc), "sent");
  node.receipts = true;
  await node.receiptFor(doc);
  await phone.run();
  assert.equal(phone.stage(doc), "received");
});

test("an event that brings no papers is done when it is stored", async () => {
  const phone = new Phone();
  const doc = await phone.file([], { type: "dossier.withdrawn", body: { reason: "Nộp nhầm" } });
  await phone.run();
  assert.equal(phone.stage(doc), "stored");
});

const FALSE_RECEIPTS = {
  "that leaves out a file": async (doc) => node.receiptFor(doc, [doc.event.files[0].sha256]),
  "signed by another node of the same authority": async (doc, phone) => {
    const other = await makeIdentity(authority, "urn:tram:node:h41-12-04");
    phone.certificates.set(other.x5t, other.certificate);
    return node.sign(doc.event.stream, "receipt.issued", bodyFor(doc), [idInDocument(doc)], other);
  },
  "signed by a citizen who calls itself the node": async (doc, phone) => {
    phone.certificates.set(citizen.x5t, citizen.certificate);
    return node.sign(doc.event.stream, "receipt.issued", bodyFor(doc), [idInDocument(doc)], { ...citizen, subject: node.identity.subject });
  },
  "signed under a certificate of another authority for the same name": async (doc, phone) => {
    const other = await makeIdentity(stranger, node.identity.subject);
    phone.certificates.set(other.x5t, other.certificate);
    return node.sign(doc.event.stream, "receipt.issued", bodyFor(doc), [idInDocument(doc)], other);
  },
  "with a changed time": async (doc) => {
    const receipt = structuredClone(await node.receiptFor(doc));
    node.docs.delete(receipt._id);
    node.order.splice(node.order.indexOf(receipt._id), 1);
    receipt.event.at = "2026-01-01T00:00:00Z";
    node.put(receipt);
  },
  "for another event": async (doc) => node.sign(doc.event.stream, "receipt.issued", { ...bodyFor(doc), of: `sha256-${"A".repeat(43)}` }, []),
};
const bodyFor = (doc) => ({ of: idInDocument(doc), files: doc.event.files.map((file) => file.sha256), bytes: 2 });

for (const [what, issue] of Object.entries(FALSE_RECEIPTS)) {
  test(`a receipt ${what} proves nothing`, async () => {
    const phone = new Phone();
    node.receipts = false;
    const doc = await phone.file([1000, 2000]);
    await phone.run();
    node.receipts = true;
    await issue(doc, phone);
    await phone.run();
    assert.equal(phone.stage(doc), "sent");
  });
}

test("a receipt under a renewed certificate of the same authority counts", async () => {
  const phone = new Phone();
  node.receipts = false;
  const doc = await phone.file([1000]);
  await phone.run();
  const renewed = await makeIdentity(authority, node.identity.subject);
  phone.certificates.set(renewed.x5t, renewed.certificate);
  await node.sign(doc.event.stream, "receipt.issued", bodyFor(doc), [idInDocument(doc)], renewed);
  await phone.run();
  assert.equal(phone.stage(doc), "received");
});

test("a full phone is told apart from one without a network", async () => {
  const phone = new Phone();
  const doc = await phone.file([]);
  node.receipts = false;
  await phone.run();
  node.receipts = true;
  await node.receiptFor(doc);
  const { bulkDocs } = phone.db;
  // What PouchDB's adapter for browsers makes of a transaction that the browser ended for want of room.
  phone.db.bulkDocs = async () => { throw Object.assign(new Error("Failed to write"), { status: 500, name: "abort", reason: "QuotaExceededError" }); };
  await assert.rejects(phone.run(), isFull);
  phone.db.bulkDocs = bulkDocs;
  phone.restart();
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(doc), "received");
});

test("a phone whose clock is wrong is told apart from one without a network", async () => {
  const phone = new Phone();
  const doc = await phone.file([1000]);
  phone.skewS = -86_400;
  phone.restart();
  assert.equal(await phone.run(), "unauthorised");
  const { offsetMs } = await new NodeApi(node.origin).fetchNode();
  assert.ok(Math.abs(offsetMs) < 2000);
  phone.skewS = 0;
  phone.restart();
  assert.equal(await phone.run(), "done");
  assert.equal(phone.stage(doc), "received");
});

test("a small dossier goes before a large one that was signed earlier", async () => {
  const phone = new Phone();
  await phone.file([10 * CHUNK_BYTES]);
  phone.clock += 1000;
  const small = await phone.file([10]);
  const [only] = phone.saved.get(small._id).files[0].manifest.chunks;
  await phone.run();
  assert.ok(chunkPuts()[0].includes(only));
});

test("progress counts bytes, file by file", async () => {
  const phone = new Phone();
  const doc = await phone.file([2 * CHUNK_BYTES + 10, 20]);
  const entry = phone.saved.get(doc._id);
  entry.acked = [entry.files[0].manifest.chunks.at(-1)];
  assert.deepEqual(progress(entry).files.map(({ sent, total }) => [sent, total]), [[10, 2 * CHUNK_BYTES + 10], [0, 20]]);
  entry.stage = "sent";
  assert.equal(progress(entry).sent, progress(entry).total);
});
