// One dossier for its pages: its story, what is on its way, its verified receipt, what may be done next.

import { procedure as findProcedure } from "./catalogue.js";
import { fromBase64 } from "./lib/base64url.js";
import { parseCertificate } from "./lib/der.js";
import { idInDocument } from "./lib/event.js";
import { MAY_WITHDRAW } from "./lib/fold.js";
import { both } from "./i18n/text.js";
import { knownEvents } from "./signing.js";
import { nodeNowMs, state } from "./state.js";
import { foldWithStory, readStories } from "./stories.js";
import { filesOfStream, listEntries } from "./store/drafts.js";
import { currentTrust } from "./trusted.js";
import { verifyReceipt } from "./lib/trust.js";
import { judgeKept, keptReceipt } from "./receipts.js";

/** @typedef {import("./lib/event.js").EventDocument} EventDocument */
/** `revoked`, `doubted`, `stale`: the signature holds, but see lib/revocation.js. @typedef {"own" | "verified" | "unverified" | "revoked" | "doubted" | "stale"} Proof */
/** @typedef {import("./lib/revocation.js").Verdict} Verdict */
/**
 * @typedef {object} Loaded
 * @property {import("./lib/fold.js").Dossier} dossier
 * @property {EventDocument[]} docs
 * @property {import("./stories.js").Story | null} story what the node says beside
 * @property {import("./lib/entry.js").Entry[]} entries
 * @property {import("./lib/procedures.js").Procedure | null} procedure
 * @property {EventDocument | null} receipt of the submission, verified on this phone just now
 * @property {import("./receipts.js").KeptReceipt | null} kept the submission's receipt as COSE, and what the log keeps of it
 * @property {Verdict | null} verdict whether the receipt's signature still counts, by the revocation lists and the time of now; null without one
 * @property {Map<string, Proof>} proofs by event id
 * @property {import("./store/drafts.js").StoredFile[]} stored files that are still on this phone
 * @property {boolean} mayWithdraw @property {boolean} maySupplement
 */

/** @param {string} stream @returns {Promise<Loaded | null>} null when nothing of it is on this phone */
export async function loadDossier(stream) {
  const [docs, stories] = await Promise.all([knownEvents(stream), readStories()]);
  const dossier = foldWithStory(stream, docs, stories);
  if (!dossier.submission) return null;
  const story = stories[stream] ?? null;
  const [entries, procedure, stored, proofs] = await Promise.all([listEntries(), findProcedure(dossier.procedure), filesOfStream(stream), proveAll(docs, story)]);
  const mine = entries.filter((entry) => entry.doc.event.stream === stream);
  const withdrawing = mine.some((entry) => entry.doc.event.type === "dossier.withdrawn" && entry.stage !== "refused");
  const open = Boolean(state.identity) && MAY_WITHDRAW.has(dossier.status) && !withdrawing;
  const [receipt, kept] = await Promise.all([findReceipt(dossier.submissionId, docs), keptReceipt(dossier.submissionId)]);
  const verdict = await judgeHeld(receipt, kept);
  if (receipt && verdict) proofs.set(idInDocument(receipt), proofOf(verdict));
  return {
    dossier, docs, story, entries: mine, procedure, stored, proofs, receipt, kept, verdict,
    mayWithdraw: open, maySupplement: open && (dossier.status === "waiting_papers" || dossier.status === "new"),
  };
}

/** @param {Loaded} loaded */
export const dossierName = ({ procedure, dossier }) => (procedure ? both(procedure.name) : dossier.procedure);

/** @param {EventDocument[]} docs @param {import("./stories.js").Story | null} story @returns {Promise<Map<string, Proof>>} */
async function proveAll(docs, story) {
  const trust = state.identity ? await currentTrust() : null;
  const isBelieved = trust !== null && !(await isOfficeRevoked(trust));
  const proofs = new Map();
  for (const doc of docs) {
    const own = doc.event.actor === state.identity?.subject;
    // "Unverified" is said beside the step; why is for the console, people cannot act on it.
    const told = isBelieved && !doc.event.actor.startsWith("urn:tram:node:") ? story?.steps[idInDocument(doc)]?.time?.proven : "";
    const proof = own ? "own" : await (trust ? proveOne(doc, trust, told ? Date.parse(told) : null) : Promise.reject(new Error("no registration"))).catch((cause) => {
      console.info(`${doc._id}: ${cause.message}`);
      return "unverified";
    });
    proofs.set(idInDocument(doc), proof);
  }
  return proofs;
}

/** @param {EventDocument | null} receipt verified @param {import("./receipts.js").KeptReceipt | null} kept @returns {Promise<Verdict | null>} */
async function judgeHeld(receipt, kept) {
  if (!state.identity) return null;
  if (kept) return judgeKept(kept);
  return receipt && (await currentTrust()).judge(receipt, nodeNowMs());
}

/** @param {EventDocument} doc @param {import("./lib/trust.js").Trust} trust @param {number | null} provenMs by the node's word @returns {Promise<Proof>} Throws `BadSignature`. */
async function proveOne(doc, trust, provenMs) {
  await trust.verify(doc);
  return proofOf(await trust.judge(doc, nodeNowMs(), provenMs));
}

/** A node vouches for the times of others' signatures, not for those of its own and not once its own key is gone. @param {import("./lib/trust.js").Trust} trust */
async function isOfficeRevoked(trust) {
  const now = nodeNowMs();
  const { reason } = await trust.judgeCertificate(parseCertificate(fromBase64(trust.pins.certificate)), { claimedMs: now, provenMs: null, nowMs: now });
  return reason === "revoked";
}

/** @param {Verdict} verdict @returns {Proof} */
const proofOf = ({ status, reason }) => (status === "valid" ? "verified" : reason !== "revoked" ? "stale" : status === "invalid" ? "revoked" : "doubted");

/** @param {string} submissionId @param {EventDocument[]} docs @returns {Promise<EventDocument | null>} */
async function findReceipt(submissionId, docs) {
  const submission = docs.find((doc) => idInDocument(doc) === submissionId);
  if (!submission || !state.identity) return null;
  const trust = await currentTrust();
  for (const doc of docs) {
    if (doc.event.type !== "receipt.issued" || doc.event.body.of !== submissionId) continue;
    if (await verifyReceipt(doc, submission, trust).then(() => true, () => false)) return doc;
  }
  return null;
}
