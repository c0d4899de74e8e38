// The citizen's view of a dossier: the vectors of server/dossier/fold.py, and what holds whatever the order of arrival.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { foldDossier } from "../../pwa/lib/fold.js";
import { STATUSES } from "../../pwa/lib/states.js";
import { OURS, absent, readJson } from "./support/vectors.mjs";

const FOLD = `${OURS}fold/`;
const files = absent(FOLD) ? [] : readdirSync(FOLD).filter((name) => name.endsWith(".json"));
const docsOf = (events) => events.map(({ id, event }) => ({ _id: `${event.stream}:${id}`, _rev: "1-0", event, signatures: [] }));

/** Who is in office, from a vector's grants: as far as its events need server/dossier/roles.py. */
const officeOf = (grants) => (event, _id, at) => {
  const unitOf = (actor) => actor.replace("urn:tram:node:", "").toUpperCase().replaceAll("-", ".");
  const within = (unit, above) => unit === above || unit.startsWith(`${above}.`);
  if (event.actor.startsWith("urn:tram:node:")) return within(event.unit, unitOf(event.actor));
  const needed = event.type === "dossier.act_reviewed" ? ["leader"] : ["official", "leader"];
  const standings = grants.map(({ event: grant }) => {
    const { subject, role, from, until = "9999" } = grant.body;
    if (grant.type !== "role.granted" || subject !== event.actor || !needed.includes(role)) return false;
    const ends = grants.filter(({ event: one }) => one.type === "role.revoked" && one.unit === grant.unit && one.body.subject === subject && one.body.role === role && one.at >= from).map(({ event: one }) => one.at);
    const end = [until, ...ends].sort()[0];
    if (!within(event.unit, grant.unit) || from > event.at) return false;
    if (from <= at && at < end) return true;
    return at >= end && (end < until || event.at < end) ? "withdrawn" : false;
  });
  return standings.includes(true) || (standings.includes("withdrawn") ? "withdrawn" : false);
};

test("there are fold vectors", { skip: absent(FOLD) }, () => assert.ok(files.length >= 10));

for (const name of files) {
  const { says, grants, events, proofs, expect } = readJson(FOLD + name);
  const fold = (some) => foldDossier(events[0].event.stream, docsOf(some), officeOf(grants), proofs);

  test(`fold vector: ${says}`, () => {
    const dossier = fold(events);
    assert.deepEqual(Object.fromEntries(dossier.steps.map((step) => [step.id, step.state])), expect.states);
    if ("times" in expect) {
      const times = Object.fromEntries(dossier.steps.map(({ id, time }) => [id, { shown: time.shown, provisional: time.provisional, differs: time.differs }]));
      for (const [id, time] of Object.entries(expect.times)) assert.deepEqual(times[id], time);
    }
    if ("status" in expect) assert.equal(STATUSES.indexOf(dossier.status), expect.status);
    if ("code" in expect) assert.equal(dossier.code, expect.code);
    if ("form" in expect) assert.deepEqual(dossier.form, expect.form);
    if ("received" in expect) assert.equal(dossier.received, expect.received);
    if ("missing" in expect) assert.deepEqual(dossier.missing, expect.missing);
    if ("conflicts" in expect) assert.deepEqual(dossier.conflicts.map(({ kind, events: sides, settledBy }) => ({ kind, settled_by: settledBy, events: sides })), expect.conflicts);
  });

  test(`in every order of arrival, and with copies: ${says}`, () => {
    const once = fold(events);
    for (let turn = 0; turn < events.length; turn++) {
      const other = [...events.slice(turn), ...events.slice(0, turn)].reverse();
      assert.deepEqual(fold([...other, ...events]), once);
    }
  });
}

test("of two submissions the one the office built on counts, whatever their ids", () => {
  const stream = "01937c2e-5b7a-7d1a-8f00-0123456789ab";
  const make = (id, actor, type, prev, body) => ({ id, event: { v: 1, stream, type, unit: "H41.12.03", actor, at: "2026-11-21T07:12:09Z", prev, nonce: "", body, files: [] } });
  const filing = { procedure: "1.001193", channel: "online", form: {} };
  const docs = docsOf([
    make("sha256-a", `urn:tram:subject:${"3".repeat(32)}`, "dossier.submitted", [], filing),
    make("sha256-z", `urn:tram:subject:${"1".repeat(32)}`, "dossier.submitted", [], filing),
    make("sha256-r", "urn:tram:node:h41-12-03", "receipt.issued", ["sha256-z"], { of: "sha256-z", files: [], bytes: 0 }),
  ]);
  const dossier = foldDossier(stream, docs, (event) => event.actor.startsWith("urn:tram:node:"));
  assert.equal(dossier.submissionId, "sha256-z");
  assert.equal(dossier.steps.find((step) => step.id === "sha256-a").state, "disputed");
});

test("a citizen's withdrawal beside an official's decision comes after it", () => {
  const stream = "01937c2e-5b7a-7d1a-8f00-0123456789ab";
  const [me, official] = ["1", "2"].map((digit) => `urn:tram:subject:${digit.repeat(32)}`);
  const event = (id, type, actor, prev, body) => ({ id, event: { v: 1, stream, type, unit: "H41.12.03", actor, at: "2026-11-21T07:12:09Z", prev, nonce: "", body, files: [] } });
  const docs = docsOf([
    event("sha256-b", "dossier.submitted", me, [], { procedure: "1.001193", channel: "online", form: {} }),
    event("sha256-a", "dossier.withdrawn", me, ["sha256-b"], { reason: "x" }),
    event("sha256-c", "dossier.accepted", official, ["sha256-b"], { code: "K", due: "2026-11-24T10:00:00Z" }),
  ]);
  const dossier = foldDossier(stream, docs);
  assert.deepEqual([dossier.status, dossier.code], ["withdrawn", "K"]);
  assert.deepEqual(dossier.steps.map((step) => step.type), ["dossier.submitted", "dossier.accepted", "dossier.withdrawn"]);
  assert.deepEqual(dossier.heads, ["sha256-a", "sha256-c"]);
});
