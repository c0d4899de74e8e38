// Proofs of a log on the phone: what Python made (tests/vectors/log) is judged as Python judges it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "../../pwa/lib/base64url.js";
import { readLogKeys, unitOfLog } from "../../pwa/lib/logkeys.js";
import { verifyHead, verifyProof } from "../../pwa/lib/logproof.js";
import { BadProof, verifyConsistency } from "../../pwa/lib/merkle.js";
import { BadNote } from "../../pwa/lib/note.js";
import { judgeReceipt } from "../../pwa/lib/omission.js";
import { Refused, Unreachable } from "../../pwa/lib/api.js";
import { OURS, readJson } from "./support/vectors.mjs";

const vectors = readJson(`${OURS}log/proofs.json`);
const pins = { urn: vectors.urn, chain: vectors.chain };
const now = new Date(vectors.now);
const keys = await readLogKeys(vectors.certificates, pins, now);
const proofOf = (index, size, generation = 1) => vectors.proofs.find((one) => one.index === index && one.size === size && one.generation === generation);
const noteOf = ({ text }) => text.slice(text.indexOf("\n\n") + 2);
const rootOf = async (proof) => (await verifyHead(noteOf(proof), keys)).root;
const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

test("every proof of the vectors is read as Python made it", async () => {
  assert.ok(vectors.proofs.length > 20);
  for (const { event, text, size, index, generation, received, witnesses } of vectors.proofs) {
    const proven = await verifyProof(text, event, keys);
    assert.deepEqual([proven.size, proven.index, proven.generation, proven.receivedS], [size, index, generation, received]);
    assert.deepEqual(Object.fromEntries(proven.witnesses.map(({ name, timeS }) => [unitOfLog(name), timeS])), witnesses);
  }
});

for (const { name, event, text } of vectors.refused) {
  test(`a proof ${name} is refused`, () => assert.rejects(verifyProof(text, event, keys), (cause) => cause instanceof BadProof || cause instanceof BadNote));
}

test("no proof with one character changed says the same of another event, place or head", async () => {
  const { event, text, size, index } = proofOf(4, 13);
  const witness = text.lastIndexOf("\n\u2014 "); // the line of the unit above may fall away: then nobody cosigned
  for (let at = 0; at < witness; at++) {
    const damaged = text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
    const proven = await verifyProof(damaged, event, keys).catch((cause) => { if (cause instanceof BadProof || cause instanceof BadNote) return null; throw cause; });
    if (proven) assert.deepEqual([proven.size, proven.index], [size, index], `character ${at}`);
  }
});

test("consistency proofs are judged as Python judges them", async () => {
  const claim = ({ old, new: fresh, old_root, new_root, proof }) => ({ oldSize: old, newSize: fresh, path: proof.map(decode), oldRoot: decode(old_root), newRoot: decode(new_root) });
  for (const each of vectors.consistency) await verifyConsistency(claim(each));
  for (const each of vectors.not_consistent) await assert.rejects(verifyConsistency(claim(each)), BadProof, JSON.stringify(each));
});

test("only the office's own log and the units above it are believed", async () => {
  assert.deepEqual(keys.log(1).map((key) => key.name), ["03.12.h41.tram.internal/log"]);
  assert.deepEqual(keys.log(3).map((key) => key.name), ["03.12.h41.tram.internal/log/3"]);
  assert.deepEqual(keys.witnesses.map((key) => key.name), ["12.h41.tram.internal/log"]);
  for (const [name, certificate] of Object.entries(vectors.strangers)) {
    const found = await readLogKeys([certificate, "not base64", ""], pins, now);
    assert.deepEqual([found.log(1), found.witnesses], [[], []], name);
  }
});

// What a node's log answers, from the vectors: proofs of events it shows, a head, consistency of the heads it knows.
function logOf({ proof = null, head, consistency = true }) {
  const no = () => { throw new Refused(404, { error: "not_found", reason: "this event is not in the log of this node" }); };
  return {
    fetchProof: async () => (proof ? proof.text : no()),
    fetchHead: async () => ({ origin: "", size: head.size, note: noteOf(head) }),
    fetchConsistency: async (_, old, fresh) => (consistency && vectors.consistency.find((one) => one.old === old && one.new === fresh)) || no(),
  };
}

const promiseOf = async (proof, changes = {}) => ({ unit: "H41.12.03", issued: 1795245300, code: "x", event: proof.event, generation: proof.generation, size: proof.size, root: base64url(await rootOf(proof)), ...changes });

test("an event under a head that the unit above cosigned is cosigned, and whose time that is", async () => {
  const proof = proofOf(4, 13);
  const found = await judgeReceipt(await promiseOf(proof), logOf({ proof, head: proof }), keys);
  assert.equal(found.standing, "cosigned");
  assert.deepEqual(found.witnesses, [{ unit: "H41.12", timeS: proof.witnesses["H41.12"] }]);
  assert.equal(found.proof, proof.text);
});

test("a receipt for an earlier head holds once the later one is shown to have grown out of it", async () => {
  const early = proofOf(0, 5), late = proofOf(0, 13);
  assert.equal((await judgeReceipt(await promiseOf(early), logOf({ proof: late, head: late }), keys)).standing, "cosigned");
  assert.equal((await judgeReceipt(await promiseOf(late), logOf({ proof: early, head: late }), keys)).standing, "logged");
});

test("a log that cannot show that it grew out of the receipt's head contradicts it", async () => {
  const early = proofOf(0, 5), late = proofOf(0, 13);
  for (const promise of [await promiseOf(early, { root: base64url(await rootOf(proofOf(0, 6))) }), await promiseOf(late, { root: base64url(await rootOf(early)) })]) {
    assert.equal((await judgeReceipt(promise, logOf({ proof: late, head: late }), keys)).standing, "contradicts");
  }
  assert.equal((await judgeReceipt(await promiseOf(early), logOf({ proof: late, head: late, consistency: false }), keys)).standing, "contradicts");
});

test("an event that stands behind the head its receipt names contradicts it", async () => {
  const late = proofOf(4, 13);
  const promise = await promiseOf(late, { size: 4, root: vectors.consistency.find((one) => one.old === 4).old_root });
  assert.equal((await judgeReceipt(promise, logOf({ proof: late, head: late }), keys)).standing, "contradicts");
});

test("an event that a log which has grown does not show is missing; before it has grown the log is behind", async () => {
  const promise = await promiseOf(proofOf(0, 7));
  const grown = await judgeReceipt(promise, logOf({ head: proofOf(0, 13) }), keys);
  assert.deepEqual([grown.standing, grown.size, grown.note], ["missing", 13, noteOf(proofOf(0, 13))]);
  assert.equal((await judgeReceipt(promise, logOf({ head: proofOf(0, 7) }), keys)).standing, "missing");
  assert.equal((await judgeReceipt(promise, logOf({ head: proofOf(0, 6) }), keys)).standing, "behind");
  assert.equal((await judgeReceipt(promise, logOf({ head: proofOf(6, 7, 2) }), keys)).standing, "missing"); // the log began anew
});

test("a proof that does not hold is no proof: the event is missing", async () => {
  const proof = proofOf(4, 13), other = proofOf(5, 13);
  const found = await judgeReceipt(await promiseOf(proof), logOf({ proof: other, head: proof }), keys);
  assert.deepEqual([found.standing, found.proof], ["missing", other.text]);
});

test("without a key of the log nothing is claimed, and a dead line is no answer", async () => {
  const proof = proofOf(4, 13);
  const none = await readLogKeys([], pins, now);
  assert.equal((await judgeReceipt(await promiseOf(proof), logOf({ proof, head: proof }), none)).standing, "unchecked");
  const dead = { ...logOf({ proof, head: proof }), fetchProof: async () => { throw new Unreachable("cut"); } };
  await assert.rejects(async () => judgeReceipt(await promiseOf(proof), dead, keys), Unreachable);
  const closed = { ...dead, fetchProof: async () => { throw new Refused(401, { error: "unauthorized", reason: "" }); } };
  await assert.rejects(async () => judgeReceipt(await promiseOf(proof), closed, keys), Refused);
});

/** The same keys, of which some were revoked: `own` and `witness` in Unix seconds. */
const revokedKeys = ({ own = Infinity, witness = Infinity }) => ({
  ...keys, log: (generation) => keys.log(generation).map((key) => ({ ...key, revokedS: own })), witnesses: keys.witnesses.map((key) => ({ ...key, revokedS: witness })),
});

test("a revoked log proves only what a unit above cosigned before that", async () => {
  const proof = proofOf(4, 13), promise = await promiseOf(proof), at = proof.witnesses["H41.12"];
  const judged = async (revoked) => (await judgeReceipt(promise, logOf({ proof, head: proof }), revokedKeys(revoked))).standing;
  assert.equal(await judged({ own: at + 1 }), "cosigned");
  assert.equal(await judged({ own: at }), "revoked");
  assert.equal(await judged({ own: at + 1, witness: at }), "revoked"); // who cosigned was revoked by then
  assert.equal(await judged({ witness: at + 1 }), "cosigned");
  assert.equal(await judged({ witness: at }), "logged");
});

test("a revoked log that shows nothing accuses nobody", async () => {
  const promise = await promiseOf(proofOf(0, 7));
  const alone = proofOf(0, 13);
  const found = await judgeReceipt(promise, logOf({ head: alone }), revokedKeys({ own: 1 }));
  assert.deepEqual([found.standing, found.size], ["revoked", 0]);
});
